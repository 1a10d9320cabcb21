//! From a hold to tickets, and what happens when the money comes late.

use livehouse_contract::id::{BuyerId, OrderId};
use livehouse_tickets::domain::command::{Command, Holder, Refusal};
use livehouse_tickets::domain::hold::State;
use livehouse_tickets::store;

use super::house::{House, held, refused, sell, wish};

#[tokio::test]
async fn a_sold_hold_has_one_ticket_for_each_seat_and_selling_twice_is_selling_once() {
    let (house, event) = House::open().await;
    let hold = held(house.inventory.ask(Command::Place(wish(&event, BuyerId::generate(), &[1, 2]))).await);
    let order = OrderId::generate();
    held(house.inventory.ask(Command::Claim { hold: hold.id, buyer: hold.buyer, order }).await);
    for _ in 0..3 {
        let sold = held(house.inventory.ask(Command::Sell { hold: hold.id, order }).await);
        assert_eq!(sold.state, State::Sold);
    }
    assert_eq!(house.count("select count(*) from ticket").await, 2);
    assert_eq!(house.count("select count(*) from seat where state = 's'").await, 2);
    house.audit().await;
}

#[tokio::test]
async fn a_sold_seat_is_never_released_expired_or_held_again() {
    let (house, event) = House::open().await;
    let hold = held(house.inventory.ask(Command::Place(wish(&event, BuyerId::generate(), &[1]))).await);
    held(sell(&house.inventory, &hold).await);
    for command in [
        Command::Release { hold: hold.id, by: Holder::Buyer(hold.buyer) },
        Command::Expire { hold: hold.id },
        Command::Extend { hold: hold.id, buyer: hold.buyer },
    ] {
        assert_eq!(refused(house.inventory.ask(command).await), Refusal::HoldNotActive);
    }
    let refusal = refused(house.inventory.ask(Command::Place(wish(&event, BuyerId::generate(), &[1]))).await);
    assert_eq!(refusal, Refusal::Taken { seats: vec![1], areas: vec![] });
    let error =
        house.pool.get().await.unwrap().batch_execute("update seat set state = 'h' where seat = 1").await;
    assert_eq!(error.unwrap_err().as_db_error().unwrap().constraint(), Some("seat_never_taken_twice"));
    house.audit().await;
}

#[tokio::test]
async fn a_late_payment_takes_the_same_seats_again_if_they_are_free() {
    let (house, event) = House::open().await;
    let hold = held(house.inventory.ask(Command::Place(wish(&event, BuyerId::generate(), &[1, 2]))).await);
    let order = OrderId::generate();
    held(house.inventory.ask(Command::Claim { hold: hold.id, buyer: hold.buyer, order }).await);
    house.pass_time_of(hold.id).await;
    let sold = held(house.inventory.ask(Command::Sell { hold: hold.id, order }).await);
    assert_eq!(sold.state, State::Sold);
    assert_eq!(house.count("select count(*) from seat where state = 's'").await, 2);
    house.audit().await;
}

#[tokio::test]
async fn a_late_payment_for_seats_of_somebody_else_is_refused_and_told() {
    let (house, event) = House::open().await;
    let hold = held(house.inventory.ask(Command::Place(wish(&event, BuyerId::generate(), &[1, 2]))).await);
    let order = OrderId::generate();
    held(house.inventory.ask(Command::Claim { hold: hold.id, buyer: hold.buyer, order }).await);
    house.pass_time_of(hold.id).await;
    let elsewhere = house.replica().await;
    held(elsewhere.ask(Command::Place(wish(&event, BuyerId::generate(), &[2]))).await);
    assert_eq!(
        refused(house.inventory.ask(Command::Sell { hold: hold.id, order }).await),
        Refusal::SoldToOthers
    );
    assert_eq!(house.count("select count(*) from ticket").await, 0);
    let told = "select count(*) from outbox where subject = 'fact.tickets.sales_refused.v1'";
    assert_eq!(house.count(told).await, 1);
    let ended = store::hold::load(&house.pool, hold.id).await.unwrap().unwrap();
    assert_eq!(ended.state, State::Expired);
    house.audit().await;
}
