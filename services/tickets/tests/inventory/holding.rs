//! Holding, letting go, extending, running out of time.

use livehouse_contract::id::{BuyerId, HoldId};
use livehouse_seating::generate;
use livehouse_tickets::domain::command::{Command, Holder, Refusal};
use livehouse_tickets::domain::hold::State;
use livehouse_tickets::store;

use super::house::{House, Rules, area_wish, held, refused, release, wish};

#[tokio::test]
async fn a_hold_takes_all_its_seats_and_letting_go_gives_them_back() {
    let (house, event) = House::open().await;
    let hold = held(house.inventory.ask(Command::Place(wish(&event, BuyerId::generate(), &[3, 4, 5]))).await);
    assert_eq!(house.count("select count(*) from seat where state = 'h'").await, 3);
    assert_eq!(hold.expires_at - hold.created_at, jiff::Span::new().seconds(900).fieldwise());
    held(house.inventory.ask(release(&hold)).await);
    assert_eq!(house.count("select count(*) from seat where state <> 'f'").await, 0);
    house.audit().await;
}

#[tokio::test]
async fn a_refused_hold_leaves_no_row_no_counter_and_no_fact() {
    let (house, event) = House::open().await;
    held(house.inventory.ask(Command::Place(wish(&event, BuyerId::generate(), &[4]))).await);
    let rows = "select (select count(*) from hold) + (select count(*) from request) + (select count(*) from allowance) \
                + (select count(*) from outbox) + (select sum(seq)::bigint from section)";
    let before = house.count(rows).await;
    let refusal =
        refused(house.inventory.ask(Command::Place(wish(&event, BuyerId::generate(), &[3, 4, 5]))).await);
    assert_eq!(refusal, Refusal::Taken { seats: vec![4], areas: vec![] });
    assert_eq!(house.count(rows).await, before);
    assert_eq!(house.count("select count(*) from seat where state = 'h'").await, 1);
}

#[tokio::test]
async fn the_same_key_answers_the_same_hold_and_another_request_is_refused() {
    let (house, event) = House::open().await;
    let buyer = BuyerId::generate();
    let first = wish(&event, buyer, &[7, 8]);
    let hold = held(house.inventory.ask(Command::Place(first.clone())).await);
    for _ in 0..5 {
        let again = livehouse_tickets::domain::command::Place { hold: HoldId::generate(), ..first.clone() };
        assert_eq!(held(house.inventory.ask(Command::Place(again)).await), hold);
    }
    let other =
        livehouse_tickets::domain::command::Place { key: first.key.clone(), ..wish(&event, buyer, &[9]) };
    assert_eq!(refused(house.inventory.ask(Command::Place(other)).await), Refusal::KeyReused);
    assert_eq!(house.count("select count(*) from hold").await, 1);
    house.audit().await;
}

#[tokio::test]
async fn h06_a_stale_release_never_unlocks_somebody_elses_newer_hold() {
    let (house, event) = House::open().await;
    let first = held(house.inventory.ask(Command::Place(wish(&event, BuyerId::generate(), &[1]))).await);
    held(house.inventory.ask(release(&first)).await);
    let second = held(house.inventory.ask(Command::Place(wish(&event, BuyerId::generate(), &[1]))).await);
    held(house.inventory.ask(release(&first)).await);
    let refusal = refused(house.inventory.ask(Command::Expire { hold: first.id }).await);
    assert_eq!(refusal, Refusal::HoldNotActive);
    let now = store::hold::load(&house.pool, second.id).await.unwrap().unwrap();
    assert_eq!(now.state, State::Active);
    assert_eq!(house.count("select count(*) from seat where state = 'h'").await, 1);
    house.audit().await;
}

#[tokio::test]
async fn h07_a_held_seat_goes_to_another_hold_only_through_free() {
    let (house, event) = House::open().await;
    let hold = held(house.inventory.ask(Command::Place(wish(&event, BuyerId::generate(), &[1]))).await);
    let other = held(house.inventory.ask(Command::Place(wish(&event, BuyerId::generate(), &[2]))).await);
    let refusal = refused(house.inventory.ask(Command::Place(wish(&event, BuyerId::generate(), &[1]))).await);
    assert_eq!(refusal, Refusal::Taken { seats: vec![1], areas: vec![] });
    // Even a statement that forgets every condition is refused by the table itself.
    let statement = format!("update seat set hold = '{}' where seat = 1", other.id.as_uuid());
    let error = house.pool.get().await.unwrap().batch_execute(&statement).await.unwrap_err();
    let refusal = error.as_db_error().unwrap();
    assert_eq!(refusal.constraint(), Some("seat_never_taken_twice"), "{refusal}");
    let now = store::hold::load(&house.pool, hold.id).await.unwrap().unwrap();
    assert_eq!(now.state, State::Active);
}

