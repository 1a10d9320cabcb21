//! Many at once.

use std::collections::BTreeSet;

use futures::future::join_all;
use livehouse_contract::id::BuyerId;
use livehouse_seating::generate;
use livehouse_tickets::domain::command::{Command, Outcome, Place, Refusal};
use livehouse_tickets::inventory::Unavailable;

use super::house::{House, Rules, area_wish, held, release, wish};

/// Asks until there is an outcome: a full queue says so, and asking again is what people do.
async fn insist(inventory: &livehouse_tickets::inventory::Inventory, command: Command) -> Outcome {
    loop {
        match inventory.ask(command.clone()).await {
            Ok(outcome) => return outcome,
            Err(Unavailable::Busy) => tokio::task::yield_now().await,
            Err(Unavailable::Failed) => panic!("the inventory failed"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h01_ten_thousand_clients_one_seat_one_winner() {
    let (house, event) = House::open().await;
    let replicas = [house.inventory.clone(), house.replica().await, house.replica().await];
    let asking = (0..10_000).map(|client| {
        let inventory = replicas[client % replicas.len()].clone();
        let command = Command::Place(wish(&event, BuyerId::generate(), &[42]));
        tokio::spawn(async move { insist(&inventory, command).await })
    });
    let outcomes: Vec<Outcome> = join_all(asking).await.into_iter().map(Result::unwrap).collect();
    let winners = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Done(_))).count();
    let taken = Outcome::Refused(Refusal::Taken { seats: vec![42], areas: vec![] });
    assert_eq!(winners, 1);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == taken).count(), 9_999);
    house.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h02_invariant_2_units_of_an_area_are_never_sold_beyond_its_capacity() {
    let rules = Rules { layout: generate::club(), seats_per_hold_max: 10, ..Rules::default() };
    let (house, event) = House::with(rules).await;
    let capacity = event.layout.capacity(event.layout.index.section_count());
    let replicas = [house.inventory.clone(), house.replica().await];
    let asking = (0..capacity).map(|client| {
        let inventory = replicas[client as usize % replicas.len()].clone();
        let command = Command::Place(area_wish(&event, BuyerId::generate(), 1 + client % 4));
        tokio::spawn(async move { insist(&inventory, command).await })
    });
    let outcomes = join_all(asking).await;
    let units: u32 = outcomes
        .into_iter()
        .filter_map(|outcome| match outcome.unwrap() {
            Outcome::Done(hold) => Some(hold.units()),
            Outcome::Refused(_) => None,
        })
        .sum();
    assert!(units <= capacity && units > capacity - 4, "{units} of {capacity} units were held");
    let error = house
        .pool
        .get()
        .await
        .unwrap()
        .batch_execute("update section set held = capacity + 1 where kind = 'a'")
        .await;
    assert_eq!(error.unwrap_err().as_db_error().unwrap().constraint(), Some("section_not_oversold"));
    house.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h04_a_repeated_request_is_one_hold_however_often_and_wherever_it_arrives() {
    let (house, event) = House::open().await;
    let replicas = [house.inventory.clone(), house.replica().await, house.replica().await];
    let place = wish(&event, BuyerId::generate(), &[3, 4]);
    let asking = (0..300).map(|turn| {
        let inventory = replicas[turn % replicas.len()].clone();
        let again = livehouse_tickets::domain::command::Place {
            hold: livehouse_contract::id::HoldId::generate(),
            ..place.clone()
        };
        tokio::spawn(async move { insist(&inventory, Command::Place(again)).await })
    });
    let answers: BTreeSet<_> = join_all(asking)
        .await
        .into_iter()
        .map(|outcome| match outcome.unwrap() {
            Outcome::Done(hold) => hold.id,
            Outcome::Refused(refusal) => panic!("refused: {refusal:?}"),
        })
        .collect();
    assert_eq!(answers.len(), 1);
    assert_eq!(house.count("select count(*) from hold").await, 1);
    house.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h05_a_hundred_parallel_releases_give_back_once() {
    let (house, event) = House::open().await;
    let hold = held(house.inventory.ask(Command::Place(wish(&event, BuyerId::generate(), &[3, 4]))).await);
    let releasing = (0..100).map(|_| {
        let (inventory, command) = (house.inventory.clone(), release(&hold));
        tokio::spawn(async move { insist(&inventory, command).await })
    });
    for outcome in join_all(releasing).await {
        assert!(matches!(outcome.unwrap(), Outcome::Done(_)));
    }
    let told = "select count(*) from outbox where subject = 'fact.tickets.holds_ended.v1'";
    assert_eq!(house.count(told).await, 1);
    house.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_10_one_buyer_on_many_replicas_never_exceeds_the_limit() {
    let (house, event) =
        House::with(Rules { seats_per_hold_max: 2, seats_per_buyer_max: 6, ..Rules::default() }).await;
    let replicas = [house.inventory.clone(), house.replica().await, house.replica().await];
    let buyer = BuyerId::generate();
    let asking = (0..40_u32).map(|turn| {
        let inventory = replicas[turn as usize % replicas.len()].clone();
        let command = Command::Place(wish(&event, buyer, &[turn * 2, turn * 2 + 1]));
        tokio::spawn(async move { insist(&inventory, command).await })
    });
    let outcomes: Vec<Outcome> = join_all(asking).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Done(_))).count(), 3);
    assert_eq!(house.count("select count(*) from seat where state = 'h'").await, 6);
    house.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h25_overlapping_wishes_on_three_replicas_never_deadlock_or_fail() {
    let (house, event) = House::with(Rules { layout: generate::concert_hall(), ..Rules::default() }).await;
    let replicas = [house.inventory.clone(), house.replica().await, house.replica().await];
    let seats = event.layout.index.seat_count();
    let asking = (0..1_500_u32).map(|turn| {
        let inventory = replicas[turn as usize % replicas.len()].clone();
        // Seats from both ends of the hall, named in no particular order, overlapping with the neighbours' wishes.
        let far = seats - 1 - (turn * 7) % (seats / 2);
        let mut wanted = vec![far, (turn * 11) % (seats / 2), (turn * 11 + 1) % (seats / 2)];
        wanted.sort_unstable();
        wanted.dedup();
        let event = event.clone();
        tokio::spawn(async move {
            let placed = insist(&inventory, Command::Place(wish(&event, BuyerId::generate(), &wanted))).await;
            if let Outcome::Done(hold) = &placed
                && turn % 3 == 0
            {
                insist(&inventory, release(hold)).await;
            }
        })
    });
    for done in join_all(asking).await {
        done.unwrap();
    }
    let deadlocks = "select deadlocks from pg_stat_database where datname = current_database()";
    assert_eq!(house.count(deadlocks).await, 0);
    house.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_gets_other_seats_while_it_is_let_go_elsewhere_leaves_no_seat_behind() {
    let (house, event) = House::open().await;
    let other = house.replica().await;
    let hold = held(house.inventory.ask(Command::Place(wish(&event, BuyerId::generate(), &[1, 2]))).await);

    // Both batches look at the hold, then wait for its section: what they saw of it is old when they get it.
    let section = house.lock_section(&event, 1).await;
    let replacing = {
        let place = Place { replaces: Some(hold.id), ..wish(&event, hold.buyer, &[2, 3]) };
        let inventory = house.inventory.clone();
        tokio::spawn(async move { inventory.ask(Command::Place(place)).await })
    };
    house.until_waiting(1).await;
    let letting_go = {
        let hold = hold.clone();
        tokio::spawn(async move { other.ask(release(&hold)).await })
    };
    house.until_waiting(2).await;
    section.unlock().await;

    held(replacing.await.unwrap());
    held(letting_go.await.unwrap());
    assert_eq!(house.count("select count(*) from seat where state <> 'f'").await, 0);
    house.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h25_buyers_who_take_here_and_let_go_there_never_deadlock() {
    let (house, event) = House::with(Rules {
        layout: generate::concert_hall(),
        seats_per_buyer_max: 10_000,
        ..Rules::default()
    })
    .await;
    let replicas = [house.inventory.clone(), house.replica().await];
    let buyers = [BuyerId::generate(), BuyerId::generate()];
    let last = event.layout.index.seat_count() - 1;
    // No section is touched by both: the first replica's seats lie at one end of the hall, the other's at the other.
    let seat = |replica: usize, turn: u32| if replica == 0 { turn } else { last - turn };
    let mut asking = Vec::new();
    for replica in 0..2 {
        for turn in 0..300 {
            // Holds that one buyer will let go where the other takes, so that batches give to one and take from one.
            let held_by = buyers[1 - replica];
            let before = wish(&event, held_by, &[seat(replica, 2 * turn)]);
            let before = held(replicas[replica].ask(Command::Place(before)).await);
            let place = wish(&event, buyers[replica], &[seat(replica, 2 * turn + 1)]);
            asking.push((replicas[replica].clone(), release(&before)));
            asking.push((replicas[replica].clone(), Command::Place(place)));
        }
    }
    let asking = asking
        .into_iter()
        .map(|(inventory, command)| tokio::spawn(async move { drop(insist(&inventory, command).await) }));
    for done in join_all(asking).await {
        done.unwrap();
    }
    let deadlocks = "select deadlocks from pg_stat_database where datname = current_database()";
    assert_eq!(house.count(deadlocks).await, 0);
    house.audit().await;
}
