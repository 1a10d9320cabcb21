//! Reading a transcript: which lines are sent, and which are expected.

use serde_json::Value;

use super::placeholder;
use crate::name::is_name;

/// Longest transcript.
const TRANSCRIPT_BYTES_MAX: usize = 1024 * 1024;
/// What requests begin with, and how many parts their subjects have at least.
const REQUESTS: [(&str, usize); 4] = [("access", 2), ("get", 2), ("call", 3), ("auth", 3)];

/// What is wrong in a transcript, and in which line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the transcript: {reason}")]
pub(crate) struct Wrong {
    pub(crate) line: usize,
    pub(crate) reason: String,
}

#[derive(Debug)]
pub(crate) struct Transcript {
    pub(crate) steps: Vec<Step>,
}

/// One line, with what continues it.
#[derive(Debug)]
pub(crate) struct Step {
    /// Counted from 1.
    pub(crate) line: usize,
    /// As it was written, in one line.
    pub(crate) text: String,
    /// Whether it may change places with those beside it of which the same holds.
    pub(crate) in_any_order: bool,
    pub(crate) what: What,
}

#[derive(Debug, PartialEq)]
pub(crate) enum What {
    /// A request to the service.
    Request { subject: String, payload: Option<Value> },
    /// A message that the service publishes.
    Published { subject: String, payload: Option<Value> },
    /// The answer to the request that is this step.
    Answer { request: usize, json: Value },
    /// More time is asked for, for the request that is this step.
    PreResponse { request: usize, text: String },
}

impl Transcript {
    pub(crate) fn parse(text: &str) -> Result<Self, Wrong> {
        if text.len() > TRANSCRIPT_BYTES_MAX {
            let reason = format!(
                "it has {} bytes, and at most {TRANSCRIPT_BYTES_MAX} are read: split it into several",
                text.len()
            );
            return Err(Wrong { line: 1, reason });
        }
        let mut reader = Reader::default();
        for lines in join_continued(text)? {
            reader.read(&lines)?;
        }
        Ok(Self { steps: reader.steps })
    }
}

/// A step's text before it is read.
struct Lines {
    first: usize,
    /// With the line breaks that it was written with, so that a place in it can be told.
    text: String,
}

fn join_continued(text: &str) -> Result<Vec<Lines>, Wrong> {
    let mut found: Vec<Lines> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.starts_with(['>', '<']) {
            found.push(Lines { first: number, text: line.to_owned() });
            continue;
        }
        let comment = line.is_empty() || line.starts_with('#');
        match found.last_mut() {
            Some(lines) => {
                // Comments within a step leave an empty line, so that line numbers stay right.
                lines.text.push('\n');
                lines.text.push_str(if comment { "" } else { line });
            }
            None if comment => {}
            None => {
                return Err(Wrong {
                    line: number,
                    reason: format!(
                        "{line:?} continues nothing: begin with '>' for a request, '<' for what the service says, \
                         or '#' for a comment"
                    ),
                });
            }
        }
    }
    Ok(found)
}

#[derive(Default)]
struct Reader {
    steps: Vec<Step>,
    /// The requests so far: their number, their step, and the line of their answer.
    requests: Vec<(Option<u32>, usize, Option<usize>)>,
}

