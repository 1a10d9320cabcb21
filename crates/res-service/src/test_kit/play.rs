//! Playing a transcript against a session, and the picture of what differs.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::Value;

use super::compare::{differences, shown};
use super::placeholder::{Known, fill, fill_text, matches_text};
use super::transcript::{Step, Transcript, What};
use super::wire::{Seen, Source, Wire, is_pre_response};
use crate::service::Service;

/// Pause between two looks at a service that is still at work.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// Lines above the one that differs, and messages after it, that are shown.
const SHOWN_LINES_MAX: usize = 12;

/// Fills members into the payload of a request to this subject: those that a client has.
pub(crate) type Complete<'a> = dyn Fn(&str, Value) -> Value + Send + Sync + 'a;

/// A transcript and what it is played against.
pub(crate) struct Play<'a> {
    pub(crate) transcript: &'a Transcript,
    pub(crate) wire: &'a Wire,
    pub(crate) services: &'a [Service],
    pub(crate) patience: Duration,
    pub(crate) complete: &'a Complete<'a>,
}

/// What is known while it plays.
struct Progress {
    known: Known,
    /// The number of the request that each step sent.
    requests: Vec<Option<u64>>,
    /// Messages that were passed over, for the picture.
    passed_over: VecDeque<String>,
}

/// Where it differs, and how.
struct Difference {
    /// The steps that were expected, in any order if there are several; none is the end.
    steps: Vec<usize>,
    said: String,
    differences: Vec<String>,
}

