use jiff::{SignedDuration, Timestamp};
use livehouse_contract::id::HoldId;
use uuid::Uuid;

use super::*;
use crate::domain::hold::SeatItem;
use crate::domain::world::Section as Counters;

const SEAT: u32 = 7;

fn counters(seq: i64) -> Counters {
    Counters { seq, capacity: 10, held: 1, sold: 0, blocked: 0 }
}

/// What a batch saw: one seat of one section in `state`, claimed by `buyer` for another `seconds`.
fn world(seq: i64, state: Seat, buyer: BuyerId, seconds: i64) -> World {
    let now = Timestamp::from_second(1_000_000).unwrap_or_default();
    let mut world = World { now, ..World::default() };
    world.sections.insert((1, 2), counters(seq));
    world.seats.insert((1, SEAT), state);
    if let Seat::Held(hold) | Seat::Sold(hold) = state {
        world.claims.insert(hold, Claim { buyer, expires_at: now + SignedDuration::from_secs(seconds) });
    }
    world
}

fn wish(buyer: BuyerId) -> Place {
    Place {
        hold: HoldId::generate(),
        event: 1,
        event_version: 1,
        buyer,
        key: "key".to_owned(),
        fingerprint: Uuid::nil(),
        seats: vec![SeatItem { seat: SEAT, section: 2, price: 0 }],
        areas: vec![],
        replaces: None,
    }
}

fn freed(seq: i64) -> SectionChange {
    SectionChange { number: 2, seq, held: 0, sold: 0, seats: vec![(SEAT, 'f')] }
}

fn learned(seq: i64, state: Seat, seconds: i64) -> (TakenSeats, BuyerId, Instant) {
    let (taken, holder, start) = (TakenSeats::default(), BuyerId::generate(), Instant::now());
    taken.learn(&world(seq, state, holder, seconds), start, |_, _| Some(2));
    (taken, holder, start)
}

#[test]
fn a_seat_that_somebody_else_has_is_refused_until_the_memory_fades() {
    for state in [Seat::Held(HoldId::generate()), Seat::Sold(HoldId::generate()), Seat::Blocked] {
        let (taken, _, start) = learned(5, state, 600);
        let stranger = wish(BuyerId::generate());
        assert_eq!(taken.of(&stranger, start), [SEAT], "{state:?}");
        assert_eq!(taken.of(&stranger, start + MEMORY), [0; 0], "{state:?}");
    }
}

#[test]
fn a_holder_is_always_sent_to_the_database() {
    let (taken, holder, start) = learned(5, Seat::Held(HoldId::generate()), 600);
    assert_eq!(taken.of(&wish(holder), start), [0; 0]);
}

#[test]
fn a_hold_that_runs_out_refuses_nobody_after_its_end() {
    let (taken, _, start) = learned(5, Seat::Held(HoldId::generate()), 1);
    let stranger = wish(BuyerId::generate());
    assert_eq!(taken.of(&stranger, start + Duration::from_millis(999)), [SEAT]);
    assert_eq!(taken.of(&stranger, start + Duration::from_secs(1)), [0; 0]);
    let (taken, _, start) = learned(5, Seat::Held(HoldId::generate()), -1);
    assert_eq!(taken.of(&stranger, start), [0; 0], "an overdue hold is in nobody's way");
}

#[test]
fn a_seat_announced_as_free_is_forgotten_and_an_older_look_does_not_bring_it_back() {
    let (taken, holder, start) = learned(5, Seat::Held(HoldId::generate()), 600);
    let stranger = wish(BuyerId::generate());
    taken.hear(1, &freed(6));
    assert_eq!(taken.of(&stranger, start), [0; 0]);
    taken.learn(&world(5, Seat::Held(HoldId::generate()), holder, 600), start, |_, _| Some(2));
    assert_eq!(taken.of(&stranger, start), [0; 0], "a look from before the announcement");
    taken.learn(&world(7, Seat::Held(HoldId::generate()), holder, 600), start, |_, _| Some(2));
    assert_eq!(taken.of(&stranger, start), [SEAT]);
}

#[test]
fn an_announcement_older_than_a_look_forgets_nothing() {
    let (taken, _, start) = learned(5, Seat::Held(HoldId::generate()), 600);
    taken.hear(1, &freed(4));
    assert_eq!(taken.of(&wish(BuyerId::generate()), start), [SEAT]);
}

#[test]
fn the_memory_is_bounded() {
    let (taken, holder, start) = (TakenSeats::default(), BuyerId::generate(), Instant::now());
    let hold = HoldId::generate();
    for batch in 0..40 {
        let mut world = world(batch, Seat::Free, holder, 600);
        world.claims.insert(hold, Claim { buyer: holder, expires_at: world.now });
        for seat in 0..4_096 {
            world.seats.insert((1, batch as u32 * 4_096 + seat), Seat::Sold(hold));
        }
        taken.learn(&world, start, |_, _| Some(2));
        assert!(taken.sections().seats <= SEATS_MAX + 4_096);
    }
}