impl Reader {
    fn read(&mut self, lines: &Lines) -> Result<(), Wrong> {
        let wrong = |reason: String| Wrong { line: lines.first, reason };
        let (arrow, rest) = lines.text.split_at(1);
        let after_tilde = rest.strip_prefix('~').filter(|_| arrow == "<");
        let (in_any_order, rest) = (after_tilde.is_some(), after_tilde.unwrap_or(rest));
        let digits = rest.len() - rest.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
        let (number, rest) = rest.split_at(digits);
        let number = match number {
            "" => None,
            number => Some(
                number.parse().map_err(|_| wrong(format!("{number} is too large for a request's number")))?,
            ),
        };
        let start = lines.text.len() - rest.trim_start().len();
        let body = lines.text[start..].trim_end();
        if body.is_empty() {
            let what = if arrow == ">" { "the request's subject" } else { "what the service says" };
            return Err(wrong(format!("{what} is missing after {arrow:?}")));
        }
        let what = if arrow == ">" {
            let (subject, payload) = subject_and_payload(lines, start, body)?;
            check_request(&subject).map_err(wrong)?;
            self.requests.push((number, self.steps.len(), None));
            What::Request { subject, payload }
        } else if body.starts_with('{') {
            let json = json(lines, start, body)?;
            What::Answer { request: self.answered(lines, number, true)?, json }
        } else if body.starts_with("timeout:") {
            What::PreResponse { request: self.answered(lines, number, false)?, text: body.to_owned() }
        } else {
            if number.is_some() {
                return Err(wrong(
                    "only a request and its answer have a number; an answer begins with '{'".to_owned(),
                ));
            }
            let (subject, payload) = subject_and_payload(lines, start, body)?;
            What::Published { subject, payload }
        };
        let text = lines.text.lines().filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
        self.steps.push(Step { line: lines.first, text, in_any_order, what });
        Ok(())
    }

    /// The step of the request that this answers (or asks for more time for).
    fn answered(&mut self, lines: &Lines, number: Option<u32>, finally: bool) -> Result<usize, Wrong> {
        let wrong = |reason: String| Wrong { line: lines.first, reason };
        let found = self.requests.iter_mut().rev().find(|(of, ..)| number.is_none() || *of == number);
        let Some((_, step, answer)) = found else {
            return Err(wrong(match number {
                None => "this is an answer, and no request comes before it: write that above it, with '>'"
                    .to_owned(),
                Some(number) => format!("no request above has the number {number}: write \">{number} …\""),
            }));
        };
        if let Some(line) = answer {
            return Err(wrong(format!(
                "the request of line {} has its answer in line {line} already, and a request has just one",
                self.steps[*step].line
            )));
        }
        if finally {
            *answer = Some(lines.first);
        }
        Ok(*step)
    }
}

/// Takes `subject payload` apart; `start` is where that stands in the text of the lines.
fn subject_and_payload(lines: &Lines, start: usize, body: &str) -> Result<(String, Option<Value>), Wrong> {
    let wrong = |reason: String| Wrong { line: lines.first, reason };
    let (subject, payload) = body.split_once(char::is_whitespace).unwrap_or((body, ""));
    if let Some((name, query)) = subject.split_once('?') {
        return Err(wrong(format!(
            "a query is no part of a subject: write {name:?} and {{\"query\":{query:?}}} as the payload"
        )));
    }
    if !is_name(&placeholder::without(subject)) {
        return Err(wrong(format!(
            "{subject:?} is not a subject: it must be parts of printable ASCII, joined by single dots, without '*' and '>'"
        )));
    }
    let before = body.len() - payload.len() + (payload.len() - payload.trim_start().len());
    let payload = payload.trim_start();
    let payload = if payload.is_empty() { None } else { Some(json(lines, start + before, payload)?) };
    Ok((subject.to_owned(), payload))
}

fn check_request(subject: &str) -> Result<(), String> {
    if subject.starts_with('$') {
        // A subject that the service gave, as that of a query change.
        return Ok(());
    }
    let parts = subject.split('.').count();
    match REQUESTS.iter().find(|(kind, _)| subject.split('.').next() == Some(kind)) {
        Some((_, least)) if parts >= *least => Ok(()),
        Some((kind, _)) => {
            let method = if matches!(*kind, "call" | "auth") { " and a method" } else { "" };
            Err(format!("the subject {subject:?} lacks a resource{method} after {kind:?}"))
        }
        None => Err(format!(
            "{subject:?} is no request: its subject begins with \"access.\", \"get.\", \"call.\" or \"auth.\" \
             (what the service publishes is written with '<')"
        )),
    }
}

