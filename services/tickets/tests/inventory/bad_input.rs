//! What does not fit is refused with words that help, and changes nothing.

use livehouse_contract::id::BuyerId;
use livehouse_seating::generate;
use livehouse_tickets::api::wish::Wish;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use super::house::House;

/// Everything that an import could change.
async fn fingerprint(house: &House) -> String {
    let asked = "select md5(concat( \
        (select string_agg(seat::text, ',' order by event, seat) from seat), \
        (select string_agg(section::text, ',' order by event, number) from section), \
        (select string_agg(event::text, ',' order by number) from event), \
        (select string_agg(hash || name, ',' order by hash) from layout), \
        (select string_agg(venue::text, ',' order by id) from venue)))";
    house.pool.get().await.unwrap().query_one(asked, &[]).await.unwrap().get(0)
}

/// A good plan with one thing changed.
fn plan(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut plan: Value = serde_json::from_slice(&generate::studio().canonical_json()).unwrap();
    change(&mut plan);
    plan.to_string().into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_plan_is_refused_with_what_is_wrong_and_changes_nothing() {
    let (house, _) = House::open().await;
    let before = fingerprint(&house).await;
    let seat = "/sections/0/rows/0/seats/0";
    let broken: Vec<(&str, Vec<u8>, &str)> = vec![
        ("an empty file", Vec::new(), "refused"),
        ("no JSON", b"seats: 12".to_vec(), "refused"),
        ("no text", vec![0x89, b'P', b'N', b'G', 0, 0xff], "refused"),
        ("JSON that is cut off", plan(|_| {})[..2_000].to_vec(), "refused"),
        ("JSON that is no plan", b"[1, 2, 3]".to_vec(), "refused"),
        ("an empty object", b"{}".to_vec(), "refused"),
        (
            "JSON nested too deep",
            format!("{}{}", "[".repeat(5_000), "]".repeat(5_000)).into_bytes(),
            "refused",
        ),
        (
            "a price category that is not there",
            plan(|plan| plan.pointer_mut(seat).unwrap()["category"] = json!("gold")),
            "gold",
        ),
        ("a seat at no place", plan(|plan| plan.pointer_mut(seat).unwrap()["x"] = json!("left")), "refused"),
        (
            "a seat outside of the house",
            plan(|plan| plan.pointer_mut(seat).unwrap()["x"] = json!(1e9)),
            "refused",
        ),
        ("an unknown field", plan(|plan| plan["price"] = json!(1)), "price"),
        ("no sections", plan(|plan| plan["sections"] = json!([])), "refused"),
    ];
    for (what, bytes, said) in broken {
        let file = house.world.folder().join("plan.json");
        std::fs::write(&file, bytes).unwrap();
        let importing =
            house.world.service("livehouse-tickets").argument("import").argument(file.to_str().unwrap());
        let refused = importing.run().await.err().unwrap_or_else(|| panic!("{what} was imported"));
        let text = format!("{refused:#}");
        assert!(
            text.contains(said) && text.contains("plan.json") && !text.contains("panicked"),
            "{what}: {text}"
        );
        assert_eq!(fingerprint(&house).await, before, "{what} changed something");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_with_options_that_do_not_fit_is_refused_and_changes_nothing() {
    let (house, _) = House::open().await;
    let before = fingerprint(&house).await;
    let file = house.world.folder().join("plan.json");
    std::fs::write(&file, plan(|_| {})).unwrap();
    let file = file.to_str().unwrap();
    let cases: [(&str, &[&str], &str); 5] = [
        ("a file that is not there", &["no-such-plan.json"], "no-such-plan.json"),
        ("a currency that is none", &[file, "--currency", "XXQ"], "XXQ"),
        ("a time zone that is none", &[file, "--time-zone", "Europe/Atlantis"], "Europe/Atlantis"),
        ("a price below nothing", &[file, "--price=-1"], "--price"),
        ("days that are no number", &[file, "--days", "soon"], "--days"),
    ];
    for (what, arguments, said) in cases {
        let mut importing = house.world.service("livehouse-tickets").argument("import");
        for argument in arguments {
            importing = importing.argument(argument);
        }
        let refused = importing.run().await.err().unwrap_or_else(|| panic!("{what} was imported"));
        let text = format!("{refused:#}");
        let output = text.split_once("failed (").map_or("", |(_, output)| output);
        assert!(output.contains(said) && !output.contains("panicked"), "{what}: {text}");
        assert_eq!(fingerprint(&house).await, before, "{what} changed something");
    }
}

/// Any JSON at all, often with the names that a wish has.
fn any_json() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        Just("seats".to_owned()),
        Just("areas".to_owned()),
        Just("key".to_owned()),
        Just("quantity".to_owned()),
        "[a-z]{1,6}"
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        Just(Value::from("left-a-1")),
    ];
    leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((name.clone(), inner), 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn h42_no_wish_makes_the_service_panic_and_what_is_not_a_wish_is_refused() {
    let (_house, event) = House::open().await;
    let seat = event.layout.index.seat_id(0).unwrap().to_owned();
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 3_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    runner
        .run(&any_json(), |json| {
            // Anything alone, and anything as one more field of a good wish.
            let mut longer = json!({"seats": [seat], "key": "k"});
            longer["more"] = json.clone();
            prop_assert!(serde_json::from_value::<Wish>(longer).is_err());
            if let Ok(wish) = serde_json::from_value::<Wish>(json) {
                match wish.into_command(&event, BuyerId::generate()) {
                    Ok(place) => prop_assert!(place.units() > 0),
                    Err(error) => {
                        let known = ["system.invalidParams", "tickets.unknownSeat", "tickets.tooManySeats"];
                        prop_assert!(known.contains(&error.code()), "{}", error.code());
                    }
                }
            }
            Ok(())
        })
        .unwrap();
}
