//! Everything that does not fit is refused with the code of the public surface, and changes nothing.

use std::time::Duration;

use livehouse_contract::id::{BuyerId, EventId, HoldId};
use livehouse_contract::path;
use serde_json::{Value, json};

use super::caller::Answer;
use super::hall::seat;
use super::stage::{Rules, Setup, Stage};

/// Everything that a request could change.
async fn fingerprint(stage: &Stage) -> String {
    let asked = "select md5(concat( \
        (select string_agg(seat::text, ',' order by event, seat) from seat), \
        (select string_agg(section::text, ',' order by event, number) from section), \
        (select string_agg(hold::text, ',' order by id) from hold), \
        (select string_agg(allowance::text, ',' order by event, buyer) from allowance), \
        (select string_agg(request::text, ',' order by buyer, key) from request), \
        (select count(*) from ticket), (select string_agg(event::text, ',' order by number) from event)))";
    stage.pool.get().await.unwrap().query_one(asked, &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_wish_is_refused_with_its_code_and_changes_nothing() {
    let mut stage = Stage::open().await;
    let other = stage.publish(&livehouse_seating::generate::studio(), "elsewhere", Rules::default()).await;
    stage.events.push(other);
    stage.until_owned().await;
    let buyer = BuyerId::generate();
    let first = json!({"seats": [seat(0, 0, 0)], "key": "first"});
    let held =
        stage.caller.insist(&stage.event_path(), "hold", Some(buyer), first.clone()).await.result()["hold"]
            .clone();
    let (foreign, _) = stage.hold(&[seat(1, 0, 0)]).await;
    let (one, area) = (
        seat(2, 0, 0),
        |quantity: Value| json!({"areas": [{"area": "a0", "quantity": quantity}], "key": "k"}),
    );
    let thousand: Vec<String> =
        (0..1_000).map(|number| seat(number / 20, number % 20 / 10, number % 10)).collect();
    let elsewhere = livehouse_seating::generate::studio().sections[0].rows[0].seats[0].id.clone();
    let cases: Vec<(&str, Value, &str)> = vec![
        ("an unknown seat", json!({"seats": ["s9-9-9"], "key": "k"}), "tickets.unknownSeat"),
        ("a seat of another event", json!({"seats": [elsewhere], "key": "k"}), "tickets.unknownSeat"),
        ("a section as a seat", json!({"seats": ["s1"], "key": "k"}), "tickets.unknownSeat"),
        ("a seat with an empty id", json!({"seats": [""], "key": "k"}), "tickets.unknownSeat"),
        ("a known and an unknown seat", json!({"seats": [one, "s9-9-9"], "key": "k"}), "tickets.unknownSeat"),
        (
            "an unknown area",
            json!({"areas": [{"area": "a9", "quantity": 1}], "key": "k"}),
            "tickets.unknownSeat",
        ),
        (
            "a section as an area",
            json!({"areas": [{"area": "s1", "quantity": 1}], "key": "k"}),
            "tickets.unknownSeat",
        ),
        ("a thousand seats", json!({"seats": thousand, "key": "k"}), "tickets.tooManySeats"),
        ("eleven units of an area", area(json!(11)), "tickets.tooManySeats"),
        ("a huge quantity", area(json!(4_000_000_000_u64)), "system.invalidParams"),
        ("a quantity beyond 32 bits", area(json!(5_000_000_000_u64)), "system.invalidParams"),
        (
            "a quantity beyond 64 bits",
            serde_json::from_str(r#"{"areas":[{"area":"a0","quantity":1e40}],"key":"k"}"#).unwrap(),
            "system.invalidParams",
        ),
        ("a negative quantity", area(json!(-1)), "system.invalidParams"),
        ("a quantity of nothing", area(json!(0)), "system.invalidParams"),
        ("a quantity with a fraction", area(json!(1.5)), "system.invalidParams"),
        ("a quantity as text", area(json!("1")), "system.invalidParams"),
        ("no quantity", area(json!(null)), "system.invalidParams"),
        (
            "an area twice",
            json!({"areas": [{"area": "a0", "quantity": 1}, {"area": "a0", "quantity": 1}], "key": "k"}),
            "system.invalidParams",
        ),
        ("a seat twice", json!({"seats": [one, one], "key": "k"}), "system.invalidParams"),
        ("no seat and no area", json!({"key": "k"}), "system.invalidParams"),
        ("empty lists", json!({"seats": [], "areas": [], "key": "k"}), "system.invalidParams"),
        ("seats that are no list", json!({"seats": "s1-0-0", "key": "k"}), "system.invalidParams"),
        ("a seat that is a number", json!({"seats": [7], "key": "k"}), "system.invalidParams"),
        ("seats that are null", json!({"seats": null, "key": "k"}), "system.invalidParams"),
        ("no key", json!({"seats": [one]}), "system.invalidParams"),
        ("an empty key", json!({"seats": [one], "key": ""}), "system.invalidParams"),
        ("a key too long", json!({"seats": [one], "key": "k".repeat(129)}), "system.invalidParams"),
        ("a key that is a number", json!({"seats": [one], "key": 7}), "system.invalidParams"),
        ("a key with a zero character", json!({"seats": [one], "key": "k\u{0}"}), "system.invalidParams"),
        ("no parameters", Value::Null, "system.invalidParams"),
        ("a list of parameters", json!([]), "system.invalidParams"),
        ("a text of parameters", json!("seats"), "system.invalidParams"),
        ("a price of one's own", json!({"seats": [one], "key": "k", "price": 1}), "system.invalidParams"),
        (
            "an id of one's own",
            json!({"seats": [one], "key": "k", "id": HoldId::generate()}),
            "system.invalidParams",
        ),
        (
            "a buyer of one's own",
            json!({"seats": [one], "key": "k", "buyer": BuyerId::generate()}),
            "system.invalidParams",
        ),
        (
            "an expiry of one's own",
            json!({"seats": [one], "key": "k", "expiresAt": "2099-01-01T00:00:00Z"}),
            "system.invalidParams",
        ),
        (
            "an unknown field of an area",
            json!({"areas": [{"area": "a0", "quantity": 1, "price": 1}], "key": "k"}),
            "system.invalidParams",
        ),
        (
            "a hold to replace that is no id",
            json!({"seats": [one], "key": "k", "replaces": "hold_1"}),
            "system.invalidParams",
        ),
        (
            "a hold to replace that is another kind of id",
            json!({"seats": [one], "key": "k", "replaces": buyer}),
            "system.invalidParams",
        ),
        (
            "a hold to replace that is not there",
            json!({"seats": [one], "key": "k", "replaces": HoldId::generate()}),
            "tickets.holdNotActive",
        ),
        (
            "a foreign hold to replace",
            json!({"seats": [one], "key": "k", "replaces": foreign}),
            "tickets.holdNotActive",
        ),
        ("the first key with another seat", json!({"seats": [one], "key": "first"}), "system.invalidParams"),
        (
            "the first key with one more seat",
            json!({"seats": [seat(0, 0, 0), one], "key": "first"}),
            "system.invalidParams",
        ),
        ("a taken seat", json!({"seats": [seat(1, 0, 0)], "key": "k"}), "tickets.seatTaken"),
        ("a free and a taken seat", json!({"seats": [one, seat(1, 0, 0)], "key": "k"}), "tickets.seatTaken"),
    ];
    let before = fingerprint(&stage).await;
    for (what, params, code) in cases {
        let answer = stage.caller.insist(&stage.event_path(), "hold", Some(buyer), params).await;
        assert_eq!(answer.code(), code, "{what}");
        assert_eq!(fingerprint(&stage).await, before, "{what} changed something");
    }
    let repeated = stage.caller.insist(&stage.event_path(), "hold", Some(buyer), first).await;
    assert_eq!(repeated.result()["hold"], held, "the first key with the same wish is the same hold");
    assert_eq!(fingerprint(&stage).await, before, "a repeated request changed something");
    stage.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_names_what_is_wrong() {
    let stage = Stage::open().await;
    let (_, _) = stage.hold(&[seat(1, 0, 0)]).await;
    let buyer = Some(BuyerId::generate());
    let ask =
        async |params: Value| match stage.caller.insist(&stage.event_path(), "hold", buyer, params).await {
            Answer::Refused(_, data) => data,
            other => panic!("expected a refusal, got {other:?}"),
        };
    let taken = ask(json!({"seats": [seat(1, 0, 1), seat(1, 0, 0)], "key": "a"})).await;
    assert_eq!(taken, json!({"seats": [seat(1, 0, 0)], "areas": []}));
    let unknown =
        ask(json!({"seats": [seat(1, 0, 1), "x"], "areas": [{"area": "y", "quantity": 1}], "key": "b"}))
            .await;
    assert_eq!(unknown, json!({"seats": ["x"], "areas": ["y"]}));
    let eleven: Vec<String> = (0..11).map(|place| seat(2, place / 10, place % 10)).collect();
    assert_eq!(ask(json!({"seats": eleven, "key": "c"})).await["max"], 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_not_on_sale_says_so_and_one_that_is_not_there_is_not_found() {
    let rules = Rules { opens_in_seconds: 3_600, ..Rules::default() };
    let mut stage = Stage::with(Setup { rules, ..Setup::default() }).await;
    let buyer = Some(BuyerId::generate());
    let wish = json!({"seats": [seat(0, 0, 0)], "key": "k"});
    let before = fingerprint(&stage).await;
    match stage.caller.insist(&stage.event_path(), "hold", buyer, wish.clone()).await {
        Answer::Refused(code, data) => {
            assert_eq!((code.as_str(), &data["status"]), ("tickets.notOnSale", &json!("published")))
        }
        other => panic!("expected a refusal, got {other:?}"),
    }
    for (status, shown) in [("paused", "paused"), ("cancelled", "cancelled")] {
        stage.execute(&format!("update event set status = '{status}', version = version + 1")).await;
        match stage.caller.insist(&stage.event_path(), "hold", buyer, wish.clone()).await {
            Answer::Refused(code, data) => {
                assert_eq!((code.as_str(), &data["status"]), ("tickets.notOnSale", &json!(shown)))
            }
            other => panic!("expected a refusal, got {other:?}"),
        }
    }
    stage.execute("update event set status = 'published', version = 1").await;
    assert_eq!(fingerprint(&stage).await, before);
    let draft = stage.publish(&super::hall::layout(), "draft", Rules::default()).await;
    stage.execute("update event set status = 'draft', version = version + 1 where slug = 'draft'").await;
    stage.events.push(draft);
    for event in [draft, EventId::generate()] {
        let answer = stage.caller.insist(&path::event(event), "hold", buyer, wish.clone()).await;
        assert_eq!(answer.code(), "system.notFound", "{event}");
    }
    for id in
        ["evt_1", "1", "hold_01jd3m0000000000000000000", "evt_01JD3M0000000000000000000000", "$event", "evt_"]
    {
        let answer = stage.caller.insist(&format!("tickets.event.{id}"), "hold", buyer, wish.clone()).await;
        assert_eq!(answer.code(), "system.notFound", "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn holds_that_are_malformed_foreign_or_ended_are_refused_and_stay_as_they_are() {
    let stage = Stage::open().await;
    let (hold, owner) = stage.hold(&[seat(0, 0, 0)]).await;
    let stranger = Some(BuyerId::generate());
    let before = fingerprint(&stage).await;
    for method in ["release", "extend"] {
        let call = async |resource: String, buyer, params| {
            stage.caller.insist(&resource, method, buyer, params).await.code()
        };
        assert_eq!(
            call(path::hold(hold), stranger, json!({})).await,
            "tickets.holdNotActive",
            "{method} of a foreign hold"
        );
        assert_eq!(
            call(path::hold(HoldId::generate()), stranger, json!({})).await,
            "tickets.holdNotActive",
            "{method} of no hold"
        );
        assert_eq!(
            call("tickets.hold.hold_1".to_owned(), stranger, json!({})).await,
            "system.notFound",
            "{method} of a malformed id"
        );
        assert_eq!(
            call(path::hold(hold), None, json!({})).await,
            "system.accessDenied",
            "{method} without a session"
        );
        let unknown = call(path::hold(hold), Some(owner), json!({"seconds": 9_999})).await;
        assert_eq!(unknown, "system.invalidParams", "{method} with an unknown field");
    }
    assert_eq!(fingerprint(&stage).await, before);
    let release = async || stage.caller.insist(&path::hold(hold), "release", Some(owner), json!({})).await;
    assert_eq!(release().await.result(), json!({}));
    let released = fingerprint(&stage).await;
    assert_eq!(release().await.result(), json!({}), "again: the same");
    assert_eq!(fingerprint(&stage).await, released);
    let extended = stage.caller.insist(&path::hold(hold), "extend", Some(owner), json!({})).await;
    assert_eq!(extended.code(), "tickets.holdNotActive");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_at_all_is_refused_and_the_service_goes_on() {
    let stage = Stage::open().await;
    let identity = stage.service("livehouse-identity").await;
    let subject = format!("call.{}.hold", stage.event_path());
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let unreadable: [(&str, Vec<u8>); 6] = [
        ("nothing", Vec::new()),
        ("no JSON", b"{".to_vec()),
        ("no text", vec![0xff, 0xfe, 0x00, 0x80]),
        ("JSON nested too deep", deep.into_bytes()),
        ("a token that is none", json!({"token": "admin", "params": {}}).to_string().into_bytes()),
        (
            "a token with unknown rights",
            json!({"token": {"buyer": BuyerId::generate(), "roles": ["god"]}, "params": {}})
                .to_string()
                .into_bytes(),
        ),
    ];
    for (what, payload) in unreadable {
        let code = stage.caller.ask(subject.clone(), payload, Duration::from_secs(10)).await.code();
        assert!(
            ["system.internalError", "system.accessDenied", "system.invalidParams"].contains(&code.as_str()),
            "{what}: {code}"
        );
    }
    let buyer = BuyerId::generate();
    let browser = stage.browser(Some(buyer)).await;
    let huge = json!({"seats": [seat(0, 0, 0)], "key": "k".repeat(1_100_000)});
    let refused = browser.call(&stage.event_path(), "hold", huge).await;
    assert!(refused.is_err(), "a request over 1 MiB was answered with {refused:?}");
    assert_eq!(stage.count("select count(*) from hold").await, 0);
    let browser = stage.browser(Some(buyer)).await;
    let held = browser.call(&stage.event_path(), "hold", json!({"seats": [seat(0, 0, 0)], "key": "k"})).await;
    assert!(held.is_ok(), "the sale does not go on after a request over 1 MiB: {held:?}");
    drop(identity);
}
