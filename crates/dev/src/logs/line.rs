//! One line of a log as a person reads it: when, who, how bad, what, and the fields that matter.

use serde_json::{Map, Value};

use crate::terminal::Paint;

/// Members that are shown in a place of their own, or tell a person at a terminal nothing.
const NOT_FIELDS: [&str; 8] =
    ["timestamp", "level", "message", "target", "span", "spans", "threadId", "replica"];

/// How lines are shown.
#[derive(Debug, Clone)]
pub(super) struct Style {
    name_width: usize,
    colour: bool,
}

impl Style {
    /// With room for the longest of these names.
    pub(super) fn new<'a>(names: impl Iterator<Item = &'a String>, colour: bool) -> Style {
        Style { name_width: names.map(String::len).max().unwrap_or_default(), colour }
    }

    /// A line of the log called `name`.
    pub(super) fn show(&self, name: &str, text: &str) -> String {
        let width = self.name_width;
        let who = Paint::Strong.on(&format!("{name:<width$}"), self.colour);
        let Ok(Value::Object(members)) = serde_json::from_str(text) else {
            return format!("{who}  {text}");
        };
        let string = |key: &str| members.get(key).and_then(Value::as_str).unwrap_or_default();
        let level = string("level");
        let paint = match level {
            "ERROR" => Paint::Bad,
            "WARN" => Paint::Warn,
            "INFO" => Paint::Good,
            _ => Paint::Quiet,
        };
        let level = paint.on(&format!("{level:<5}"), self.colour);
        let time = Paint::Quiet.on(clock_of(string("timestamp")), self.colour);
        let fields = self.fields(&members);
        format!("{time} {who} {level} {}{fields}", string("message"))
    }

    fn fields(&self, members: &Map<String, Value>) -> String {
        let span = members.get("span").and_then(Value::as_object);
        let of_span = span.into_iter().flatten().filter(|(name, _)| *name != "name");
        let own = members.iter().filter(|(name, _)| !NOT_FIELDS.contains(&name.as_str()));
        let mut text = String::new();
        for (name, value) in own.chain(of_span) {
            let value = match value {
                Value::String(value) if value.contains(' ') => format!("{value:?}"),
                Value::String(value) => value.clone(),
                other => other.to_string(),
            };
            text.push_str(&Paint::Quiet.on(&format!("  {name}={value}"), self.colour));
        }
        text
    }
}

/// The time of day with milliseconds, of an RFC 3339 time.
fn clock_of(timestamp: &str) -> &str {
    timestamp.get(11..23).unwrap_or(timestamp)
}

/// When a line was written, in a form that sorts; none when it does not say. Knows the notations of our services and of
/// all the servers: `2026-11-20T10:20:30.123456Z`, `2026/11/20 10:20:30.123456`.
pub(super) fn time_of(text: &str) -> Option<String> {
    const PATTERN: &[u8] = b"0000-00-00T00:00:00";
    let fits = |window: &[u8]| {
        window.iter().zip(PATTERN).all(|(byte, pattern)| match pattern {
            b'0' => byte.is_ascii_digit(),
            b'-' => *byte == b'-' || *byte == b'/',
            b'T' => *byte == b'T' || *byte == b' ',
            other => byte == other,
        })
    };
    // A time stands at the beginning of a line; further on it is what the line is about.
    let beginning = &text.as_bytes()[..text.len().min(80)];
    let start = beginning.windows(PATTERN.len()).position(fits)?;
    let rest = text.get(start..)?;
    let end = rest.find(|c: char| !(c.is_ascii_digit() || "-/:. T".contains(c))).unwrap_or(rest.len());
    Some(rest[..end].trim_end().replace('/', "-").replace(' ', "T"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_line_of_a_service_says_when_who_how_bad_and_what() {
        let style = Style::new(["tickets-1".to_string()].iter(), false);
        let line = r#"{"timestamp":"2026-11-20T10:20:30.123456Z","level":"INFO","target":"livehouse_tickets",
            "message":"a hold was made","event.id":"ev_1","seats":2,"note":"two words","span":{"name":"call","trace":"t1"}}"#;
        assert_eq!(
            style.show("tickets-1", &line.replace('\n', "")),
            "10:20:30.123 tickets-1 INFO  a hold was made  event.id=ev_1  note=\"two words\"  seats=2  trace=t1"
        );
    }

    #[test]
    fn what_is_no_json_is_shown_as_it_is() {
        let style = Style::new(["nats".to_string()].iter(), false);
        assert_eq!(style.show("nats", "[1] [INF] Server is ready"), "nats  [1] [INF] Server is ready");
    }

    #[test]
    fn lines_of_all_programs_sort_by_their_time() {
        for line in [
            r#"{"timestamp":"2026-11-20T10:20:30.123456Z","level":"INFO"}"#,
            "[4711] 2026/11/20 10:20:30.123456 [INF] Server is ready",
            "2026-11-20 10:20:30.123 UTC [99] tickets LOG:  checkpoint starting",
        ] {
            assert!(time_of(line).unwrap().starts_with("2026-11-20T10:20:30.123"), "{line}");
        }
        assert_eq!(time_of("no time at all"), None);
    }
}
