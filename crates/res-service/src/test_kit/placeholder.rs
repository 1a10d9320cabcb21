//! Placeholders of a transcript: `$any` stands for anything, another `$name` for what was first found in its place.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;

/// What the names stand for.
pub(crate) type Known = BTreeMap<String, Value>;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece<'a> {
    Text(Cow<'a, str>),
    Any,
    Name(&'a str),
}

/// Takes a text apart. `$$` is a dollar sign, and so is a `$` that no lower-case letter follows.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, after) = (&rest[..at], &rest[at + 1..]);
        push_text(&mut pieces, before);
        rest = if let Some((name, after)) = braced(after).or_else(|| plain(after)) {
            pieces.push(if name == "any" { Piece::Any } else { Piece::Name(name) });
            after
        } else {
            push_text(&mut pieces, "$");
            after.strip_prefix('$').unwrap_or(after)
        };
    }
    push_text(&mut pieces, rest);
    pieces
}

fn push_text<'a>(pieces: &mut Vec<Piece<'a>>, text: &'a str) {
    match pieces.last_mut() {
        _ if text.is_empty() => {}
        Some(Piece::Text(earlier)) => earlier.to_mut().push_str(text),
        _ => pieces.push(Piece::Text(Cow::Borrowed(text))),
    }
}

fn plain(text: &str) -> Option<(&str, &str)> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let end = text.bytes().position(|byte| !is_name(byte)).unwrap_or(text.len());
    text.bytes().next()?.is_ascii_lowercase().then(|| text.split_at(end))
}

fn braced(text: &str) -> Option<(&str, &str)> {
    let (name, after) = text.strip_prefix('{')?.split_once('}')?;
    plain(name).is_some_and(|(_, after)| after.is_empty()).then_some((name, after))
}

/// The text with a letter in the place of each placeholder.
pub(crate) fn without(text: &str) -> String {
    let pieces = pieces(text);
    pieces.iter().map(|piece| if let Piece::Text(text) = piece { text.as_ref() } else { "x" }).collect()
}

/// The text with what its placeholders stand for.
pub(crate) fn fill_text(text: &str, known: &Known) -> Result<String, String> {
    let mut filled = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece {
            Piece::Text(text) => filled.push_str(&text),
            Piece::Any => return Err("$any stands for anything, so it cannot be sent".to_owned()),
            Piece::Name(name) => filled.push_str(&text_of(name, value_of(name, known)?)?),
        }
    }
    Ok(filled)
}

/// The JSON with what its placeholders stand for.
pub(crate) fn fill(json: &Value, known: &Known) -> Result<Value, String> {
    Ok(match json {
        Value::String(text) => match pieces(text).as_slice() {
            [Piece::Name(name)] => value_of(name, known)?.clone(),
            _ => fill_text(text, known)?.into(),
        },
        Value::Array(items) => {
            Value::Array(items.iter().map(|item| fill(item, known)).collect::<Result<_, _>>()?)
        }
        Value::Object(members) => {
            let filled =
                members.iter().map(|(name, value)| Ok((fill_text(name, known)?, fill(value, known)?)));
            Value::Object(filled.collect::<Result<_, String>>()?)
        }
        other => other.clone(),
    })
}

/// What a text that is nothing but a placeholder stands for.
pub(crate) enum Whole<'a> {
    Anything,
    /// Not found yet.
    New(&'a str),
    Known(Value),
}

/// Whether a text is nothing but a placeholder.
pub(crate) fn whole<'a>(text: &'a str, known: &Known) -> Option<Whole<'a>> {
    match pieces(text).as_slice() {
        [Piece::Any] => Some(Whole::Anything),
        [Piece::Name(name)] => {
            Some(known.get(*name).map_or(Whole::New(name), |value| Whole::Known(value.clone())))
        }
        _ => None,
    }
}