#[tokio::test]
async fn invariant_09_nobody_elses_token_releases_or_extends_a_hold() {
    let (house, event) = House::open().await;
    let hold = held(house.inventory.ask(Command::Place(wish(&event, BuyerId::generate(), &[1]))).await);
    let stranger = BuyerId::generate();
    let order = livehouse_contract::id::OrderId::generate();
    for command in [
        Command::Release { hold: hold.id, by: Holder::Buyer(stranger) },
        Command::Release { hold: hold.id, by: Holder::Order(order) },
        Command::Extend { hold: hold.id, buyer: stranger },
        Command::Claim { hold: hold.id, buyer: stranger, order },
        Command::Sell { hold: hold.id, order },
    ] {
        assert_eq!(refused(house.inventory.ask(command).await), Refusal::HoldNotActive);
    }
    assert_eq!(store::hold::load(&house.pool, hold.id).await.unwrap().unwrap(), hold);
}

#[tokio::test]
async fn an_expired_hold_can_be_taken_at_once_without_any_sweep() {
    let (house, event) =
        House::with(Rules { layout: generate::studio(), hold_seconds: 1, ..Rules::default() }).await;
    let first = held(house.inventory.ask(Command::Place(wish(&event, BuyerId::generate(), &[1, 2]))).await);
    let stranger = wish(&event, BuyerId::generate(), &[2, 3]);
    refused(house.inventory.ask(Command::Place(stranger.clone())).await);
    house.until_over(&first).await;
    let second = held(house.inventory.ask(Command::Place(wish(&event, BuyerId::generate(), &[2, 3]))).await);
    assert_eq!(second.state, State::Active);
    let ended = store::hold::load(&house.pool, first.id).await.unwrap().unwrap();
    assert_eq!(ended.state, State::Expired);
    assert_eq!(house.count("select count(*) from seat where state = 'h'").await, 2);
    house.audit().await;
}

#[tokio::test]
async fn an_expired_hold_of_an_area_gives_its_units_to_the_next() {
    let (house, event) = House::with(Rules {
        layout: generate::club(),
        seats_per_hold_max: 500,
        seats_per_buyer_max: 500,
        ..Rules::default()
    })
    .await;
    let capacity = event.layout.capacity(event.layout.index.section_count());
    let first =
        held(house.inventory.ask(Command::Place(area_wish(&event, BuyerId::generate(), capacity))).await);
    let refusal =
        refused(house.inventory.ask(Command::Place(area_wish(&event, BuyerId::generate(), 1))).await);
    assert!(matches!(refusal, Refusal::Taken { ref areas, .. } if areas.len() == 1), "{refusal:?}");
    house.pass_time_of(first.id).await;
    held(house.inventory.ask(Command::Place(area_wish(&event, BuyerId::generate(), 1))).await);
    house.audit().await;
}

