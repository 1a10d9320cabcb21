//! From a hold to an order.

use std::collections::BTreeSet;

use futures::future::join_all;
use livehouse_contract::path;
use serde_json::{Value, json};

use super::shop::{PATIENCE, Shop};

fn sum_of_lines(order: &serde_json::Map<String, Value>) -> i64 {
    order["lines"].as_array().unwrap().iter().map(|line| line["price"]["amount"].as_i64().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_live_has_the_prices_of_its_hold_and_follows_its_expiry() {
    let shop = Shop::open(900).await;
    let buyer = shop.buyer(shop.concert, 0..3).await;
    let mine = path::orders_of(buyer.id);
    buyer.browser.subscribe(&mine).await.unwrap();
    assert_eq!(buyer.browser.references(&mine).unwrap().len(), 0);
    let order = buyer.order().await;
    let model = buyer.until(&order, "awaiting_payment").await;
    assert_eq!(model["lines"], buyer.held["lines"], "prices are frozen at the hold");
    assert_eq!(model["total"], buyer.held["total"]);
    assert_eq!(model["total"]["amount"], sum_of_lines(&model), "invariant 12");
    assert_eq!(model["total"], json!({"amount": 15_000, "currency": "EUR"}));
    assert_eq!(model["expiresAt"], buyer.held["expiresAt"]);
    assert_eq!(model["event"], json!(shop.concert));
    buyer
        .browser
        .wait_for_model(&order, "the same", PATIENCE, |model| {
            model["number"].as_str().is_some_and(|number| number.len() == 8)
        })
        .await;
    livehouse_testkit::wait_until("the order in the buyer's list", PATIENCE, || async {
        let listed = buyer.browser.references(&mine).unwrap_or_default();
        if listed == [order.clone()] { Ok(()) } else { Err(format!("{listed:?}")) }
    })
    .await;
    let extended = buyer.browser.call(&path::hold(buyer.hold), "extend", json!({})).await.unwrap();
    assert_ne!(extended["expiresAt"], model["expiresAt"]);
    let what = "an order that ends with its extended hold";
    buyer
        .browser
        .wait_for_model(&order, what, PATIENCE, |model| model["expiresAt"] == extended["expiresAt"])
        .await;
    assert!(buyer.browser.violations().is_empty(), "{:?}", buyer.browser.violations());
    shop.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_of_a_free_event_is_paid_at_once_and_has_a_ticket_for_every_seat() {
    let shop = Shop::open(900).await;
    let buyer = shop.buyer(shop.rehearsal, 4..7).await;
    let order = buyer.order().await;
    let paid = buyer.until(&order, "paid").await;
    assert_eq!(paid["total"]["amount"], 0);
    let what = "an order with three tickets";
    let order = buyer
        .browser
        .wait_for_model(&order, what, PATIENCE, |model| {
            model["tickets"].as_array().is_some_and(|tickets| tickets.len() == 3)
        })
        .await;
    let seats: BTreeSet<&str> =
        order["tickets"].as_array().unwrap().iter().map(|ticket| ticket["seat"].as_str().unwrap()).collect();
    assert_eq!(seats, (4..7).map(|number| shop.seat(number)).collect());
    let hold = buyer.browser.get(&path::hold(buyer.hold)).await.unwrap();
    assert!(hold.to_string().contains(r#""state":"converted""#), "{hold}");
    let sold = "select count(*) from seat where state = 's'";
    assert_eq!(shop.tickets.get().await.unwrap().query_one(sold, &[]).await.unwrap().get::<_, i64>(0), 3);
    let cancelled = buyer
        .browser
        .call(&format!("orders.order.{}", order["id"].as_str().unwrap()), "cancel", json!({}))
        .await;
    assert_eq!(
        cancelled.unwrap_err().code,
        "orders.notCancellable",
        "h09: a paid order is left only through a refund"
    );
    shop.settled().await;
    shop.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_13_a_request_repeated_fifty_times_at_once_is_one_order() {
    let shop = Shop::open(900).await;
    let buyer = shop.buyer(shop.rehearsal, 0..2).await;
    let tabs = join_all((0..5).map(|_| shop.browser(buyer.id))).await;
    let params = json!({"hold": buyer.hold, "key": "once"});
    let asking = (0..50).map(|number| tabs[number % 5].call_for_resource("orders", "new", params.clone()));
    let answers = join_all(asking).await;
    let orders: BTreeSet<String> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(orders.len(), 1, "{orders:?}");
    assert_eq!(shop.count("select count(*) from orders").await, 1);
    let other_key =
        buyer.browser.call_for_resource("orders", "new", json!({"hold": buyer.hold, "key": "twice"})).await;
    assert_eq!(other_key.unwrap_err().code, "orders.holdNotActive", "one hold is one order");
    let other_params = json!({"hold": buyer.hold, "email": "other@example.org", "key": "once"});
    let other_params = buyer.browser.call_for_resource("orders", "new", other_params).await;
    assert_eq!(other_params.unwrap_err().code, "system.invalidParams", "a key stands for one request");
    let order = orders.first().unwrap();
    buyer.browser.subscribe(order).await.unwrap();
    buyer.until(order, "paid").await;
    shop.settled().await;
    assert_eq!(
        shop.tickets
            .get()
            .await
            .unwrap()
            .query_one("select count(*) from ticket", &[])
            .await
            .unwrap()
            .get::<_, i64>(0),
        2
    );
    assert_eq!(shop.count("select count(*) from orders").await, 1, "a refused request leaves no order");
    shop.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_goes_to_one_order_though_many_ask_for_it_at_once_with_other_keys() {
    let shop = Shop::open(900).await;
    let buyer = shop.buyer(shop.concert, 0..2).await;
    let asking = (0..20).map(|number| {
        buyer.browser.call_for_resource(
            "orders",
            "new",
            json!({"hold": buyer.hold, "key": format!("key {number}")}),
        )
    });
    let (made, refused): (Vec<_>, Vec<_>) = join_all(asking).await.into_iter().partition(Result::is_ok);
    assert_eq!(made.len(), 1, "{made:?}");
    assert!(
        refused.iter().all(|answer| answer.as_ref().unwrap_err().code == "orders.holdNotActive"),
        "{refused:?}"
    );
    assert_eq!(shop.count("select count(*) from orders").await, 1);
    shop.settled().await;
    shop.audit().await;
}
