//! Names, resource ids, patterns and resets.

use proptest::prelude::*;

use super::name;
use crate::Error;
use crate::name::{
    check_change_name, check_reset_pattern, check_resource_id, is_method, is_name, is_part, split_resource_id,
};
use crate::pattern::{Pattern, Trie, part_of};
use crate::value::{Ref, SoftRef};

/// A pattern of a few literals and tags, as a service has many of.
fn pattern() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        3 => prop::sample::select(vec!["a", "b", "c"]).prop_map(str::to_owned),
        2 => Just("$".to_owned()),
    ];
    (prop::collection::vec(part, 0..5), any::<bool>()).prop_map(|(parts, tail)| {
        // Tags need different names; which part they are at makes them so.
        let named = |(index, part): (usize, String)| if part == "$" { format!("$tag{index}") } else { part };
        let mut parts: Vec<String> = parts.into_iter().enumerate().map(named).collect();
        if tail {
            parts.push(">".to_owned());
        }
        parts.join(".")
    })
}

/// How special a pattern is for a name, part by part, the most special first; `None` if it does not match.
fn rank(pattern: &str, name: &str) -> Option<Vec<u8>> {
    let names: Vec<&str> = if name.is_empty() { Vec::new() } else { name.split('.').collect() };
    let patterns: Vec<&str> = if pattern.is_empty() { Vec::new() } else { pattern.split('.').collect() };
    if names.iter().any(|part| part.is_empty()) {
        return None;
    }
    let mut rank = Vec::new();
    for (index, part) in patterns.iter().enumerate() {
        let name = names.get(index)?;
        match *part {
            ">" => {
                rank.push(2);
                return Some(rank);
            }
            tag if tag.starts_with('$') => rank.push(1),
            literal if literal == *name => rank.push(0),
            _ => return None,
        }
    }
    (patterns.len() == names.len()).then_some(rank)
}

proptest! {
    #[test]
    fn the_trie_finds_the_most_special_of_all_patterns_that_match(
        patterns in prop::collection::vec(pattern(), 1..12),
        names in prop::collection::vec(prop_oneof![
            4 => prop::collection::vec(prop::sample::select(vec!["a", "b", "c", "d"]), 0..6).prop_map(|parts| parts.join(".")),
            1 => name(),
        ], 1..12),
    ) {
        let mut trie = Trie::default();
        let mut taken: Vec<&str> = Vec::new();
        for text in &patterns {
            let parsed = Pattern::parse(text).expect("a pattern");
            match trie.insert(&parsed, taken.len()) {
                Ok(()) => taken.push(text),
                // Two patterns that match the same names: the same but for the names of the tags.
                Err(number) => prop_assert_eq!(taken[number], text.as_str()),
            }
        }
        for name in &names {
            let ranked = taken.iter().enumerate().filter_map(|(number, text)| Some((rank(text, name)?, number)));
            let best = ranked.min().map(|(_, number)| number);
            prop_assert_eq!(trie.find(name), best, "{:?} among {:?}", name, taken);
        }
    }

    #[test]
    fn a_pattern_is_read_or_refused_and_what_is_read_matches_what_it_is_filled_with(text in name(), given in name()) {
        let Ok(pattern) = Pattern::parse(&text) else { return Ok(()) };
        let full = format!("service.{given}");
        let filled = pattern.fill(&pattern, &full);
        if is_name(&given) && rank(&text, &given).is_some() && !pattern.has_tail() {
            prop_assert_eq!(&filled, &given);
            let values = pattern.values(&given).expect("it matches");
            prop_assert_eq!(pattern.reset_pattern("service", &values), full.trim_end_matches('.'));
        }
        let reset = pattern.reset_pattern("service", &[]);
        prop_assert!(check_reset_pattern(&reset).is_ok(), "{} of {}", reset, text);
        for tag in pattern.tags() {
            let index = pattern.tag_index(tag).expect("its own tag");
            let _any = part_of(&full, index);
        }
    }

    #[test]
    fn a_resource_id_is_valid_exactly_if_its_name_is(text in prop_oneof![name(), "\\PC{0,30}"]) {
        let (name, query) = split_resource_id(&text);
        prop_assert!(query.is_none_or(|query| !query.is_empty()));
        prop_assert!(text.starts_with(name));
        let parts_are_good = name.split('.').all(|part| {
            !part.is_empty() && part.chars().all(|letter| letter.is_ascii_graphic() && !".*>?".contains(letter))
        });
        prop_assert_eq!(is_name(name), parts_are_good);
        prop_assert_eq!(check_resource_id(&text).is_ok(), parts_are_good);
        prop_assert_eq!(Ref::new(text.as_str()).is_ok(), parts_are_good);
        let json = serde_json::json!({"rid": text, "soft": true}).to_string();
        prop_assert_eq!(serde_json::from_str::<SoftRef>(&json).is_ok(), parts_are_good);
        prop_assert_eq!(crate::Reply::resource(text.as_str()).is_ok(), parts_are_good);
    }

    #[test]
    fn names_of_methods_and_changes_are_single_parts(text in prop_oneof![name(), "\\PC{0,12}"]) {
        prop_assert!(!is_method(&text) || is_part(&text));
        prop_assert!(check_change_name(&text).is_err() || is_part(&text));
        prop_assert!(!is_part(&text) || !text.contains('.'));
        let granted = crate::Grant::get().call([text.as_str()]).encode(false);
        prop_assert_eq!(granted.is_ok(), is_method(&text));
    }

    #[test]
    fn a_reset_pattern_is_accepted_exactly_if_its_parts_are_names_or_wildcards(text in name()) {
        let parts: Vec<&str> = text.split('.').collect();
        let last = parts.len() - 1;
        let good = parts.iter().enumerate().all(|(index, part)| match *part {
            "*" => true,
            ">" => index == last,
            part => is_part(part),
        });
        prop_assert_eq!(check_reset_pattern(&text).is_ok(), good);
    }

    #[test]
    fn the_code_of_an_error_is_never_one_of_the_gateways(code in prop_oneof![name(), "\\PC{0,12}", "system\\.[a-z]{0,8}"]) {
        let error = Error::custom(code.clone(), "message");
        let kept = error.code() == code;
        prop_assert!(kept != code.starts_with("system.") || error == Error::INTERNAL_ERROR);
        prop_assert!(kept || error == Error::INTERNAL_ERROR);
    }
}

#[test]
fn a_name_of_very_many_parts_is_searched_without_using_up_the_stack() {
    let mut trie = Trie::default();
    for (number, text) in ["a.$b", "a.$b.$c.a", "a.$b.$c.$d", "$x.$y.$z.>"].into_iter().enumerate() {
        trie.insert(&Pattern::parse(text).expect("a pattern"), number).expect("different");
    }
    let long = vec!["a"; super::VERY_DEEP].join(".");
    assert_eq!(trie.find(&long), Some(3));
    assert_eq!(trie.find(&format!("{long}.")), None);
    assert_eq!(trie.find(&".".repeat(super::VERY_DEEP)), None);
    assert!(check_resource_id(&long).is_err(), "too long");
    assert!(Pattern::parse(&long).is_ok());
}