#[tokio::test]
async fn h15_only_the_databases_clock_ends_a_hold() {
    // The hold lives for a second by the database; nothing in this process can end it before.
    let (house, event) = House::with(Rules { hold_seconds: 2, ..Rules::default() }).await;
    let hold = held(house.inventory.ask(Command::Place(wish(&event, BuyerId::generate(), &[1]))).await);
    assert_eq!(refused(house.inventory.ask(Command::Expire { hold: hold.id }).await), Refusal::HoldNotActive);
    assert_eq!(house.count("select count(*) from hold where state = 'a'").await, 1);
    let ended = livehouse_testkit::wait_until("the hold to run out", super::house::PATIENCE, || async {
        match house.inventory.ask(Command::Expire { hold: hold.id }).await {
            Ok(livehouse_tickets::domain::command::Outcome::Done(ended)) => Ok(ended),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    assert_eq!(ended.state, State::Expired);
    let late = "select (extract(epoch from clock_timestamp() - expires_at) * 1000)::bigint from hold";
    assert!(house.count(late).await >= 0, "the hold ended before its expiry");
    house.audit().await;
}

#[tokio::test]
async fn invariant_08_extending_never_passes_the_hard_deadline() {
    let (house, event) =
        House::with(Rules { hold_seconds: 600, hold_seconds_max: 900, ..Rules::default() }).await;
    let hold = held(house.inventory.ask(Command::Place(wish(&event, BuyerId::generate(), &[1]))).await);
    let extend = || Command::Extend { hold: hold.id, buyer: hold.buyer };
    house.execute("update hold set created_at = created_at - interval '8 minutes', expires_at = expires_at - interval '8 minutes', hard_deadline = hard_deadline - interval '8 minutes'").await;
    let extended = held(house.inventory.ask(extend()).await);
    assert_eq!(extended.expires_at, extended.hard_deadline);
    let refusal = refused(house.inventory.ask(extend()).await);
    assert_eq!(refusal, Refusal::HardDeadline { expires_at: extended.hard_deadline });
    house.audit().await;
}

#[tokio::test]
async fn a_sale_that_has_not_opened_or_is_paused_refuses_and_says_why() {
    let (house, event) = House::with(Rules { opens_in_seconds: 3_600, ..Rules::default() }).await;
    let refusal = refused(house.inventory.ask(Command::Place(wish(&event, BuyerId::generate(), &[1]))).await);
    assert_eq!(refusal, Refusal::NotOnSale { status: "published" });
    house.execute("update event set on_sale_at = now() - interval '1 minute', status = 'paused', version = version + 1").await;
    let refusal = refused(house.inventory.ask(Command::Place(wish(&event, BuyerId::generate(), &[1]))).await);
    assert_eq!(refusal, Refusal::NotOnSale { status: "paused" });
    assert_eq!(house.count("select count(*) from hold").await, 0);
}

#[tokio::test]
async fn prices_are_those_of_the_event_when_the_hold_is_placed() {
    let (house, event) = House::open().await;
    let category = event.layout.category_id(event.layout.seat_category(1)).to_owned();
    let change = format!(
        "update event set prices = jsonb_set(prices, '{{{category}}}', '777'), version = version + 1"
    );
    house.execute(&change).await;
    let hold = held(house.inventory.ask(Command::Place(wish(&event, BuyerId::generate(), &[1]))).await);
    assert_eq!(hold.total(), 777, "the wish was priced from an older catalogue");
    house.execute(&change.replace("777", "999")).await;
    assert_eq!(store::hold::load(&house.pool, hold.id).await.unwrap().unwrap().total(), 777);
}

#[tokio::test]
async fn a_hold_gets_other_seats_keeps_those_in_both_and_never_gains_time() {
    let (house, event) = House::open().await;
    let buyer = BuyerId::generate();
    let hold = held(house.inventory.ask(Command::Place(wish(&event, buyer, &[1, 2]))).await);
    let other = held(house.inventory.ask(Command::Place(wish(&event, BuyerId::generate(), &[9]))).await);
    let replace = |seats: &[u32]| {
        let place = wish(&event, buyer, seats);
        Command::Place(livehouse_tickets::domain::command::Place { replaces: Some(hold.id), ..place })
    };
    let changed = held(house.inventory.ask(replace(&[2, 3])).await);
    assert_eq!((changed.id, changed.expires_at), (hold.id, hold.expires_at));
    assert_eq!(changed.seats.iter().map(|item| item.seat).collect::<Vec<_>>(), [2, 3]);
    let refusal = refused(house.inventory.ask(replace(&[3, 9])).await);
    assert_eq!(refusal, Refusal::Taken { seats: vec![9], areas: vec![] });
    let kept = store::hold::load(&house.pool, hold.id).await.unwrap().unwrap();
    assert_eq!(kept.seats, changed.seats, "a refused change leaves the hold as it was");
    let stranger =
        livehouse_tickets::domain::command::Place { replaces: Some(other.id), ..wish(&event, buyer, &[10]) };
    assert_eq!(refused(house.inventory.ask(Command::Place(stranger)).await), Refusal::HoldNotActive);
    house.audit().await;
}

#[tokio::test]
async fn invariant_10_a_buyers_limit_counts_all_holds_and_is_given_back() {
    let (house, event) =
        House::with(Rules { seats_per_hold_max: 4, seats_per_buyer_max: 6, ..Rules::default() }).await;
    let buyer = BuyerId::generate();
    let first = held(house.inventory.ask(Command::Place(wish(&event, buyer, &[1, 2, 3, 4]))).await);
    let refusal = refused(house.inventory.ask(Command::Place(wish(&event, buyer, &[5, 6, 7]))).await);
    assert_eq!(refusal, Refusal::LimitReached { max: 6 });
    held(house.inventory.ask(release(&first)).await);
    held(house.inventory.ask(Command::Place(wish(&event, buyer, &[5, 6, 7]))).await);
    let many = wish(&event, buyer, &[8, 9, 10, 11, 12]);
    assert_eq!(refused(house.inventory.ask(Command::Place(many)).await), Refusal::TooMany { max: 4 });
    house.audit().await;
}

#[tokio::test]
async fn requests_are_forgotten_after_a_week_and_not_before() {
    let (house, event) = House::open().await;
    for seat in 0..3 {
        held(house.inventory.ask(Command::Place(wish(&event, BuyerId::generate(), &[seat]))).await);
    }
    house.execute("update request set made_at = now() - interval '6 days'").await;
    assert_eq!(store::request::forget(&house.pool, 10).await.unwrap(), 0);
    house.execute("update request set made_at = now() - interval '8 days'").await;
    assert_eq!(store::request::forget(&house.pool, 2).await.unwrap(), 2);
    assert_eq!(store::request::forget(&house.pool, 10).await.unwrap(), 1);
    house.audit().await;
}

#[tokio::test]
async fn a_hold_that_cannot_be_cleared_away_does_not_keep_the_others() {
    let (house, event) = House::open().await;
    let mut holds = Vec::new();
    for seat in 0..3 {
        holds.push(held(
            house.inventory.ask(Command::Place(wish(&event, BuyerId::generate(), &[seat]))).await,
        ));
    }
    for hold in &holds {
        house.pass_time_of(hold.id).await;
    }
    // What the database refuses for one of them: a seat that the hold no longer keeps.
    house.execute("alter table seat disable trigger all; update seat set hold = gen_random_uuid() where seat = 1; alter table seat enable trigger all").await;
    let ids = holds.iter().map(|hold| hold.id).collect();
    assert_eq!(house.inventory.expire(ids).await.unwrap(), 2);
    assert_eq!(house.count("select count(*) from seat where state = 'h'").await, 1);
}
