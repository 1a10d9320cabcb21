//! The decisions, one command at a time.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use livehouse_contract::id::{BuyerId, HoldId, OrderId, TicketId};

use super::command::{Command, Holder, Issue, Outcome, Place, Refusal};
use super::hold::{AreaItem, Hold, SeatItem, State};
use super::sale::Rules;
use super::world::{Difference, Request, Seat, World};
use crate::guard::Guard;

/// What a command came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It is decided.
    Final(Outcome),
    /// It cannot be decided in this batch.
    Again(Again),
}

/// Why a command must come again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Again {
    /// Another command of this batch changed what it is about.
    NextBatch,
    /// These holds are overdue and stand in the way; they must be cleared away first.
    AfterExpiry(Vec<HoldId>),
    /// The event was changed since the command was priced.
    EventChanged,
}

fn refused(refusal: Refusal) -> Decision {
    Decision::Final(Outcome::Refused(refusal))
}

fn done(hold: Hold) -> Decision {
    Decision::Final(Outcome::Done(hold))
}

/// Decides `command` against `world` and leaves in it what changes.
pub fn decide(world: &mut World, command: &Command) -> Decision {
    match command {
        Command::Place(place) => decide_place(world, place),
        Command::Release { hold, by } => with_hold(world, *hold, |world, hold| release(world, hold, *by)),
        Command::Extend { hold, buyer } => with_hold(world, *hold, |world, hold| extend(world, hold, *buyer)),
        Command::Claim { hold, buyer, order } => {
            with_hold(world, *hold, |world, hold| claim(world, hold, *buyer, *order))
        }
        Command::Sell { hold, order } => with_hold(world, *hold, |world, hold| sell(world, hold, *order)),
        Command::Expire { hold } => with_hold(world, *hold, expire),
    }
}

/// Runs `decision` on the hold, if it is there, locked, and not yet changed in this batch.
fn with_hold(
    world: &mut World,
    hold: HoldId,
    decision: impl FnOnce(&mut World, Hold) -> Decision,
) -> Decision {
    if world.is_touched(hold) {
        return Decision::Again(Again::NextBatch);
    }
    match world.holds.get(&hold).cloned() {
        None => refused(Refusal::HoldNotActive),
        // It got other seats between finding out what to lock and read, and locking it.
        Some(hold) if !world.has_read(&hold) => Decision::Again(Again::NextBatch),
        Some(hold) => decision(world, hold),
    }
}

fn decide_place(world: &mut World, place: &Place) -> Decision {
    if let Some(earlier) = world.requests.get(&(place.buyer, place.key.clone())).copied() {
        return repeat(world, place, earlier);
    }
    let Some(rules) = world.events.get(&place.event).cloned() else {
        return refused(Refusal::NotOnSale { status: "draft" });
    };
    if rules.version != place.event_version {
        return Decision::Again(Again::EventChanged);
    }
    if !rules.is_on_sale(world.now) {
        return refused(Refusal::NotOnSale { status: rules.status(world.now, None) });
    }
    if place.units() > rules.seats_per_hold_max {
        return refused(Refusal::TooMany { max: rules.seats_per_hold_max });
    }
    match place.replaces {
        None => place_new(world, place, &rules),
        Some(hold) => with_hold(world, hold, |world, hold| replace(world, place, &rules, hold)),
    }
}

/// The same key: the same request is answered again, another is refused.
fn repeat(world: &World, place: &Place, earlier: Request) -> Decision {
    if earlier.fingerprint != place.fingerprint {
        return refused(Refusal::KeyReused);
    }
    match world.holds.get(&earlier.hold) {
        Some(hold) => done(hold.clone()),
        None => Decision::Again(Again::NextBatch),
    }
}

fn place_new(world: &mut World, place: &Place, rules: &Rules) -> Decision {
    let has = world.allowances.get(&(place.event, place.buyer)).copied().unwrap_or(0);
    if has + place.units() as i32 > rules.seats_per_buyer_max as i32 && !Guard::BuyersHaveALimit.is_off() {
        return refused(Refusal::LimitReached { max: rules.seats_per_buyer_max });
    }
    if let Some(obstacle) = obstacle(world, place.event, &place.seats, &place.areas) {
        return obstacle;
    }
    take(world, place.event, place.hold, &place.seats, &place.areas);
    world.count_allowance(place.event, place.buyer, place.units() as i32, rules.seats_per_buyer_max);
    let seconds = |seconds: u32| SignedDuration::from_secs(i64::from(seconds));
    let hold = Hold {
        id: place.hold,
        event: place.event,
        buyer: place.buyer,
        state: State::Active,
        seats: place.seats.clone(),
        areas: place.areas.clone(),
        created_at: world.now,
        expires_at: world.now + seconds(rules.hold_seconds),
        hard_deadline: world.now + seconds(rules.hold_seconds_max),
        order: None,
        version: 1,
    };
    world.place_hold(hold.clone());
    remember_request(world, place, hold.id);
    done(hold)
}

