//! The rules against a model: random commands in random batches, the invariants after each.

#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use livehouse_contract::id::{BuyerId, HoldId, OrderId};
use proptest::prelude::*;
use uuid::Uuid;

use super::command::{Command, Holder, Outcome, Place, Refusal};
use super::decide::{Again, Decision, decide};
use super::hold::{AreaItem, SeatItem, State};
use super::sale::{Rules, Set};
use super::world::{Changes, Seat, Section, World};

const SEATS: u32 = 12;
const AREA: u16 = 2;
const AREA_UNITS: i32 = 9;
const SEATS_PER_BUYER_MAX: u32 = 6;
const BUYERS: u8 = 4;

/// A step of a simulated sale; numbers choose among what there is.
#[derive(Debug, Clone)]
enum Step {
    Place { buyer: u8, seats: Vec<u32>, units: u32, key: u8, replaces: Option<usize> },
    Release { hold: usize, buyer: u8 },
    Extend { hold: usize, buyer: u8 },
    Claim { hold: usize, buyer: u8 },
    Sell { hold: usize, is_own_order: bool },
    Expire { hold: usize },
    NextBatch,
    PassTime { seconds: i64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let hold = || 0_usize..20;
    let buyer = || 0..BUYERS;
    let place = (
        buyer(),
        prop::collection::btree_set(0..SEATS, 0..4),
        0_u32..4,
        any::<u8>(),
        prop::option::weighted(0.3, hold()),
    );
    let step = prop_oneof![
        5 => place.prop_map(|(buyer, seats, units, key, replaces)| Step::Place {
            buyer, seats: seats.into_iter().collect(), units, key, replaces
        }),
        2 => (hold(), buyer()).prop_map(|(hold, buyer)| Step::Release { hold, buyer }),
        1 => (hold(), buyer()).prop_map(|(hold, buyer)| Step::Extend { hold, buyer }),
        2 => (hold(), buyer()).prop_map(|(hold, buyer)| Step::Claim { hold, buyer }),
        2 => (hold(), any::<bool>()).prop_map(|(hold, is_own_order)| Step::Sell { hold, is_own_order }),
        1 => hold().prop_map(|hold| Step::Expire { hold }),
        4 => Just(Step::NextBatch),
        2 => (0_i64..700).prop_map(|seconds| Step::PassTime { seconds }),
    ];
    prop::collection::vec(step, 1..120)
}

struct Model {
    world: World,
    buyers: Vec<BuyerId>,
    holds: Vec<HoldId>,
    orders: HashMap<HoldId, OrderId>,
}

impl Model {
    fn new() -> Self {
        let mut world = World { now: Timestamp::UNIX_EPOCH, ..World::default() };
        let rules = Rules {
            set: Set::Published,
            on_sale_at: Timestamp::UNIX_EPOCH,
            off_sale_at: Timestamp::MAX,
            starts_at: Timestamp::MAX,
            hold_seconds: 600,
            hold_seconds_max: 1_500,
            seats_per_hold_max: 5,
            seats_per_buyer_max: SEATS_PER_BUYER_MAX,
            version: 1,
        };
        world.events.insert(1, rules);
        world.seats = (0..SEATS).map(|seat| ((1, seat), Seat::Free)).collect();
        let section = |capacity| Section { seq: 0, capacity, held: 0, sold: 0, blocked: 0 };
        world.sections.insert((1, 0), section(SEATS as i32 / 2));
        world.sections.insert((1, 1), section(SEATS as i32 / 2));
        world.sections.insert((1, AREA), section(AREA_UNITS));
        let buyers = (0..BUYERS).map(|_| BuyerId::generate()).collect();
        Self { world, buyers, holds: Vec::new(), orders: HashMap::new() }
    }

    fn hold(&self, number: usize) -> HoldId {
        self.holds.get(number % self.holds.len().max(1)).copied().unwrap_or_else(HoldId::generate)
    }

