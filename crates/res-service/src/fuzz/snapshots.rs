//! Models and collections: what is accepted, what is written, and the changes from one state to the next.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{VERY_DEEP, broken_json, bytes, member_name, object, text};
use crate::snapshot::Snapshot;
use crate::{Collection, Model};

/// A value that a resource may have, as text.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => prop::sample::select(vec!["null", "true", "0", "1", "1.0", "-2e3"]).prop_map(str::to_owned),
        2 => text(),
        1 => prop::sample::select(vec![r#"{"rid":"a.b"}"#, r#"{ "soft" : true, "rid":"a" }"#]).prop_map(str::to_owned),
        1 => super::json().prop_map(|json| format!("{{\"data\": {json}}}")),
    ]
}

/// The text of a model; members may come twice, in one spelling or another.
fn model() -> impl Strategy<Value = String> {
    prop::collection::vec((member_name(), value()), 0..8).prop_map(|members| object(&members))
}

fn collection() -> impl Strategy<Value = String> {
    let values = prop::collection::vec(
        prop_oneof![2 => Just("1".to_owned()), 1 => Just("\"x\"".to_owned()), 2 => value()],
        0..14,
    );
    values.prop_map(|values| format!(" [ {} ] ", values.join(" , ")))
}

/// The names of an object's members, each as often as it is there.
struct Names(Vec<String>);

