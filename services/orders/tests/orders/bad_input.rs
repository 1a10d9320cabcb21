//! What does not fit is refused with the code of the public surface, and changes nothing.

use livehouse_contract::id::{BuyerId, HoldId, OrderId};
use livehouse_contract::path;
use serde_json::{Value, json};

use super::shop::Shop;

#[tokio::test(flavor = "multi_thread")]
async fn h42_every_bad_order_is_refused_with_its_code_and_changes_nothing() {
    let shop = Shop::open(900).await;
    let buyer = shop.buyer(shop.concert, 0..1).await;
    let other = shop.buyer(shop.concert, 1..2).await;
    let gone = shop.buyer(shop.concert, 2..3).await;
    gone.browser.call(&path::hold(gone.hold), "release", json!({})).await.unwrap();
    let hold = buyer.hold;
    let order = |more: Value| {
        let mut params = json!({"hold": hold, "key": "k"});
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        params
    };
    let cases: Vec<(&str, Value, &str)> = vec![
        ("no parameters", Value::Null, "system.invalidParams"),
        ("an empty object", json!({}), "system.invalidParams"),
        ("a list", json!([hold, "k"]), "system.invalidParams"),
        ("no hold", json!({"key": "k"}), "system.invalidParams"),
        ("a hold that is a number", order(json!({"hold": 1})), "system.invalidParams"),
        ("a hold that is no id", order(json!({"hold": "hold_1"})), "system.invalidParams"),
        ("another kind of id", order(json!({"hold": BuyerId::generate()})), "system.invalidParams"),
        ("a list of holds", order(json!({"hold": [hold]})), "system.invalidParams"),
        ("no key", json!({"hold": hold}), "system.invalidParams"),
        ("an empty key", order(json!({"key": ""})), "system.invalidParams"),
        ("a key that is too long", order(json!({"key": "k".repeat(129)})), "system.invalidParams"),
        ("a key with a zero character", order(json!({"key": "k\u{0}"})), "system.invalidParams"),
        ("a key that is a number", order(json!({"key": 7})), "system.invalidParams"),
        ("an address without a host", order(json!({"email": "somebody"})), "system.invalidParams"),
        ("an address of two lines", order(json!({"email": "a@b.de\r\nBcc: c@d.de"})), "system.invalidParams"),
        ("an address with a zero character", order(json!({"email": "a@b.de\u{0}"})), "system.invalidParams"),
        (
            "an address that is too long",
            order(json!({"email": format!("{}@example.org", "a".repeat(250))})),
            "system.invalidParams",
        ),
        ("an address that is an object", order(json!({"email": {"to": "a@b.de"}})), "system.invalidParams"),
        (
            "a total of one's own",
            order(json!({"total": {"amount": 0, "currency": "EUR"}})),
            "system.invalidParams",
        ),
        ("a state of one's own", order(json!({"state": "paid"})), "system.invalidParams"),
        ("a buyer of one's own", order(json!({"buyer": other.id})), "system.invalidParams"),
        ("an id of one's own", order(json!({"id": OrderId::generate()})), "system.invalidParams"),
        ("a hold that is not there", order(json!({"hold": HoldId::generate()})), "orders.holdNotActive"),
        ("a foreign hold", order(json!({"hold": other.hold})), "orders.holdNotActive"),
        ("a hold that was released", order(json!({"hold": gone.hold})), "orders.holdNotActive"),
    ];
    let before = shop.fingerprint().await;
    for (what, params, code) in cases {
        let refused = buyer.browser.call_for_resource("orders", "new", params).await;
        assert_eq!(refused.map_err(|error| error.code), Err(code.to_owned()), "{what}");
        assert_eq!(shop.fingerprint().await, before, "{what} changed something");
    }
    let made = buyer.browser.call_for_resource("orders", "new", order(json!({}))).await.unwrap();
    buyer.until(&made, "awaiting_payment").await;
    let before = shop.fingerprint().await;
    for params in [json!({"force": true}), json!([1]), json!("cancel"), json!({"state": "paid"})] {
        let refused = buyer.browser.call(&made, "cancel", params.clone()).await;
        assert_eq!(refused.unwrap_err().code, "system.invalidParams", "{params}");
    }
    assert_eq!(shop.fingerprint().await, before);
    shop.settled().await;
    shop.audit().await;
}
