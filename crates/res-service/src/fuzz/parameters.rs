//! Parameters, as clients send them.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{VERY_DEEP, broken_json, bytes, json};
use crate::strict::from_json;

/// A type with everything that serde treats differently.
#[derive(Debug, Deserialize)]
#[allow(dead_code)]
struct Everything {
    a: Option<Box<Everything>>,
    b: Option<Vec<Choice>>,
    #[serde(default)]
    data: BTreeMap<String, Value>,
    #[serde(default)]
    query: Option<String>,
    #[serde(default)]
    token: Option<(u8, f64)>,
    #[serde(default)]
    rid: Option<HashMap<i16, Unit>>,
}

#[derive(Debug, Deserialize)]
#[allow(dead_code)]
enum Choice {
    #[serde(rename = "a")]
    Nothing,
    #[serde(rename = "b")]
    Newtype(Box<Everything>),
    #[serde(rename = "data")]
    Tuple(u8, String),
    #[serde(rename = "rid")]
    Struct { a: Option<u8> },
}

#[derive(Debug, Deserialize)]
struct Unit;

/// Whether an error tells the client what is wrong without repeating much of what it sent.
fn is_short(error: &crate::Error) -> bool {
    error.kind() == crate::ErrorKind::InvalidParams && error.message().len() < 1024
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop_oneof![bytes(), broken_json()]) {
        if let Err(error) = from_json::<Everything>(&bytes) {
            prop_assert!(is_short(&error), "{error}");
        }
        if let Err(error) = from_json::<Choice>(&bytes) {
            prop_assert!(is_short(&error), "{error}");
        }
        let plain = serde_json::from_slice::<Value>(&bytes).ok();
        prop_assert_eq!(from_json::<Value>(&bytes).ok(), plain);
    }

    #[test]
    fn any_json_is_read_or_refused_and_never_more_loosely_than_serde_does(text in json()) {
        let strictly = from_json::<Everything>(text.as_bytes());
        let loosely = serde_json::from_str::<Everything>(&text);
        prop_assert!(strictly.is_err() || loosely.is_ok());
        let strictly = from_json::<Vec<Choice>>(text.as_bytes());
        let loosely = serde_json::from_str::<Vec<Choice>>(&text);
        prop_assert!(strictly.is_err() || loosely.is_ok());
        let raw = from_json::<Box<RawValue>>(text.as_bytes()).map(|raw| raw.get().to_owned());
        prop_assert_eq!(raw.ok(), Some(text.trim().to_owned()));
    }
}

proptest! {
    // Each case reads some megabytes.
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.div_ceil(32)))]

    #[test]
    fn a_huge_text_in_the_wrong_place_does_not_come_back(letters in "\\PC{1,8}", times in 20_000_usize..40_000) {
        let huge = Value::from(letters.repeat(times)).to_string();
        for text in [format!("{{{huge}:1}}"), format!("{{\"b\":{huge}}}"), format!("{{\"b\":[{huge}]}}"), huge.clone()] {
            let error = from_json::<Everything>(text.as_bytes()).expect_err("no such parameters");
            prop_assert!(is_short(&error), "{} bytes", error.message().len());
        }
        let error = from_json::<HashMap<String, u8>>(format!("{{{huge}:{{}}}}").as_bytes()).expect_err("no number");
        prop_assert!(is_short(&error), "{} bytes", error.message().len());
    }
}

#[test]
fn parameters_are_read_127_levels_deep_in_a_small_stack() {
    let levels = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    // Two levels of JSON for each of these.
    let recursive =
        |levels: usize| format!("{}{{}}{}", r#"{"b":[{"b":"#.repeat(levels), "}]}".repeat(levels));
    let reads = move || {
        assert!(from_json::<Value>(levels(127).as_bytes()).is_ok());
        assert!(from_json::<Value>(levels(128).as_bytes()).is_err());
        assert!(from_json::<Everything>(recursive(40).as_bytes()).is_ok_and(|read| read.b.is_some()));
        for deep in [
            "[".repeat(VERY_DEEP),
            r#"{"a":"#.repeat(VERY_DEEP),
            r#"{"b":[{"b":"#.repeat(VERY_DEEP),
            levels(VERY_DEEP),
        ] {
            assert!(from_json::<Value>(deep.as_bytes()).is_err());
            assert!(from_json::<Everything>(deep.as_bytes()).is_err());
            // Passed over, or kept as text, at any depth.
            let kept = from_json::<Box<RawValue>>(deep.as_bytes());
            assert_eq!(kept.is_ok(), deep.ends_with(']'));
        }
    };
    // What a worker thread of tokio has by default.
    let thread = std::thread::Builder::new().stack_size(2 * 1024 * 1024).spawn(reads).expect("a thread");
    thread.join().expect("no overflow and no panic");
}
