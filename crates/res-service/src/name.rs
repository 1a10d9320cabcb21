//! Names of resources, methods and changes: what the protocol lets pass, checked before the wire.

use crate::error::Error;

/// Longest resource id the library sends. NATS allows 4096 bytes for a whole control line, of which a gateway
/// needs some for its own subject and inbox.
pub(crate) const RESOURCE_ID_BYTES_MAX: usize = 4000;

/// Names that the protocol keeps for itself among the changes of a resource.
const RESERVED: [&str; 10] =
    ["add", "change", "create", "delete", "patch", "query", "reaccess", "remove", "reset", "unsubscribe"];

/// One part of a name: not empty, printable ASCII, and none of `.` `*` `>` `?`.
pub(crate) fn is_part(part: &str) -> bool {
    !part.is_empty() && part.bytes().all(|byte| byte != b'.' && is_of_name(byte))
}

/// Whether a byte can be in a name; a dot is between its parts.
fn is_of_name(byte: u8) -> bool {
    (33..=126).contains(&byte) && !matches!(byte, b'*' | b'>' | b'?')
}

/// A resource name: parts joined by dots. Every request's is looked at, so each byte is, once.
pub(crate) fn is_name(name: &str) -> bool {
    let mut before = b'.';
    let is_made_of_parts = name.bytes().all(|byte| {
        let follows = byte != b'.' || before != b'.';
        before = byte;
        follows && is_of_name(byte)
    });
    is_made_of_parts && before != b'.'
}

/// A resource id taken apart: the name, and the query after the first `?` if it is not empty.
pub(crate) fn split_resource_id(resource_id: &str) -> (&str, Option<&str>) {
    match resource_id.split_once('?') {
        Some((name, "")) => (name, None),
        Some((name, query)) => (name, Some(query)),
        None => (resource_id, None),
    }
}

/// Whether this can be sent as a reference or in a change.
pub(crate) fn check_resource_id(resource_id: &str) -> Result<(), Error> {
    if resource_id.len() > RESOURCE_ID_BYTES_MAX {
        return Err(Error::internal(format!(
            "a resource id has {} bytes; at most {RESOURCE_ID_BYTES_MAX} fit through a gateway: {:?}…",
            resource_id.len(),
            resource_id.chars().take(60).collect::<String>()
        )));
    }
    if !is_name(split_resource_id(resource_id).0) {
        return Err(Error::internal(format!(
            "{resource_id:?} is not a resource id: it must be non-empty parts of printable ASCII without '*' and '>', \
             joined by single dots, and perhaps a query after '?'"
        )));
    }
    Ok(())
}

/// Whether this can be the name of a custom change.
pub(crate) fn check_change_name(name: &str) -> Result<(), Error> {
    if !is_part(name) {
        return Err(Error::internal(format!(
            "{name:?} cannot name a change: it must be one part, without dots, spaces, '*', '>' and '?'"
        )));
    }
    if RESERVED.contains(&name) {
        return Err(Error::internal(format!(
            "{name:?} cannot name a custom change: the protocol reserves {}",
            RESERVED.join(", ")
        )));
    }
    Ok(())
}

/// Whether this can be a method: one part of a name, and no comma, as grants are joined by commas.
pub(crate) fn is_method(method: &str) -> bool {
    is_part(method) && !method.contains(',')
}

/// A pattern of `system.reset`: `*` for one part, `>` as the last for one part or more.
pub(crate) fn check_reset_pattern(pattern: &str) -> Result<(), Error> {
    let mut parts = pattern.split('.').peekable();
    while let Some(part) = parts.next() {
        let good = match part {
            "*" => true,
            ">" => parts.peek().is_none(),
            part => is_part(part),
        };
        if !good {
            return Err(Error::internal(format!(
                "{pattern:?} is not a pattern of system.reset: each part must be a name, '*', or '>' as the last part \
                 (gateways ignore a wrong pattern in silence, so it is refused here)"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t03_names_are_non_empty_parts_of_printable_ascii() {
        for good in ["a", "a.b.c", "a.$b", "a.{cid}", "tickets.event.evt_1", "a.\"b\"/c", "A.b"] {
            assert!(is_name(good), "{good:?} is a name");
        }
        for bad in ["", ".", "a.", ".a", "a..b", "a b", "a.*", "a.>", "a?b", "é", "a\tb", "a\u{7f}"] {
            assert!(!is_name(bad), "{bad:?} is no name");
        }
    }

    #[test]
    fn t04_the_query_begins_at_the_first_question_mark_and_holds_anything() {
        assert_eq!(split_resource_id("a.b?x=?&* y"), ("a.b", Some("x=?&* y")));
        assert_eq!(split_resource_id("a.b?"), ("a.b", None));
        assert_eq!(split_resource_id("a.b"), ("a.b", None));
        assert!(check_resource_id("a.b?x=?&* y").is_ok());
    }

    #[test]
    fn t09_a_resource_id_of_more_than_4000_bytes_is_refused() {
        assert!(check_resource_id(&"a".repeat(4000)).is_ok());
        let refused = check_resource_id(&"a".repeat(4001)).expect_err("too long");
        assert!(refused.cause_chain().is_some_and(|cause| cause.contains("4001 bytes")));
    }

    #[test]
    fn e13_all_ten_reserved_names_are_refused_and_so_are_dotted_ones() {
        for name in RESERVED {
            assert!(check_change_name(name).is_err(), "{name} is reserved");
        }
        for name in ["foo.bar", "", "a b", "a*", ">", "a?"] {
            assert!(check_change_name(name).is_err(), "{name:?} is not one part");
        }
        assert!(check_change_name("seatHeld").is_ok());
    }

    #[test]
    fn s04_reset_patterns_take_stars_anywhere_and_one_tail_at_the_end() {
        for good in ["a", "a.*.c", "*", ">", "a.>", "*.b.>"] {
            assert!(check_reset_pattern(good).is_ok(), "{good:?}");
        }
        for bad in ["", "a.>.b", "a*", "a..b", "a.", "a?b", "a b"] {
            assert!(check_reset_pattern(bad).is_err(), "{bad:?}");
        }
    }
}