/// Reads JSON; `start` is where it stands in the text of the lines.
fn json(lines: &Lines, start: usize, text: &str) -> Result<Value, Wrong> {
    serde_json::from_str(text).map_err(|error| {
        let breaks = |text: &str| text.bytes().filter(|byte| *byte == b'\n').count();
        let line = lines.first + breaks(&lines.text[..start]) + error.line().saturating_sub(1);
        let reason = error.to_string();
        let reason = reason.rsplit_once(" at line ").map_or(reason.as_str(), |(reason, _)| reason);
        let hint = if text.contains('$') {
            "; a placeholder is written within quotation marks: \"$id\""
        } else {
            ""
        };
        Wrong { line, reason: format!("this is not JSON: {reason}{hint}") }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refusal(text: &str) -> String {
        Transcript::parse(text).expect_err(text).to_string()
    }

    #[test]
    fn a_transcript_has_requests_answers_changes_comments_and_continued_lines() {
        let transcript = Transcript::parse(
            r#"
            # A comment, and an empty line

            > call.a.b.c {"params":
                # within a step too
                {"by": 1}}
            < event.a.b.delete
            < timeout:"10000"
            < {"result": "a  b"}
            >7 get.a.b
            > $inbox {}
            <~7 {"result": null}
            <~event.x.change {}
            "#,
        )
        .expect("a transcript");
        let what: Vec<&What> = transcript.steps.iter().map(|step| &step.what).collect();
        let text = |text: &str| text.to_owned();
        assert_eq!(
            what,
            [
                &What::Request { subject: text("call.a.b.c"), payload: Some(json!({"params": {"by": 1}})) },
                &What::Published { subject: text("event.a.b.delete"), payload: None },
                &What::PreResponse { request: 0, text: text("timeout:\"10000\"") },
                &What::Answer { request: 0, json: json!({"result": "a  b"}) },
                &What::Request { subject: text("get.a.b"), payload: None },
                &What::Request { subject: text("$inbox"), payload: Some(json!({})) },
                &What::Answer { request: 4, json: json!({"result": null}) },
                &What::Published { subject: text("event.x.change"), payload: Some(json!({})) },
            ]
        );
        let in_any_order = transcript.steps.iter().filter(|step| step.in_any_order).map(|step| step.line);
        assert_eq!(in_any_order.collect::<Vec<_>>(), [12, 13]);
        let lines: Vec<usize> = transcript.steps.iter().map(|step| step.line).collect();
        assert_eq!(lines, [4, 7, 8, 9, 10, 11, 12, 13]);
        assert_eq!(transcript.steps[0].text, r#"> call.a.b.c {"params": {"by": 1}}"#);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line_and_what_to_do() {
        for (text, words) in [
            ("\nhello", "line 2 of the transcript: \"hello\" continues nothing: begin with '>'"),
            (">", "line 1 of the transcript: the request's subject is missing after \">\""),
            ("< ", "what the service says is missing"),
            ("> example.counter {}", "is no request: its subject begins with \"access.\""),
            ("> event.a.change {}", "written with '<'"),
            ("> get", "lacks a resource after \"get\""),
            ("> call.a", "lacks a resource and a method after \"call\""),
            ("> get.a?q=1", "write \"get.a\" and {\"query\":\"q=1\"} as the payload"),
            ("> get.a..b", "is not a subject"),
            ("> get.a.* {}", "is not a subject"),
            (
                "> get.a {}\n< event.a.change\n  {\"values\":\n  {\"a\":}}",
                "line 4 of the transcript: this is not JSON",
            ),
            ("> get.a {\"a\":$id}", "written within quotation marks: \"$id\""),
            ("< {}", "no request comes before it"),
            ("> get.a\n<2 {}", "no request above has the number 2"),
            (
                "> get.a\n< {}\n# once is enough\n< {}",
                "line 4 of the transcript: the request of line 1 has its answer in line 2",
            ),
            ("> get.a\n<1 event.a.delete", "only a request and its answer have a number"),
            (">99999999999 get.a", "too large"),
        ] {
            let refusal = refusal(text);
            assert!(refusal.contains(words), "{text:?}: {refusal}");
        }
    }

    #[test]
    fn a_transcript_has_limits() {
        assert!(refusal(&"#".repeat(TRANSCRIPT_BYTES_MAX + 1)).contains("split it"));
        let deep = format!("> get.a {}", "[".repeat(100_000));
        assert!(refusal(&deep).contains("recursion limit"));
    }
}
