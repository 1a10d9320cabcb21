//! The transcripts of the test kit.

use proptest::prelude::*;
use serde_json::Value;

use super::{broken_json, json, name};
use crate::test_kit::compare::differences;
use crate::test_kit::placeholder::{Known, fill, fill_text, matches_text, without};
use crate::test_kit::transcript::{Transcript, What};

/// Lines as somebody would write them in a hurry.
fn transcript() -> impl Strategy<Value = String> {
    let arrow = prop::sample::select(vec![
        ">",
        "<",
        "<~",
        "<~1",
        ">~",
        ">1",
        "<1",
        "<timeout:",
        "#",
        "",
        "> get.",
        "> call.a.",
        "<event.",
    ]);
    let payload = prop_oneof![
        json(),
        broken_json().prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        "\\PC{0,10}",
        Just(String::new()),
    ];
    let space = prop::sample::select(vec!["", " ", "\n", "\r\n", "\t", "\u{a0}"]);
    let line = (arrow, space.clone(), name(), space, payload)
        .prop_map(|(arrow, before, name, after, payload)| format!("{arrow}{before}{name}{after}{payload}"));
    prop::collection::vec(line, 0..8).prop_map(|lines| lines.join("\n"))
}

/// Texts with placeholders in every place.
fn template() -> impl Strategy<Value = String> {
    let piece =
        prop::sample::select(vec!["$any", "$a", "${a}", "$b", "$$", "$", "a", ".", "é", "{", "}", "$5"]);
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_with_a_line_that_it_has(text in prop_oneof![transcript(), "\\PC{0,200}", "[<>#1 \n${}:,\"a.]{0,60}"]) {
        match Transcript::parse(&text) {
            Ok(transcript) => {
                for (index, step) in transcript.steps.iter().enumerate() {
                    prop_assert!(step.line <= text.lines().count());
                    if let What::Answer { request, .. } | What::PreResponse { request, .. } = step.what {
                        prop_assert!(request < index);
                        let is_request = matches!(transcript.steps[request].what, What::Request { .. });
                        prop_assert!(is_request);
                    }
                }
            }
            Err(wrong) => {
                prop_assert!((1..=text.lines().count()).contains(&wrong.line), "{wrong}");
                prop_assert!(!wrong.reason.is_empty());
            }
        }
    }

    #[test]
    fn what_is_filled_is_what_is_matched(template in template(), a in "\\PC{1,5}", b in "[a-c]{1,3}") {
        let known = Known::from([("a".to_owned(), a.into()), ("b".to_owned(), b.into())]);
        let _letters = without(&template);
        let Ok(filled) = fill_text(&template, &known) else { return Ok(()) };
        prop_assert!(matches_text(&template, &filled, &mut known.clone()), "{:?}", filled);
    }

    #[test]
    fn a_text_is_matched_or_not_and_never_more_than_once_through(template in template(), seen in "[a-c.é$]{0,20}") {
        let mut known = Known::new();
        let _either = matches_text(&template, &seen, &mut known);
        prop_assert!(known.values().all(|value| value.as_str().is_some_and(|text| !text.is_empty())));
    }

    #[test]
    fn a_value_differs_from_itself_in_nothing_and_from_another_in_something(one in json(), other in json()) {
        let read = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
        let escaped = |text: &str| read(&text.replace('$', "$$"));
        let (one_value, other_value) = (read(&one), read(&other));
        prop_assert_eq!(differences(&escaped(&one), &one_value, &mut Known::new()), Vec::<String>::new());
        prop_assert_eq!(fill(&escaped(&one), &Known::new()).ok(), Some(one_value.clone()));
        let same = differences(&escaped(&one), &other_value, &mut Known::new()).is_empty();
        // Numbers are the same in whatever way they are written.
        prop_assert!(same || one_value != other_value);
        prop_assert!(!same || one_value == other_value || one.contains(|letter: char| letter.is_ascii_digit()));
    }
}

#[test]
fn many_placeholders_in_a_long_text_are_matched_in_no_time() {
    let template = "a${any}".repeat(2_000) + "b";
    let began = std::time::Instant::now();
    assert!(!matches_text(&template, &"a".repeat(100_000), &mut Known::new()));
    assert!(began.elapsed() < std::time::Duration::from_secs(5), "{:?}", began.elapsed());
}
