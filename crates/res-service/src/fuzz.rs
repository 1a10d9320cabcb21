//! Input that nobody would write by hand, for everything that reads something: it may be refused, and must not panic,
//! hang or use up the stack. `PROPTEST_CASES` raises the number of cases.

use proptest::prelude::*;

mod leases;
mod names;
mod parameters;
mod snapshots;
mod traces;
#[cfg(feature = "test-kit")]
mod transcripts;
mod writing;

/// Deeper than any stack would bear one call per level.
pub(crate) const VERY_DEEP: usize = 100_000;

/// Any bytes, often with the marks of JSON among them.
pub(crate) fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![3 => any::<u8>(), 2 => prop::sample::select(br#"{}[]",:\ntrue0"#.to_vec())];
    prop::collection::vec(byte, 0..200)
}

/// A valid JSON text: with duplicate members, escapes, spaces and numbers of every kind.
pub(crate) fn json() -> impl Strategy<Value = String> {
    let number =
        prop::sample::select(vec!["0", "-0", "1", "1.0", "-2.5e-3", "1e308", "18446744073709551615"]);
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        number.prop_map(str::to_owned),
        any::<i64>().prop_map(|number| number.to_string()),
        text(),
    ];
    leaf.prop_recursive(6, 48, 6, |inner| {
        let members = prop::collection::vec((member_name(), inner.clone()), 0..6);
        prop_oneof![
            prop::collection::vec(inner, 0..6).prop_map(|items| format!("[{}]", items.join(", "))),
            members.prop_map(|members| object(&members)),
        ]
    })
}

/// A JSON string, also with what must be escaped.
pub(crate) fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => ".{0,12}".prop_map(|text| serde_json::Value::from(text).to_string()),
        1 => prop::sample::select(vec![r#""\u0061\n""#, r#""\ud83c\udf9f""#, r#""\"\\}""#]).prop_map(str::to_owned),
    ]
}

/// The name of a member as a JSON string: one of few, so that names come twice, and one of them in two spellings.
pub(crate) fn member_name() -> impl Strategy<Value = String> {
    let names = vec![
        r#""a""#,
        r#""b""#,
        r#""\u0061""#,
        r#""data""#,
        r#""rid""#,
        r#""soft""#,
        r#""action""#,
        r#""query""#,
        r#""params""#,
        r#""token""#,
        r#""cid""#,
        r#""""#,
        r#""é\"""#,
    ];
    prop_oneof![4 => prop::sample::select(names).prop_map(str::to_owned), 1 => text()]
}

pub(crate) fn object(members: &[(String, String)]) -> String {
    let members: Vec<String> = members.iter().map(|(name, value)| format!("{name} :{value}")).collect();
    format!("{{{}\n}}", members.join(" ,"))
}

/// JSON with a few bytes changed, so that it is almost right.
pub(crate) fn broken_json() -> impl Strategy<Value = Vec<u8>> {
    let strike = (any::<prop::sample::Index>(), any::<Option<u8>>());
    (json(), prop::collection::vec(strike, 1..4)).prop_map(|(json, strikes)| {
        let mut bytes = json.into_bytes();
        for (place, byte) in strikes.into_iter().take(bytes.len().saturating_sub(1)) {
            let place = place.index(bytes.len());
            match byte {
                Some(byte) => bytes[place] = byte,
                None => drop(bytes.remove(place)),
            }
        }
        bytes
    })
}

/// A subject or name, or almost one: parts that may be empty, placeholders, wildcards, letters of every script.
pub(crate) fn name() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => prop::sample::select(vec!["a", "b", "c", "item", "event"]).prop_map(str::to_owned),
        1 => prop::sample::select(vec!["", "*", ">", "$", "$a", "?", "?a=b", "é", " ", "{cid}"]).prop_map(str::to_owned),
        1 => "[!-~]{1,8}",
        1 => "\\PC{0,4}",
    ];
    prop::collection::vec(part, 0..7).prop_map(|parts| parts.join("."))
}