impl<'de> serde::Deserialize<'de> for Names {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Names;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Names, A::Error> {
                let mut names = Vec::new();
                while let Some((name, _)) = map.next_entry::<String, serde::de::IgnoredAny>()? {
                    names.push(name);
                }
                Ok(Names(names))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

fn parsed(text: &[u8]) -> Value {
    serde_json::from_slice(text).expect("JSON")
}

/// What a gateway does with the changes of a resource.
fn apply(state: &mut Value, change: &str, payload: &[u8]) {
    let payload = parsed(payload);
    let index = || usize::try_from(payload["idx"].as_u64().expect("a position")).expect("small");
    match (change, &mut *state) {
        ("change", Value::Object(members)) => {
            assert_eq!(payload.as_object().map(serde_json::Map::len), Some(1), "{payload}");
            for (name, value) in payload["values"].as_object().expect("values") {
                if *value == json!({"action": "delete"}) {
                    assert!(members.remove(name).is_some(), "{name} was not there");
                } else {
                    members.insert(name.clone(), value.clone());
                }
            }
        }
        ("add", Value::Array(items)) => items.insert(index(), payload["value"].clone()),
        ("remove", Value::Array(items)) => drop(items.remove(index())),
        (change, state) => panic!("{change} {payload} for {state}"),
    }
}

fn changes_lead_from(before: &Snapshot, after: &Snapshot, texts: (&str, &str)) -> Result<(), TestCaseError> {
    let (mut state, later) = (parsed(texts.0.as_bytes()), parsed(texts.1.as_bytes()));
    for (change, payload) in after.changes_from(before).expect("few changes") {
        apply(&mut state, change, &payload);
    }
    prop_assert_eq!(state, later);
    Ok(())
}

proptest! {
    #[test]
    fn the_changes_of_a_model_lead_from_its_earlier_state_to_the_later(before in model(), after in model()) {
        let (Ok(earlier), Ok(later)) = (Model::from_json(before.clone()), Model::from_json(after.clone())) else {
            return Ok(());
        };
        changes_lead_from(&earlier.into(), &later.into(), (&before, &after))?;
    }

    #[test]
    fn a_model_is_refused_exactly_if_a_member_comes_twice(text in model()) {
        let Names(mut names) = serde_json::from_str(&text).expect("an object");
        let all = names.len();
        names.sort();
        names.dedup();
        prop_assert_eq!(Model::from_json(text).is_ok(), all == names.len());
    }

    #[test]
    fn the_changes_of_a_collection_lead_from_its_earlier_state_to_the_later(before in collection(), after in collection()) {
        let earlier = Collection::from_json(before.clone()).expect("a collection");
        let later = Collection::from_json(after.clone()).expect("a collection");
        changes_lead_from(&earlier.into(), &later.into(), (&before, &after))?;
    }

    #[test]
    fn an_answer_holds_exactly_the_state_and_its_query(model in model(), collection in collection(), query in "\\PC{0,20}") {
        let snapshots = [
            (Model::from_json(model.clone()).map(|model| Snapshot::from(model.query(query.as_str()))), "model", model),
            (
                Collection::from_json(collection.clone()).map(|collection| collection.query(query.as_str()).into()),
                "collection",
                collection,
            ),
        ];
        for (snapshot, kind, text) in snapshots {
            let Ok(snapshot) = snapshot else { continue };
            let state = parsed(text.as_bytes());
            let (plain, mut result) = (json!({kind: state}), json!({kind: state}));
            if !query.is_empty() {
                result["query"] = json!(query);
            }
            prop_assert_eq!(parsed(&snapshot.clone().reply().expect("a reply")), json!({ "result": result }));
            prop_assert_eq!(parsed(&snapshot.query_reply()), json!({ "result": plain }));
        }
    }

    #[test]
    fn any_bytes_are_accepted_or_refused_as_a_resource(bytes in prop_oneof![bytes(), broken_json(), super::json().prop_map(String::into_bytes)]) {
        // Not whether serde's own values can hold it: they have no room for some numbers and texts that are JSON.
        let is = |opened: &str| std::str::from_utf8(&bytes).is_ok_and(|text| {
            text.trim_start().starts_with(opened) && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
        });
        prop_assert!(Model::from_json(bytes.clone()).is_err() || is("{"), "not an object");
        prop_assert!(Collection::from_json(bytes.clone()).is_err() || is("["), "not an array");
        let value = serde_json::from_slice::<Value>(&bytes);
        for value in value.iter().filter(|_| Model::from_json(bytes.clone()).is_ok()) {
            for member in value.as_object().into_iter().flat_map(serde_json::Map::values) {
                let good = match member {
                    Value::Array(_) => false,
                    Value::Object(members) => members.contains_key("data") || members["rid"].is_string(),
                    _ => true,
                };
                prop_assert!(good, "{}", member);
            }
        }
    }
}

/// Gateways copy a value's text, and browsers read both; only values of serde's have no room for them.
#[test]
fn numbers_beyond_floats_and_halves_of_surrogate_pairs_are_passed_on_as_they_are_written() {
    for value in ["1E4467440737095516", r#""half a \ud83c""#, r#"{"data":["\udf9f"]}"#] {
        assert!(serde_json::from_str::<Value>(value).is_err(), "{value}");
        let (model, collection) = (format!("{{\"a\":{value}}}"), format!("[{value}]"));
        assert_eq!(Model::from_json(model.clone()).expect("a model").json(), model);
        assert_eq!(Collection::from_json(collection.clone()).expect("a collection").json(), collection);
    }
    for refused in [r#"{"half a \ud83c":1}"#, r#"{"a":{"rid":"\ud83c"}}"#] {
        assert!(Model::from_json(refused).is_err(), "gateways read names and references: {refused}");
    }
}

#[test]
fn data_is_nested_no_deeper_than_gateways_read() {
    let model =
        |levels: usize| format!("{{\"a\":{{\"data\":{}{}}}}}", "[".repeat(levels), "]".repeat(levels));
    assert!(Model::from_json(model(9_000)).is_ok());
    for deep in [10_000, VERY_DEEP] {
        let error = Model::from_json(model(deep)).expect_err("too deep");
        assert!(error.cause_chain().is_some_and(|cause| cause.contains("nested")), "{error:?}");
    }
    assert!(Model::from_json("[".repeat(VERY_DEEP)).is_err());
    assert!(Collection::from_json(format!("{}{}", "[".repeat(VERY_DEEP), "]".repeat(VERY_DEEP))).is_err());
    assert!(Collection::from_json("{\"data\":".repeat(VERY_DEEP)).is_err());
}

#[test]
fn a_collection_of_a_hundred_thousand_items_is_compared_in_no_time() {
    let texts = |from: u32| json!((from..from + 100_000).collect::<Vec<_>>()).to_string();
    let (earlier, later) = (Collection::from_json(texts(0)), Collection::from_json(texts(1)));
    let (earlier, later): (Snapshot, Snapshot) =
        (earlier.expect("valid").into(), later.expect("valid").into());
    let began = std::time::Instant::now();
    assert!(later.changes_from(&earlier).is_none(), "so many steps are a reset");
    assert!(began.elapsed() < std::time::Duration::from_secs(5), "{:?}", began.elapsed());
}
