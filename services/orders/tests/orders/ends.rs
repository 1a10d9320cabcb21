//! How orders end without money.

use std::time::{Duration, Instant};

use futures::future::join_all;
use jiff::Timestamp;
use livehouse_contract::path;
use livehouse_testkit::Stopwatch;
use serde_json::json;

use super::shop::{PATIENCE, Shop};

/// How long after its hold's end an order may be shown as awaiting its payment.
const EXPIRED_WITHIN: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
async fn an_order_expires_with_its_hold_and_its_seats_are_free() {
    let shop = Shop::open(3).await;
    let buyer = shop.buyer(shop.concert, 0..2).await;
    let order = buyer.order().await;
    let awaiting = buyer.until(&order, "awaiting_payment").await;
    let expires_at: Timestamp = awaiting["expiresAt"].as_str().unwrap().parse().unwrap();
    let left = expires_at.duration_since(Timestamp::now());
    let (now, left_or_over) = (Instant::now(), left.unsigned_abs());
    let end = if left.is_positive() { now + left_or_over } else { now - left_or_over };
    let watch = Stopwatch::start_at(end);
    buyer.until(&order, "expired").await;
    assert!(Timestamp::now() >= expires_at, "it expired before its time");
    let took = watch.stop();
    println!("the order was seen as expired after its hold had run out: {took:?}");
    assert!(took.ran <= EXPIRED_WITHIN, "it was seen as expired too late: {took:?}");
    shop.until_all_free(shop.concert).await;
    let cancelled = buyer.browser.call(&order, "cancel", json!({})).await;
    assert_eq!(cancelled.unwrap_err().code, "orders.notCancellable");
    shop.settled().await;
    shop.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_order_frees_its_seats_and_stays_cancelled() {
    let shop = Shop::open(900).await;
    let buyer = shop.buyer(shop.concert, 0..4).await;
    let order = buyer.order().await;
    let all = shop.free(shop.concert).await + 4;
    assert_eq!(buyer.browser.call(&order, "cancel", json!({})).await.unwrap(), json!({}));
    buyer.until(&order, "cancelled").await;
    shop.until_all_free(shop.concert).await;
    assert_eq!(shop.free(shop.concert).await, all);
    assert_eq!(buyer.browser.call(&order, "cancel", json!({})).await.unwrap(), json!({}), "again: the same");
    let again =
        buyer.browser.call_for_resource("orders", "new", json!({"hold": buyer.hold, "key": "again"})).await;
    assert_eq!(again.unwrap_err().code, "orders.holdNotActive");
    shop.settled().await;
    shop.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn releasing_the_hold_of_an_order_cancels_the_order() {
    let shop = Shop::open(900).await;
    let buyer = shop.buyer(shop.concert, 0..1).await;
    let order = buyer.order().await;
    buyer.until(&order, "awaiting_payment").await;
    buyer.browser.call(&path::hold(buyer.hold), "release", json!({})).await.unwrap();
    buyer.until(&order, "cancelled").await;
    shop.until_all_free(shop.concert).await;
    shop.settled().await;
    shop.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h05_a_hundred_cancels_at_once_release_the_seats_once() {
    let shop = Shop::open(900).await;
    let buyer = shop.buyer(shop.concert, 0..3).await;
    let order = buyer.order().await;
    buyer.until(&order, "awaiting_payment").await;
    let tabs = join_all((0..10).map(|_| shop.browser(buyer.id))).await;
    let started = Instant::now();
    let answers = join_all((0..100).map(|number| tabs[number % 10].call(&order, "cancel", json!({})))).await;
    println!("a hundred cancels took {:?}", started.elapsed());
    assert!(answers.iter().all(|answer| *answer == Ok(json!({}))), "{answers:?}");
    shop.until_all_free(shop.concert).await;
    shop.settled().await;
    // Held once, bound once, released once: had a second cancel reached the seats, they would have moved again.
    let tickets = shop.tickets.get().await.unwrap();
    let row = tickets.query_one("select version, state::text from hold", &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, String>(1)), (3, "r".to_owned()));
    assert_eq!(tickets.query_one("select max(seq) from section", &[]).await.unwrap().get::<_, i64>(0), 2);
    assert_eq!(shop.closed_facts().await, 1, "the end of the order was told more than once");
    // Somebody else takes them; a late cancel must not take them away again.
    let next = shop.buyer(shop.concert, 0..3).await;
    assert_eq!(buyer.browser.call(&order, "cancel", json!({})).await, Ok(json!({})));
    shop.settled().await;
    next.browser.subscribe(&path::hold(next.hold)).await.unwrap();
    let hold = next.browser.wait_for_model(&path::hold(next.hold), "the next hold", PATIENCE, |_| true).await;
    assert_eq!(hold["state"], "active", "h06: a stale cancel let somebody else's seats go");
    shop.audit().await;
}