impl Play<'_> {
    /// Plays it; the error is the picture of what differs.
    pub(crate) async fn run(&self, known: &mut Known) -> Result<(), String> {
        let mut progress = Progress {
            known: known.clone(),
            requests: vec![None; self.transcript.steps.len()],
            passed_over: VecDeque::new(),
        };
        let outcome = self.steps(&mut progress).await;
        *known = progress.known.clone();
        match outcome {
            Ok(()) => Ok(()),
            Err(difference) => Err(self.picture(&difference, &mut progress).await),
        }
    }

    async fn steps(&self, progress: &mut Progress) -> Result<(), Difference> {
        let steps = &self.transcript.steps;
        let mut index = 0;
        while index < steps.len() {
            let mut next = index + 1;
            if let What::Request { subject, payload } = &steps[index].what {
                let sent = self.send(subject, payload.as_ref(), &progress.known).await;
                progress.requests[index] = Some(sent.map_err(|reason| Difference {
                    steps: vec![index],
                    said: format!("    nothing, as this cannot be sent: {reason}"),
                    differences: Vec::new(),
                })?);
            } else {
                if steps[index].in_any_order {
                    next += steps[next..].iter().take_while(|step| step.in_any_order).count();
                }
                self.expect((index..next).collect(), progress).await?;
            }
            index = next;
        }
        self.nothing_follows(progress).await
    }

    async fn send(&self, subject: &str, payload: Option<&Value>, known: &Known) -> Result<u64, String> {
        let subject = fill_text(subject, known)?;
        check_service(&subject, self.services)?;
        let payload = match payload {
            None => (self.complete)(&subject, Value::Null),
            Some(payload) => (self.complete)(&subject, fill(payload, known)?),
        };
        let payload = if payload.is_null() { Bytes::new() } else { payload.to_string().into() };
        self.wire.request(&subject, payload).await
    }

    /// Takes messages until each of these steps has had its own.
    async fn expect(&self, mut steps: Vec<usize>, progress: &mut Progress) -> Result<(), Difference> {
        let mut deadline = Instant::now() + self.patience;
        while !steps.is_empty() {
            let seen = self.wire.next(deadline.saturating_duration_since(Instant::now())).await;
            let Some(seen) = seen else {
                let said = format!("    nothing within {:?}{}", self.patience, self.still_at_work());
                return Err(Difference { steps, said, differences: Vec::new() });
            };
            if matches!(seen.source, Source::Echo(_)) {
                continue;
            }
            let mut found = Vec::new();
            let mut fits = None;
            for (place, step) in steps.iter().enumerate() {
                let differences = self.compared(&self.transcript.steps[*step], &seen, progress);
                if differences.is_empty() {
                    fits = Some(place);
                    break;
                }
                found.push(differences);
            }
            if let Some(place) = fits {
                steps.remove(place);
                deadline = Instant::now() + self.patience;
            } else if may_be_passed_over(&seen, self.wire, self.services) {
                progress.pass_over(self.line_of(&seen, progress));
            } else {
                let said = format!("    {}", self.line_of(&seen, progress));
                // Of several, none is the one that was meant.
                let differences = if found.len() == 1 { found.remove(0) } else { Vec::new() };
                return Err(Difference { steps, said, differences });
            }
        }
        Ok(())
    }

    /// What differs between a line and a message.
    fn compared(&self, step: &Step, seen: &Seen, progress: &mut Progress) -> Vec<String> {
        let other = |what: &str| vec![what.to_owned()];
        match (&step.what, &seen.source) {
            (What::Published { subject, payload }, Source::Subject(said)) => {
                let mut known = progress.known.clone();
                if !matches_subject(subject, said, &mut known) {
                    return other("another subject");
                }
                let found = payload_differences(payload.as_ref(), &seen.payload, &mut known);
                if found.is_empty() {
                    progress.known = known;
                }
                found
            }
            (What::Published { .. }, Source::Answer(_)) => {
                other("an answer came before what is expected to be published")
            }
            (What::Answer { .. } | What::PreResponse { .. }, Source::Subject(_)) => {
                other("something is published before the answer")
            }
            (What::Answer { request, .. } | What::PreResponse { request, .. }, Source::Answer(number))
                if progress.requests[*request] != Some(*number) =>
            {
                other("the answer to another request")
            }
            (What::Answer { json, .. }, _) => {
                payload_differences(Some(json), &seen.payload, &mut progress.known)
            }
            (What::PreResponse { text, .. }, _) if seen.payload == text.as_bytes() => Vec::new(),
            (What::PreResponse { .. }, _) => other("another text"),
            (What::Request { .. }, _) | (_, Source::Echo(_)) => other("nothing to compare"),
        }
    }

    /// Waits until the services have done all they were asked for; then whatever they said must have had a line.
    async fn nothing_follows(&self, progress: &mut Progress) -> Result<(), Difference> {
        let end = |said: String| Difference { steps: Vec::new(), said, differences: Vec::new() };
        let deadline = Instant::now() + self.patience;
        until_done(self.wire, self.services, deadline).await.map_err(|left| {
            end(format!(
                "    the service is not done after {:?}: {left}{}",
                self.patience,
                self.unanswered(progress)
            ))
        })?;
        let mark = mark(self.wire, self.services).await.map_err(|reason| end(format!("    {reason}")))?;
        loop {
            let Some(seen) = self.wire.next(self.patience).await else {
                return Err(end("    the server did not echo".to_owned()));
            };
            if seen.source == Source::Echo(mark) {
                break;
            }
            if may_be_passed_over(&seen, self.wire, self.services) {
                progress.pass_over(self.line_of(&seen, progress));
                continue;
            }
            return Err(end(format!("    {}", self.line_of(&seen, progress))));
        }
        match self.wire.given_up() {
            0 => Ok(()),
            count => Err(end(format!(
                "    so many messages that the first {count} were given up: play a transcript, or take what was \
                 published, more often"
            ))),
        }
    }

    fn still_at_work(&self) -> String {
        unfinished(self.wire, self.services).map_or_else(
            || " (the service has nothing left to do)".to_owned(),
            |left| format!(" (the service has to do: {left})"),
        )
    }

    fn unanswered(&self, progress: &Progress) -> String {
        let steps = &self.transcript.steps;
        let answered = |index: usize| {
            steps.iter().any(|step| matches!(&step.what, What::Answer { request, .. } if *request == index))
        };
        let open = (0..steps.len()).filter(|index| progress.requests[*index].is_some() && !answered(*index));
        let lines: Vec<String> = open.map(|index| steps[index].line.to_string()).collect();
        if lines.is_empty() {
            return String::new();
        }
        format!(" (no answer is written for the request of line {})", lines.join(", "))
    }

    /// A message as a transcript would have it.
    fn line_of(&self, seen: &Seen, progress: &Progress) -> String {
        let payload = shown(&String::from_utf8_lossy(&seen.payload));
        match &seen.source {
            Source::Subject(subject) => format!("< {subject} {payload}").trim_end().to_owned(),
            Source::Answer(number) => {
                let request = progress.requests.iter().position(|sent| *sent == Some(*number));
                let of = request.map_or_else(
                    || "a request before this transcript".to_owned(),
                    |index| format!("line {}", self.transcript.steps[index].line),
                );
                format!("< {payload}   (the answer to {of})")
            }
            Source::Echo(_) => String::new(),
        }
    }

    /// What the transcript expects, what came instead, and what lies around it.
    async fn picture(&self, difference: &Difference, progress: &mut Progress) -> String {
        let steps = &self.transcript.steps;
        let at = difference.steps.first().copied().unwrap_or(steps.len());
        let mut picture = match steps.get(at) {
            Some(step) => format!("the transcript differs in line {}:\n", step.line),
            None => "the transcript differs after its last line:\n".to_owned(),
        };
        let first = at.saturating_sub(SHOWN_LINES_MAX);
        if first > 0 {
            picture.push_str("       …\n");
        }
        for step in &steps[first..at] {
            let _ = writeln!(picture, "  {:>4}  {}", step.line, shown(&step.text));
        }
        let mut expected: Vec<&str> =
            difference.steps.iter().map(|step| steps[*step].text.as_str()).collect();
        if expected.is_empty() {
            expected.push("nothing more");
        }
        let _ = writeln!(
            picture,
            "expected:\n    {}\nsaid instead:\n{}",
            expected.join("\n    "),
            difference.said
        );
        for found in &difference.differences {
            let _ = writeln!(picture, "        {found}");
        }
        let after = self.what_follows(progress).await;
        if !after.is_empty() {
            let _ = writeln!(picture, "and after that:\n    {}", after.join("\n    "));
        }
        if !progress.passed_over.is_empty() {
            let passed: Vec<&str> = progress.passed_over.iter().map(String::as_str).collect();
            let _ = writeln!(picture, "passed over before:\n    {}", passed.join("\n    "));
        }
        picture
    }

    /// What has been said by now besides what differs.
    async fn what_follows(&self, progress: &Progress) -> Vec<String> {
        let mut lines = Vec::new();
        let Ok(mark) = mark(self.wire, self.services).await else { return lines };
        while let Some(seen) = self.wire.next(self.patience).await {
            if seen.source == Source::Echo(mark) {
                break;
            }
            if lines.len() < SHOWN_LINES_MAX {
                lines.push(self.line_of(&seen, progress));
            }
        }
        lines.retain(|line| !line.is_empty());
        lines
    }
}

