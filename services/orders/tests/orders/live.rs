//! What buyers see when a hint was lost, a fact is late or the tables are about to change.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use livehouse_contract::id::OrderId;
use livehouse_orders::store::{self, order};
use livehouse_platform::postgres;
use livehouse_testkit::World;

use super::shop::{PATIENCE, Shop};

/// A lost hint costs a second; the rest is for a busy machine. Much later, a view is read again for other reasons.
const SHOWN_WITHIN: Duration = Duration::from_secs(15);

fn id_of(order: &str) -> OrderId {
    order.rsplit('.').next().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_whose_change_was_never_announced_is_shown_as_it_is() {
    let shop = Shop::open(900).await;
    let buyer = shop.buyer(shop.concert, 0..2).await;
    let order = buyer.order().await;
    buyer.browser.subscribe(&order).await.unwrap();
    buyer.until(&order, "awaiting_payment").await;
    // What a process leaves behind that was killed between its commit and its hint. More than once: what was announced
    // when the order was made, and what a new owner resets some seconds after it began, show a change by chance.
    for round in 0..5 {
        let began = Instant::now();
        let name = format!("Encore {round}");
        let commit = "update orders set event_name = $2, version = version + 1 where id = $1";
        shop.pool.get().await.unwrap().execute(commit, &[&id_of(&order).as_uuid(), &name]).await.unwrap();
        let what = format!("an order that is called {name}");
        buyer.browser.wait_for_model(&order, &what, SHOWN_WITHIN, |model| model["eventName"] == name).await;
        println!("shown after {:?}", began.elapsed());
    }
    assert!(buyer.browser.violations().is_empty(), "{:?}", buyer.browser.violations());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_whose_longer_time_was_not_told_yet_does_not_expire() {
    let shop = Shop::open(900).await;
    let buyer = shop.buyer(shop.concert, 0..2).await;
    let order = buyer.order().await;
    let shown = buyer.until(&order, "awaiting_payment").await;
    // As if the hold had been extended and the fact of it were still on its way.
    let stale = Timestamp::now() - SignedDuration::from_secs(60);
    let late = "update orders set expires_at = $2, hold_version = 0, version = version + 1 where id = $1";
    shop.pool.get().await.unwrap().execute(late, &[&id_of(&order).as_uuid(), &stale]).await.unwrap();
    let mended = "select count(*) from orders where expires_at > now() and state = 'awaiting_payment'";
    livehouse_testkit::wait_until("an order with the time of its hold", PATIENCE, || async {
        assert_eq!(
            shop.count("select count(*) from orders where state = 'expired'").await,
            0,
            "it expired before its hold"
        );
        if shop.count(mended).await == 1 { Ok(()) } else { Err("it is overdue".to_owned()) }
    })
    .await;
    let what = "an order that is shown with the time of its hold";
    buyer
        .browser
        .wait_for_model(&order, what, PATIENCE, |model| model["expiresAt"] == shown["expiresAt"])
        .await;
    // The hold ends for good: now the order does too.
    let over = "update hold set created_at = created_at - interval '1 hour', expires_at = clock_timestamp()";
    shop.tickets.get().await.unwrap().execute(over, &[]).await.unwrap();
    buyer.until(&order, "expired").await;
    shop.until_all_free(shop.concert).await;
    shop.settled().await;
    shop.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_a_newer_version_adds_does_not_disturb_this_one() {
    let world = World::builder().postgres("orders").start().await.unwrap();
    let pool = postgres::pool_of(&world.postgres_url("orders"), 1, "test", "").unwrap();
    store::migrate(&pool).await.unwrap();
    let read = async || {
        let found = order::load(&pool, OrderId::generate()).await;
        assert!(found.unwrap().is_none());
        let connection = pool.get().await.unwrap();
        assert!(order::lock(&connection, OrderId::generate()).await.unwrap().is_none());
    };
    read().await;
    pool.get().await.unwrap().batch_execute("alter table orders add column newer text").await.unwrap();
    tokio::time::timeout(Duration::from_secs(30), read()).await.unwrap();
}
