//! Whether two JSON values are the same, and where they are not.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value};

use super::placeholder::{Known, Whole, fill_text, matches_text, whole};

/// A member of this name says that others, which are not named, do not matter.
const OTHERS: &str = "$others";
/// So many differences are told.
const DIFFERENCES_MAX: usize = 5;
/// Longest text of a value in a difference, in characters.
const SHOWN_MAX: usize = 300;

/// What differs, in one sentence each; empty if nothing does. Then what new names stand for has been noted.
pub(crate) fn differences(expected: &Value, seen: &Value, known: &mut Known) -> Vec<String> {
    let mut comparison = Comparison { known: known.clone(), path: String::new(), found: Vec::new() };
    comparison.value(expected, seen);
    if comparison.found.is_empty() {
        *known = comparison.known;
    }
    comparison.found
}

/// A value as text, cut if it is long.
pub(crate) fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text.to_owned(),
    }
}

struct Comparison {
    known: Known,
    path: String,
    found: Vec<String>,
}

impl Comparison {
    fn value(&mut self, expected: &Value, seen: &Value) {
        match (expected, seen) {
            (Value::String(text), _) => self.text(expected, text, seen),
            (Value::Object(expected), Value::Object(seen)) => self.object(expected, seen),
            (Value::Array(expected), Value::Array(seen)) => self.array(expected, seen),
            (Value::Number(one), Value::Number(other)) if same_number(one, other) => {}
            _ if expected == seen => {}
            _ => self.note(&format!("{} is expected, and {} came", json(expected), json(seen))),
        }
    }

    fn text(&mut self, expected: &Value, text: &str, seen: &Value) {
        match whole(text, &self.known) {
            Some(Whole::Anything) => {}
            Some(Whole::New(name)) => {
                self.known.insert(name.to_owned(), seen.clone());
            }
            Some(Whole::Known(value)) => {
                // What was captured is a value, in which a dollar sign is nothing else.
                if !same(&value, seen) {
                    self.note(&format!("{text} is {} by now, and {} came", json(&value), json(seen)));
                }
            }
            None if seen.as_str().is_some_and(|seen| matches_text(text, seen, &mut self.known)) => {}
            None => self.note(&format!("{} is expected, and {} came", json(expected), json(seen))),
        }
    }

    fn object(&mut self, expected: &Map<String, Value>, seen: &Map<String, Value>) {
        let mut left: BTreeMap<&str, &Value> =
            seen.iter().map(|(name, value)| (name.as_str(), value)).collect();
        for (name, value) in expected.iter().filter(|(name, _)| *name != OTHERS) {
            let name = match fill_text(name, &self.known) {
                Ok(name) => name,
                Err(reason) => {
                    self.note(&reason);
                    continue;
                }
            };
            match left.remove(name.as_str()) {
                Some(seen) => self.at(&name, |comparison| comparison.value(value, seen)),
                None => self.at(&name, |comparison| {
                    comparison.note(&format!("{} is expected, and it is not there", json(value)));
                }),
            }
        }
        if !expected.contains_key(OTHERS) {
            for (name, value) in left {
                self.at(name, |comparison| {
                    comparison.note(&format!("{} came, and is not expected", json(value)))
                });
            }
        }
    }

    fn array(&mut self, expected: &[Value], seen: &[Value]) {
        for (index, (expected, seen)) in expected.iter().zip(seen).enumerate() {
            self.at(&index.to_string(), |comparison| comparison.value(expected, seen));
        }
        if expected.len() != seen.len() {
            self.note(&format!("{} items are expected, and {} came", expected.len(), seen.len()));
        }
    }

    fn at(&mut self, step: &str, compare: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        if length > 0 {
            self.path.push('.');
        }
        self.path.push_str(step);
        compare(self);
        self.path.truncate(length);
    }

    fn note(&mut self, difference: &str) {
        if self.found.len() < DIFFERENCES_MAX {
            let colon = if self.path.is_empty() { "" } else { ": " };
            self.found.push(format!("{}{colon}{difference}", shown(&self.path)));
        }
    }
}

/// Whether two values without placeholders are the same.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => same_number(one, other),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(name, one)| other.get(name).is_some_and(|other| same(one, other)))
        }
        _ => one == other,
    }
}

/// JSON has one kind of numbers: 1 and 1.0 are the same.
fn same_number(one: &Number, other: &Number) -> bool {
    one == other || ((one.is_f64() || other.is_f64()) && one.as_f64() == other.as_f64())
}

fn json(value: &Value) -> String {
    shown(&value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(expected: &Value, seen: &Value) -> Vec<String> {
        differences(expected, seen, &mut Known::new())
    }

    #[test]
    fn order_of_members_and_kind_of_number_do_not_matter_and_all_else_does() {
        let one: Value = serde_json::from_str(r#"{"a":1,"b":[1.0,null]}"#).expect("JSON");
        let other: Value = serde_json::from_str(r#"{"b":[1,null],"a":1}"#).expect("JSON");
        assert!(told(&one, &other).is_empty());
        assert_eq!(
            told(
                &json!({"a": 1, "b": {"c": "x", "d": [1, 2]}, "gone": null, "n": 9007199254740993_i64}),
                &json!({"a": "1", "b": {"c": "y", "d": [1, 3, 4]}, "new": true, "n": 9007199254740992_i64})
            ),
            [
                r#"a: 1 is expected, and "1" came"#,
                r#"b.c: "x" is expected, and "y" came"#,
                "b.d.1: 2 is expected, and 3 came",
                "b.d: 2 items are expected, and 3 came",
                "gone: null is expected, and it is not there",
            ],
            "the first five"
        );
        assert_eq!(told(&json!({}), &json!({"new": 1})), ["new: 1 came, and is not expected"]);
    }

    #[test]
    fn placeholders_stand_for_anything_or_for_what_was_found_first() {
        let mut known = Known::new();
        let expected = json!({"id": "$id", "at": "$any", "rid": "test.item.$id", "$others": ""});
        let seen = json!({"id": "7", "at": {"deep": [1]}, "rid": "test.item.7", "more": 1, "yet": 2});
        assert!(differences(&expected, &seen, &mut known).is_empty());
        assert_eq!(known, Known::from([("id".to_owned(), json!("7"))]));
        assert_eq!(
            differences(&json!(["$id", {"$id": 1}]), &json!(["8", {"7": 2}]), &mut known),
            [r#"0: $id is "7" by now, and "8" came"#, "1.7: 1 is expected, and 2 came"]
        );
        let unknown = differences(&json!({"$new": 1}), &json!({}), &mut known);
        assert!(unknown[0].contains("$new stands for nothing yet"), "{unknown:?}");
    }

    #[test]
    fn nothing_is_noted_of_a_message_that_differs() {
        let mut known = Known::new();
        assert_eq!(
            differences(&json!({"id": "$id", "x": 1}), &json!({"id": 1, "x": 2}), &mut known).len(),
            1
        );
        assert!(known.is_empty());
    }

    #[test]
    fn a_captured_value_with_a_dollar_sign_is_compared_as_it_is() {
        let mut known = Known::new();
        assert!(differences(&json!("$text"), &json!("$any"), &mut known).is_empty());
        assert_eq!(differences(&json!("$text"), &json!("other"), &mut known).len(), 1);
    }
}