    fn command(&mut self, step: &Step) -> Option<Command> {
        let buyer = |model: &Self, number: u8| model.buyers[usize::from(number)];
        Some(match step {
            Step::Place { buyer: number, seats, units, key, replaces } => {
                let section = |seat: u32| u16::from(seat >= SEATS / 2);
                let price = |amount| amount;
                let seats: Vec<_> = seats
                    .iter()
                    .map(|seat| SeatItem { seat: *seat, section: section(*seat), price: price(10) })
                    .collect();
                let areas: Vec<_> = (*units > 0)
                    .then_some(AreaItem { area: AREA, units: *units, price: price(5) })
                    .into_iter()
                    .collect();
                if seats.is_empty() && areas.is_empty() {
                    return None;
                }
                let hold = HoldId::generate();
                self.holds.push(hold);
                let replaces = replaces.map(|number| self.hold(number));
                let asked = format!("{seats:?}{areas:?}{replaces:?}");
                let digest =
                    asked.bytes().fold(7_u128, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
                Command::Place(Place {
                    hold,
                    event: 1,
                    event_version: 1,
                    buyer: buyer(self, *number),
                    key: key.to_string(),
                    fingerprint: Uuid::from_u128(digest),
                    seats,
                    areas,
                    replaces,
                })
            }
            Step::Release { hold, buyer: number } => {
                Command::Release { hold: self.hold(*hold), by: Holder::Buyer(buyer(self, *number)) }
            }
            Step::Extend { hold, buyer: number } => {
                Command::Extend { hold: self.hold(*hold), buyer: buyer(self, *number) }
            }
            Step::Claim { hold, buyer: number } => {
                let hold = self.hold(*hold);
                let order = *self.orders.entry(hold).or_insert_with(OrderId::generate);
                Command::Claim { hold, buyer: buyer(self, *number), order }
            }
            Step::Sell { hold, is_own_order } => {
                let hold = self.hold(*hold);
                let own = self.orders.get(&hold).copied().filter(|_| *is_own_order);
                Command::Sell { hold, order: own.unwrap_or_else(OrderId::generate) }
            }
            Step::Expire { hold } => Command::Expire { hold: self.hold(*hold) },
            Step::NextBatch | Step::PassTime { .. } => return None,
        })
    }

    fn overdue(&mut self) {
        let holds = self.world.holds.values();
        let overdue = holds
            .filter(|hold| hold.is_overdue(self.world.now) && !hold.areas.is_empty())
            .map(|hold| hold.id);
        let overdue = overdue.collect();
        self.world.overdue.insert(1, overdue);
    }

    /// Decides a command to its end, as the lanes do.
    fn run(&mut self, command: &Command) -> Outcome {
        for _ in 0..20 {
            self.overdue();
            let before = self.world.holds.clone();
            match decide(&mut self.world, command) {
                Decision::Final(outcome) => {
                    self.check_transition(command, &before);
                    return outcome;
                }
                Decision::Again(Again::NextBatch) => self.world.changes = Changes::default(),
                Decision::Again(Again::AfterExpiry(holds)) => {
                    self.world.changes = Changes::default();
                    for hold in holds {
                        decide(&mut self.world, &Command::Expire { hold });
                    }
                }
                Decision::Again(Again::EventChanged) => panic!("the event never changes here"),
            }
        }
        panic!("{command:?} was never decided");
    }

    /// Terminal states stay, versions rise by one, no deadline moves.
    fn check_transition(&self, command: &Command, before: &HashMap<HoldId, super::hold::Hold>) {
        for (id, earlier) in before {
            let now = &self.world.holds[id];
            assert_eq!(now.hard_deadline, earlier.hard_deadline);
            assert!(now.expires_at <= now.hard_deadline, "{command:?}");
            if now != earlier {
                assert_eq!(now.version, earlier.version + 1, "{command:?}");
                // A late payment may take the same seats again; nothing else leaves an end.
                let is_late_sale = matches!(command, Command::Sell { .. }) && now.state == State::Sold;
                assert!(
                    earlier.state == State::Active || is_late_sale,
                    "{command:?}: {earlier:?} -> {now:?}"
                );
                if now.state == State::Expired {
                    assert!(self.world.now >= earlier.expires_at, "released before its expiry");
                }
            }
        }
    }

    /// Invariants 1 to 4 and 10 of everything there is.
    fn check(&self) {
        let mut claims: HashMap<u32, HoldId> = HashMap::new();
        let (mut held_units, mut sold_units) = (0, 0);
        let mut has: HashMap<BuyerId, u32> = HashMap::new();
        for hold in self.world.holds.values().filter(|hold| matches!(hold.state, State::Active | State::Sold))
        {
            for item in &hold.seats {
                assert!(claims.insert(item.seat, hold.id).is_none(), "seat {} is claimed twice", item.seat);
                let expected =
                    if hold.state == State::Active { Seat::Held(hold.id) } else { Seat::Sold(hold.id) };
                assert_eq!(self.world.seats[&(1, item.seat)], expected);
            }
            let units: u32 = hold.areas.iter().map(|item| item.units).sum();
            if hold.state == State::Active {
                held_units += units
            } else {
                sold_units += units
            }
            *has.entry(hold.buyer).or_default() += hold.units();
        }
        for seat in 0..SEATS {
            let is_claimed = claims.contains_key(&seat);
            assert_eq!(self.world.seats[&(1, seat)] != Seat::Free, is_claimed, "seat {seat}");
        }
        let area = self.world.sections[&(1, AREA)];
        assert_eq!((area.held, area.sold), (held_units as i32, sold_units as i32));
        for section in self.world.sections.values() {
            assert!(section.free() >= 0 && section.held >= 0 && section.sold >= 0, "{section:?}");
        }
        for number in 0..2_u16 {
            let seats = (0..SEATS).filter(|seat| u16::from(*seat >= SEATS / 2) == number);
            let states: Vec<Seat> = seats.map(|seat| self.world.seats[&(1, seat)]).collect();
            let section = self.world.sections[&(1, number)];
            let held = states.iter().filter(|state| matches!(state, Seat::Held(_))).count() as i32;
            let sold = states.iter().filter(|state| matches!(state, Seat::Sold(_))).count() as i32;
            assert_eq!((section.held, section.sold), (held, sold));
        }
        for (buyer, allowance) in &self.world.allowances {
            assert_eq!(*allowance, has.get(&buyer.1).copied().unwrap_or(0) as i32);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_run_of_commands_breaks_an_invariant(steps in steps()) {
        let mut model = Model::new();
        for step in &steps {
            match step {
                Step::NextBatch => model.world.changes = Changes::default(),
                Step::PassTime { seconds } => {
                    model.world.changes = Changes::default();
                    model.world.now += SignedDuration::from_secs(*seconds);
                }
                _ => {
                    let Some(command) = model.command(step) else { continue };
                    let outcome = model.run(&command);
                    if let (Command::Place(place), Outcome::Done(hold)) = (&command, &outcome) {
                        prop_assert_eq!(hold.buyer, place.buyer);
                    }
                    if let (Command::Release { by: Holder::Buyer(buyer), hold }, Outcome::Done(_)) = (&command, &outcome) {
                        prop_assert_eq!(model.world.holds[hold].buyer, *buyer);
                    }
                    model.check();
                }
            }
        }
    }

    #[test]
    fn a_repeated_command_changes_nothing_more(steps in steps()) {
        let mut model = Model::new();
        for step in &steps {
            let Some(command) = model.command(step) else { continue };
            let first = model.run(&command);
            model.world.changes = Changes::default();
            let holds = model.world.holds.clone();
            let again = model.run(&command);
            // Extending counts from now, so the same moment gives the same end.
            if matches!((&command, &first), (Command::Extend { .. }, _) | (_, Outcome::Refused(Refusal::KeyReused))) {
                continue;
            }
            match (&first, &again) {
                (Outcome::Done(first), Outcome::Done(again)) => prop_assert_eq!(first, again),
                (Outcome::Refused(_), Outcome::Refused(_)) => {}
                other => prop_assert!(false, "{command:?}: {other:?}"),
            }
            prop_assert_eq!(&model.world.holds, &holds);
        }
    }
}