impl Progress {
    fn pass_over(&mut self, line: String) {
        if self.passed_over.len() >= SHOWN_LINES_MAX {
            self.passed_over.pop_front();
        }
        self.passed_over.push_back(line);
    }
}

fn unfinished(wire: &Wire, services: &[Service]) -> Option<String> {
    let (sent, taken) = (wire.requests_sent(), services.iter().map(Service::requests_taken).sum::<u64>());
    if taken < sent {
        return Some(format!("{} requests have not reached it", sent - taken));
    }
    services.iter().find_map(Service::unfinished)
}

/// Waits until the services have done all they were asked for; the error is what is left to do at the deadline.
pub(crate) async fn until_done(wire: &Wire, services: &[Service], deadline: Instant) -> Result<(), String> {
    while let Some(left) = unfinished(wire, services) {
        if Instant::now() >= deadline {
            return Err(left);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// An echo through each service's own connection, and then one here: what a service said before is before it.
pub(crate) async fn mark(wire: &Wire, services: &[Service]) -> Result<u64, String> {
    for service in services {
        service.barrier().await.map_err(|error| format!("the server does not echo: {error:?}"))?;
    }
    wire.mark().await
}

/// What depends on time or is no part of the protocol needs no line: pre-responses, the resets that a service sends
/// by itself, and subjects of other kinds.
pub(crate) fn may_be_passed_over(seen: &Seen, wire: &Wire, services: &[Service]) -> bool {
    match &seen.source {
        Source::Answer(_) => is_pre_response(&seen.payload),
        Source::Subject(subject) if subject == "system.reset" => is_own_reset(&seen.payload, wire, services),
        Source::Subject(subject) => {
            !["event.", "conn.", "system."].iter().any(|kind| subject.starts_with(kind))
        }
        Source::Echo(_) => true,
    }
}

fn is_own_reset(payload: &[u8], wire: &Wire, services: &[Service]) -> bool {
    let reset: Value = serde_json::from_slice(payload).unwrap_or_default();
    let own: Vec<_> = services.iter().map(Service::own_reset_patterns).collect();
    reset["access"].is_null()
        && reset["resources"].as_array().is_some_and(|patterns| {
            let mut patterns = patterns.iter().filter_map(Value::as_str);
            patterns.all(|pattern| own.iter().any(|own| own.contains(pattern)) || wire.has_failed(pattern))
        })
}

/// Subjects are compared part by part, so that a placeholder never stands for more than one.
fn matches_subject(expected: &str, said: &str, known: &mut Known) -> bool {
    if !expected.contains('$') {
        return expected == said;
    }
    let mut said = said.split('.');
    let matches =
        expected.split('.').all(|part| said.next().is_some_and(|said| matches_text(part, said, known)));
    matches && said.next().is_none()
}

fn payload_differences(expected: Option<&Value>, payload: &[u8], known: &mut Known) -> Vec<String> {
    match (expected, serde_json::from_slice::<Value>(payload)) {
        (None, _) if payload.is_empty() => Vec::new(),
        (None, _) => vec!["no payload is expected".to_owned()],
        (Some(_), Err(_)) if payload.is_empty() => vec!["a payload is expected".to_owned()],
        (Some(_), Err(_)) => vec!["the payload is not JSON".to_owned()],
        (Some(expected), Ok(said)) => differences(expected, &said, known),
    }
}

/// Whether somebody answers a request. The server cannot say so, as this kit hears everything.
pub(crate) fn check_service(subject: &str, services: &[Service]) -> Result<(), String> {
    let mut parts = subject.split('.');
    let is_request = parts.next().is_some_and(|kind| matches!(kind, "access" | "get" | "call" | "auth"));
    let name = parts.next().unwrap_or_default();
    if !is_request || services.iter().any(|service| service.name() == name) {
        return Ok(());
    }
    let known: Vec<&str> = services.iter().map(Service::name).collect();
    Err(format!(
        "{subject} is for the service {name:?}, and this session has only {}; start others with Session::start_another",
        known.join(", ")
    ))
}