/// Whether a text is the expected one; what new names stand for is noted. A placeholder within a text stands for one
/// letter or more, up to where the text after it is found first.
pub(crate) fn matches_text(expected: &str, seen: &str, known: &mut Known) -> bool {
    let pieces = pieces(expected);
    let mut rest = seen;
    for (index, piece) in pieces.iter().enumerate() {
        let name = match piece {
            Piece::Text(text) => match rest.strip_prefix(text.as_ref()) {
                Some(after) => {
                    rest = after;
                    continue;
                }
                None => return false,
            },
            Piece::Name(name) => Some(*name),
            Piece::Any => None,
        };
        if let Some((name, value)) = name.and_then(|name| Some((name, known.get(name)?))) {
            let Some(after) = text_of(name, value).ok().and_then(|text| rest.strip_prefix(text.as_str()))
            else {
                return false;
            };
            rest = after;
            continue;
        }
        let next = match pieces.get(index + 1) {
            Some(Piece::Text(text)) => Some(text.as_ref()),
            _ => None,
        };
        let Some(end) = end_of(rest, next, index + 1 == pieces.len(), index + 2 == pieces.len()) else {
            return false;
        };
        if let Some(name) = name {
            known.insert(name.to_owned(), rest[..end].into());
        }
        rest = &rest[end..];
    }
    rest.is_empty()
}

/// Where the value of a placeholder at the start of `rest` ends.
fn end_of(rest: &str, next: Option<&str>, is_last: bool, next_is_last: bool) -> Option<usize> {
    let first = rest.chars().next()?.len_utf8();
    match next {
        _ if is_last => Some(rest.len()),
        Some(next) if next_is_last => rest.strip_suffix(next).map(str::len).filter(|length| *length >= first),
        Some(next) => rest[first..].find(next).map(|at| first + at),
        None => Some(first),
    }
}

fn value_of<'a>(name: &str, known: &'a Known) -> Result<&'a Value, String> {
    known.get(name).ok_or_else(|| {
        format!("${name} stands for nothing yet: it must be expected somewhere above (a dollar sign is written \"$$\")")
    })
}

fn text_of(name: &str, value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        _ => Err(format!("${name} stands for {value}, which cannot be a part of a text")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_text_is_taken_apart_into_texts_and_placeholders() {
        let text = |text: &'static str| Piece::Text(text.into());
        for (given, expected) in [
            ("", vec![]),
            ("$any", vec![Piece::Any]),
            ("a.$id.b", vec![text("a."), Piece::Name("id"), text(".b")]),
            ("${id}_1$b", vec![Piece::Name("id"), text("_1"), Piece::Name("b")]),
            ("$$any costs $5 or $", vec![text("$any costs $5 or $")]),
            ("${no", vec![text("${no")]),
            ("${No}é$", vec![text("${No}é$")]),
        ] {
            assert_eq!(pieces(given), expected, "{given:?}");
        }
        assert_eq!(without("event.$id.${x}y$$"), "event.x.xy$");
    }

    #[test]
    fn a_name_is_noted_where_it_is_found_first_and_compared_after_that() {
        let mut known = Known::new();
        assert!(matches_text("test.item.$id.of.$owner", "test.item.7.of.ann.b", &mut known));
        assert_eq!(known, Known::from([("id".to_owned(), json!("7")), ("owner".to_owned(), json!("ann.b"))]));
        assert!(matches_text("$id and $id", "7 and 7", &mut known));
        assert!(!matches_text("$id", "8", &mut known));
        for (expected, seen, same) in [
            ("a$any", "a", false),
            ("a$any", "ab", true),
            ("a${any}b", "ab", false),
            ("a${any}b", "axbb", true),
            ("${any}b$any", "abc", true),
            ("$any$any", "éé", true),
            ("$any$any", "é", false),
            ("$$any", "$any", true),
            ("a", "b", false),
        ] {
            assert_eq!(matches_text(expected, seen, &mut Known::new()), same, "{expected:?} {seen:?}");
        }
    }

    #[test]
    fn what_is_sent_is_filled_with_what_is_known() {
        let known = Known::from([("id".to_owned(), json!(7)), ("list".to_owned(), json!([1]))]);
        assert_eq!(
            fill(&json!({"a": "$id", "$id": ["item.$id", "$list"], "price": "$$id"}), &known),
            Ok(json!({"a": 7, "7": ["item.7", [1]], "price": "$id"}))
        );
        for (wrong, words) in
            [("$other", "stands for nothing yet"), ("$any", "cannot be sent"), ("a$list", "stands for [1]")]
        {
            let refusal = fill(&json!(wrong), &known).expect_err(wrong);
            assert!(refusal.contains(words), "{refusal}");
        }
    }
}