/// Gives the buyer's own hold another content: what is in both stays untouched, at its frozen price.
fn replace(world: &mut World, place: &Place, rules: &Rules, hold: Hold) -> Decision {
    let own = hold.buyer == place.buyer && hold.event == place.event && hold.order.is_none();
    if !own || !hold.is_active(world.now) {
        return refused(Refusal::HoldNotActive);
    }
    let difference = place.units() as i32 - hold.units() as i32;
    let has = world.allowances.get(&(place.event, place.buyer)).copied().unwrap_or(0);
    if difference > 0 && has + difference > rules.seats_per_buyer_max as i32 {
        return refused(Refusal::LimitReached { max: rules.seats_per_buyer_max });
    }
    let kept_seats: BTreeMap<_, _> = hold.seats.iter().map(|item| (item.seat, *item)).collect();
    let kept_areas: BTreeMap<_, _> = hold.areas.iter().map(|item| (item.area, *item)).collect();
    let added_seats: Vec<_> =
        place.seats.iter().filter(|item| !kept_seats.contains_key(&item.seat)).copied().collect();
    let added_areas: Vec<_> = place
        .areas
        .iter()
        .filter_map(|item| {
            let before = kept_areas.get(&item.area).map_or(0, |kept| kept.units);
            (item.units > before).then(|| AreaItem { units: item.units - before, ..*item })
        })
        .collect();
    if let Some(obstacle) = obstacle(world, place.event, &added_seats, &added_areas) {
        return obstacle;
    }
    take(world, place.event, hold.id, &added_seats, &added_areas);
    for item in hold.seats.iter().filter(|item| !place.seats.iter().any(|wanted| wanted.seat == item.seat)) {
        world.move_seat(place.event, item, Seat::Held(hold.id), Seat::Free);
    }
    for item in &hold.areas {
        let after =
            place.areas.iter().find(|wanted| wanted.area == item.area).map_or(0, |wanted| wanted.units);
        if after < item.units {
            let held = after as i32 - item.units as i32;
            world.count(place.event, item.area, Difference { held, sold: 0 });
        }
    }
    world.count_allowance(place.event, place.buyer, difference, rules.seats_per_buyer_max);
    let seats = place.seats.iter().map(|item| *kept_seats.get(&item.seat).unwrap_or(item)).collect();
    let frozen = |item: &AreaItem| kept_areas.get(&item.area).map_or(item.price, |kept| kept.price);
    let areas = place.areas.iter().map(|item| AreaItem { price: frozen(item), ..*item }).collect();
    let changed = world.change_hold(Hold { seats, areas, ..hold });
    remember_request(world, place, changed.id);
    done(changed)
}

fn remember_request(world: &mut World, place: &Place, hold: HoldId) {
    let request = Request { fingerprint: place.fingerprint, hold };
    world.requests.insert((place.buyer, place.key.clone()), request);
    world.changes.requests.insert((place.buyer, place.key.clone()), request);
}

/// What keeps the wanted seats and units from being taken, if anything.
fn obstacle(world: &World, event: i32, seats: &[SeatItem], areas: &[AreaItem]) -> Option<Decision> {
    let mut taken = Vec::new();
    let mut overdue = Vec::new();
    for item in seats {
        match world.seats.get(&(event, item.seat)) {
            // Freed by a command before: one step of the state machine a batch.
            Some(Seat::Free) if world.changes.seats.contains_key(&(event, item.seat)) => {
                return Some(Decision::Again(Again::NextBatch));
            }
            Some(Seat::Free) => {}
            Some(Seat::Held(by)) if world.is_overdue(*by) => overdue.push(*by),
            _ => taken.push(item.seat),
        }
    }
    let mut full = Vec::new();
    for item in areas {
        let free = world.sections.get(&(event, item.area)).map_or(0, super::world::Section::free);
        if i64::from(free) < i64::from(item.units) {
            full.push(item.area);
        }
    }
    if !full.is_empty() {
        let waiting =
            world.overdue.get(&event).into_iter().flatten().filter(|hold| !world.is_touched(**hold));
        overdue.extend(waiting.copied());
    }
    if !taken.is_empty() || (!full.is_empty() && overdue.is_empty()) {
        return Some(refused(Refusal::Taken { seats: taken, areas: full }));
    }
    overdue.sort_unstable();
    overdue.dedup();
    (!overdue.is_empty()).then_some(Decision::Again(Again::AfterExpiry(overdue)))
}

/// Moves free seats and units to `hold`.
fn take(world: &mut World, event: i32, hold: HoldId, seats: &[SeatItem], areas: &[AreaItem]) {
    for item in seats {
        world.move_seat(event, item, Seat::Free, Seat::Held(hold));
    }
    for item in areas {
        world.count(event, item.area, Difference { held: item.units as i32, sold: 0 });
    }
}

