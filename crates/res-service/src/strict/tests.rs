use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::*;

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wish {
    #[serde(default)]
    seats: Vec<String>,
    #[serde(default)]
    areas: Vec<Area>,
    #[serde(alias = "name")]
    request_key: Option<String>,
    #[serde(default)]
    prices: HashMap<u32, Price>,
    #[serde(default)]
    payment: Option<Payment>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Area {
    area: String,
    quantity: u32,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Price(i64);

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Payment {
    Cash,
    Card { number: String },
    Voucher(Area),
    Pair(u8, u8),
}

fn refusal<T: DeserializeOwned + fmt::Debug>(text: &str) -> String {
    from_json::<T>(text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn what_a_struct_has_is_read_at_every_depth() {
    let wish: Wish = from_json(
        br#"{"seats": ["a"], "areas": [{"area": "x", "quantity": 2}], "name": "k", "prices": {"7": 12},
             "payment": {"card": {"number": "4"}}}"#,
    )
    .unwrap();
    assert_eq!(wish.request_key.as_deref(), Some("k"), "by its alias");
    assert_eq!(wish.areas, [Area { area: "x".to_owned(), quantity: 2 }]);
    assert_eq!(wish.prices, HashMap::from([(7, Price(12))]));
    assert_eq!(wish.payment, Some(Payment::Card { number: "4".to_owned() }));
    for (text, payment) in [
        (r#""cash""#, Payment::Cash),
        (
            r#"{"voucher": {"area": "x", "quantity": 1}}"#,
            Payment::Voucher(Area { area: "x".into(), quantity: 1 }),
        ),
        (r#"{"pair": [1, 2]}"#, Payment::Pair(1, 2)),
    ] {
        assert_eq!(from_json::<Payment>(text.as_bytes()).unwrap(), payment);
    }
}

#[test]
fn an_array_is_never_a_struct() {
    assert!(refusal::<Wish>("[]").contains("invalid type: sequence, expected struct Wish"));
    assert!(refusal::<Wish>(r#"{"areas": [["x", 2]]}"#).contains("areas[0]: invalid type: sequence"));
    assert!(refusal::<Payment>(r#"{"card": ["4"]}"#).contains("invalid type: sequence"));
    assert!(refusal::<Payment>(r#"{"voucher": ["x", 1]}"#).contains("invalid type: sequence"));
}

#[test]
fn a_member_that_a_struct_does_not_have_is_refused_with_its_place() {
    assert!(refusal::<Wish>(r#"{"seat": []}"#).contains("unknown field `seat`, expected one of `seats`"));
    let nested = refusal::<Wish>(
        r#"{"areas": [{"area": "x", "quantity": 1}, {"area": "x", "quantity": 1, "price": 0}]}"#,
    );
    assert!(nested.contains("areas[1]: unknown field `price`"), "{nested}");
    assert!(refusal::<Payment>(r#"{"card": {"number": "4", "cvc": 1}}"#).contains("unknown field `cvc`"));
}

#[test]
fn a_wrong_type_is_named_with_its_place() {
    let text = refusal::<Wish>(r#"{"areas": [{"area": "x", "quantity": -1}]}"#);
    assert!(text.contains("areas[0].quantity: invalid value: integer `-1`, expected u32"), "{text}");
    assert!(refusal::<Wish>(r#"{"seats": {}}"#).contains("seats: invalid type: map"));
    assert!(refusal::<Wish>("{} {}").contains("trailing characters"));
}

#[test]
fn what_is_no_struct_is_read_as_serde_does() {
    assert_eq!(from_json::<(u8, String)>(br#"[1, "a"]"#).unwrap(), (1, "a".to_owned()));
    assert_eq!(from_json::<Option<u8>>(b"null").unwrap(), None);
    assert_eq!(from_json::<Box<RawValue>>(br#"{"a": [1]}"#).unwrap().get(), r#"{"a": [1]}"#);
    from_json::<()>(b"null").unwrap();
}

#[test]
fn depth_is_limited() {
    let deep = "[".repeat(100_000);
    assert!(refusal::<Value>(&deep).contains("recursion limit"));
}

proptest! {
    #[test]
    fn any_json_without_structs_is_read_as_serde_does(text in "[\\[\\]{}:,\"a0-9.enul -]{0,40}") {
        let plain = serde_json::from_str::<Value>(&text).ok();
        prop_assert_eq!(from_json::<Value>(text.as_bytes()).ok(), plain);
        let plain = serde_json::from_str::<BTreeMap<String, Vec<Option<f64>>>>(&text).ok();
        prop_assert_eq!(from_json::<BTreeMap<String, Vec<Option<f64>>>>(text.as_bytes()).ok(), plain);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let _refused = from_json::<Wish>(&bytes);
    }

    #[test]
    fn an_object_of_known_members_is_read_as_serde_does(seats in prop::collection::vec("[a-z]{0,3}", 0..4), quantity in any::<i64>()) {
        let value = json!({"seats": seats, "areas": [{"area": "x", "quantity": quantity}]}).to_string();
        let plain = serde_json::from_str::<Wish>(&value).ok();
        prop_assert_eq!(from_json::<Wish>(value.as_bytes()).ok(), plain);
    }
}