/// Moves everything of the hold back to free and gives the buyer's allowance back.
fn give_back(world: &mut World, hold: Hold, state: State) -> Decision {
    for item in &hold.seats {
        world.move_seat(hold.event, item, Seat::Held(hold.id), Seat::Free);
    }
    for item in &hold.areas {
        world.count(hold.event, item.area, Difference { held: -(item.units as i32), sold: 0 });
    }
    let max = world.events.get(&hold.event).map_or(0, |rules| rules.seats_per_buyer_max);
    world.count_allowance(hold.event, hold.buyer, -(hold.units() as i32), max);
    done(world.change_hold(Hold { state, ..hold }))
}

fn release(world: &mut World, hold: Hold, by: Holder) -> Decision {
    let allowed = match by {
        Holder::Buyer(buyer) => hold.buyer == buyer,
        Holder::Order(order) => hold.order == Some(order),
    };
    match hold.state {
        _ if !allowed => refused(Refusal::HoldNotActive),
        State::Released => done(hold),
        State::Active if hold.is_active(world.now) => give_back(world, hold, State::Released),
        State::Active | State::Sold | State::Expired => refused(Refusal::HoldNotActive),
    }
}

fn extend(world: &mut World, hold: Hold, buyer: BuyerId) -> Decision {
    if hold.buyer != buyer || !hold.is_active(world.now) {
        return refused(Refusal::HoldNotActive);
    }
    let seconds = world.events.get(&hold.event).map_or(0, |rules| rules.hold_seconds);
    match hold.extension(world.now, seconds) {
        None => refused(Refusal::HardDeadline { expires_at: hold.expires_at }),
        Some(expires_at) => done(world.change_hold(Hold { expires_at, ..hold })),
    }
}

fn claim(world: &mut World, hold: Hold, buyer: BuyerId, order: OrderId) -> Decision {
    if hold.buyer != buyer {
        return refused(Refusal::HoldNotActive);
    }
    match hold.order {
        Some(bound) if bound == order => done(hold),
        None if hold.is_active(world.now) => done(world.change_hold(Hold { order: Some(order), ..hold })),
        Some(_) | None => refused(Refusal::HoldNotActive),
    }
}

fn expire(world: &mut World, hold: Hold) -> Decision {
    match hold.state {
        State::Expired => done(hold),
        State::Active if hold.is_overdue(world.now) => give_back(world, hold, State::Expired),
        State::Active | State::Sold | State::Released => refused(Refusal::HoldNotActive),
    }
}

fn sell(world: &mut World, hold: Hold, order: OrderId) -> Decision {
    if hold.order != Some(order) {
        return refused(Refusal::HoldNotActive);
    }
    let once = !Guard::HoldsAreSoldOnce.is_off();
    if once && hold.state == State::Sold {
        return done(hold);
    }
    if once && !hold.is_active(world.now) {
        return sell_late(world, hold, order);
    }
    for item in &hold.seats {
        let is_again = hold.state == State::Sold;
        let from = if is_again { Seat::Sold(hold.id) } else { Seat::Held(hold.id) };
        world.move_seat(hold.event, item, from, Seat::Sold(hold.id));
    }
    for item in &hold.areas {
        let units = item.units as i32;
        world.count(hold.event, item.area, Difference { held: -units, sold: units });
    }
    issue(world, &hold, order);
    done(world.change_hold(Hold { state: State::Sold, ..hold }))
}

/// The order was paid after its hold had ended: exactly the same seats, if they are free, else none.
fn sell_late(world: &mut World, hold: Hold, order: OrderId) -> Decision {
    if hold.state == State::Active {
        // Overdue but not cleared away: first one step, then the other.
        return Decision::Again(Again::AfterExpiry(vec![hold.id]));
    }
    match obstacle(world, hold.event, &hold.seats, &hold.areas) {
        Some(Decision::Final(_)) => {
            world.changes.refused_sales.push((hold.event, hold.id, order));
            return refused(Refusal::SoldToOthers);
        }
        Some(again) => return again,
        None => {}
    }
    for item in &hold.seats {
        world.move_seat(hold.event, item, Seat::Free, Seat::Sold(hold.id));
    }
    for item in &hold.areas {
        world.count(hold.event, item.area, Difference { held: 0, sold: item.units as i32 });
    }
    // The payment was taken: the buyer's limit is not a reason to send it back.
    let units = hold.units();
    let has = world.allowances.get(&(hold.event, hold.buyer)).copied().unwrap_or(0);
    world.count_allowance(hold.event, hold.buyer, units as i32, has.unsigned_abs() + units);
    issue(world, &hold, order);
    done(world.change_hold(Hold { state: State::Sold, ..hold }))
}

fn issue(world: &mut World, hold: &Hold, order: OrderId) {
    let ticket = |seat, area| Issue {
        ticket: TicketId::generate(),
        event: hold.event,
        seat,
        area,
        hold: hold.id,
        order,
    };
    let seats = hold.seats.iter().map(|item| ticket(Some(item.seat), None));
    let units = hold.areas.iter().flat_map(|item| (0..item.units).map(|_| ticket(None, Some(item.area))));
    world.changes.tickets.extend(seats.chain(units));
}
