//! The cache of a gateway as a machine without a network: messages in, requests out. It has everything that makes a
//! gateway lose changes: it drops those that come before the first answer, and both changes and resets while it is
//! asking again; it applies all others blindly; a query change holds up all that has to do with the name.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

/// How long a gateway waits for an answer.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(3);

/// A request of the gateway.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) subject: String,
    pub(crate) reply: String,
    pub(crate) payload: String,
}

/// An answer as it came.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// The server says that nobody listens.
    NoResponders,
    Payload(Vec<u8>),
}

#[derive(Default)]
pub(crate) struct Cache {
    /// Begins every reply subject.
    prefix: String,
    requests: u64,
    names: BTreeMap<String, Name>,
    /// Reply subject, the name it is for, and since when it is waited for.
    asked: BTreeMap<String, (String, Instant)>,
    outgoing: Vec<Request>,
    not_found: Vec<NotFound>,
}

/// The service said of something that it does not exist.
#[derive(Debug)]
pub(crate) struct NotFound {
    pub(crate) name: String,
    pub(crate) asked: Instant,
    pub(crate) answered: Instant,
}

/// All that is cached under one resource name; the plain resource has the empty query.
#[derive(Default)]
struct Name {
    resources: BTreeMap<String, Cached>,
    /// Queries as asked, and as normalised by the service.
    links: BTreeMap<String, String>,
    /// Requests of a query change that are not answered yet; until then everything else waits.
    query_requests: BTreeMap<String, (String, Instant)>,
    waiting: VecDeque<Work>,
}

enum Work {
    Change { change: String, payload: Value },
    Answer { reply: String, answer: Answer },
    Reset,
    Subscribe { query: String },
}

enum Cached {
    /// The first get is under way, and perhaps a second one that a reset has started.
    Asking {
        first: Get,
        second: Option<Get>,
    },
    Value {
        value: Value,
        asking_again: Option<Get>,
    },
}

struct Get {
    reply: String,
    deadline: Instant,
}

impl Cache {
    /// An empty cache whose reply subjects begin with `prefix`.
    pub(crate) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), ..Self::default() }
    }

    /// The requests that must be sent now.
    pub(crate) fn outgoing(&mut self) -> Vec<Request> {
        std::mem::take(&mut self.outgoing)
    }

    /// A client subscribes: the resource is asked for unless it is there.
    pub(crate) fn subscribe(&mut self, resource_id: &str) {
        let (name, query) = resource_id.split_once('?').unwrap_or((resource_id, ""));
        self.names.entry(name.to_owned()).or_default();
        self.work(name, Work::Subscribe { query: query.to_owned() });
    }

    /// The last client has gone for long enough.
    pub(crate) fn forget(&mut self, resource_id: &str) {
        let name = resource_id.split_once('?').map_or(resource_id, |(name, _)| name);
        self.names.remove(name);
        self.asked.retain(|_, (of, _)| of != name);
    }

    /// What the service has said to be not found since this was asked last.
    pub(crate) fn not_found(&mut self) -> Vec<NotFound> {
        std::mem::take(&mut self.not_found)
    }

    /// What is cached, by the resource id that was asked for; `None` while anything is under way.
    pub(crate) fn snapshot(&self) -> Option<BTreeMap<String, Value>> {
        let mut shown = BTreeMap::new();
        for (name, found) in &self.names {
            if !found.query_requests.is_empty() || !found.waiting.is_empty() {
                return None;
            }
            for (query, cached) in &found.resources {
                let Cached::Value { value, asking_again: None } = cached else { return None };
                let mark = if query.is_empty() { "" } else { "?" };
                shown.insert(format!("{name}{mark}{query}"), value.clone());
            }
        }
        Some(shown)
    }

    /// A message from the broker: a change, a reset, or the answer to a request of this gateway.
    pub(crate) fn message(&mut self, subject: &str, answer: Answer) {
        let json = |answer: &Answer| match answer {
            Answer::Payload(payload) => serde_json::from_slice(payload).unwrap_or(Value::Null),
            Answer::NoResponders => Value::Null,
        };
        if subject == "system.reset" {
            let reset = json(&answer);
            let patterns = reset["resources"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let patterns: Vec<&str> = patterns.collect();
            let matching = |name: &&String| patterns.iter().any(|pattern| matches(pattern, name));
            let names: Vec<String> = self.names.keys().filter(matching).cloned().collect();
            names.iter().for_each(|name| self.work(name, Work::Reset));
        } else if let Some((name, change)) =
            subject.strip_prefix("event.").and_then(|rest| rest.rsplit_once('.'))
        {
            if self.names.contains_key(name) {
                let (change, payload) = (change.to_owned(), json(&answer));
                self.work(name, Work::Change { change, payload });
            }
        } else if let Some((name, _)) = self.asked.get(subject).cloned() {
            self.answered(subject, &name, answer);
        }
    }

    fn answered(&mut self, reply: &str, name: &str, answer: Answer) {
        let pre_response = matches!(&answer, Answer::Payload(payload) if payload.first().is_some_and(u8::is_ascii_alphabetic));
        if pre_response {
            return self.extend(reply, name);
        }
        if let Some((_, asked)) = self.asked.remove(reply)
            && let Answer::Payload(payload) = &answer
            && is_not_found(&serde_json::from_slice(payload).unwrap_or(Value::Null))
        {
            let (name, answered) = (name.to_owned(), Instant::now());
            self.not_found.push(NotFound { name, asked, answered });
        }
        let Some(found) = self.names.get_mut(name) else { return };
        match found.query_requests.remove(reply) {
            Some((query, _)) => {
                self.query_answered(name, &query, answer);
                self.go_on(name);
            }
            None => self.work(name, Work::Answer { reply: reply.to_owned(), answer }),
        }
    }

    /// A pre-response: the service takes longer.
    fn extend(&mut self, reply: &str, name: &str) {
        let Some(found) = self.names.get_mut(name) else { return };
        let later = Instant::now() + Duration::from_secs(10);
        if let Some((_, deadline)) = found.query_requests.get_mut(reply) {
            *deadline = later;
        }
        for cached in found.resources.values_mut() {
            for get in cached.gets() {
                if get.reply == reply {
                    get.deadline = later;
                }
            }
        }
    }

    /// Ends what has waited too long; the answer is when that must be looked at again.
    pub(crate) fn time_out(&mut self, now: Instant) -> Option<Instant> {
        let names: Vec<String> = self.names.keys().cloned().collect();
        for name in names {
            let Some(found) = self.names.get_mut(&name) else { continue };
            let before = found.query_requests.len();
            found.query_requests.retain(|_, (_, deadline)| *deadline > now);
            let unlocked = before > 0 && found.query_requests.is_empty();
            found.resources.retain(|_, cached| match cached {
                Cached::Asking { first, second } => {
                    second.take_if(|get| get.deadline <= now);
                    first.deadline > now
                }
                Cached::Value { asking_again, .. } => {
                    asking_again.take_if(|get| get.deadline <= now);
                    true
                }
            });
            if unlocked {
                self.go_on(&name);
            }
        }
        let gets = self.names.values_mut().flat_map(|found| {
            let of_queries = found.query_requests.values().map(|(_, deadline)| *deadline);
            let of_gets = found.resources.values_mut().flat_map(Cached::gets).map(|get| get.deadline);
            of_queries.chain(of_gets).collect::<Vec<_>>()
        });
        gets.min()
    }

    /// Everything of one name happens in order, and waits while a query change is being worked on.
    fn work(&mut self, name: &str, work: Work) {
        if let Some(found) = self.names.get_mut(name) {
            found.waiting.push_back(work);
            self.go_on(name);
        }
    }

    fn go_on(&mut self, name: &str) {
        while let Some(found) = self.names.get_mut(name)
            && found.query_requests.is_empty()
            && let Some(work) = found.waiting.pop_front()
        {
            match work {
                Work::Change { change, payload } if change == "query" => self.query_change(name, &payload),
                Work::Change { change, payload } => found.apply("", &change, &payload),
                Work::Answer { reply, answer } => self.get_answered(name, &reply, &answer),
                Work::Reset => self.reset(name),
                Work::Subscribe { query } => self.first_get(name, query),
            }
        }
    }

    fn first_get(&mut self, name: &str, query: String) {
        let found = self.names.entry(name.to_owned()).or_default();
        let known = found.links.get(&query).unwrap_or(&query);
        if !found.resources.contains_key(known) {
            let first = self.get(name, &query);
            let asking = Cached::Asking { first, second: None };
            self.names.entry(name.to_owned()).or_default().resources.insert(query, asking);
        }
    }

    fn get(&mut self, name: &str, query: &str) -> Get {
        let reply = self.request(format!("get.{name}"), name, query);
        Get { reply, deadline: Instant::now() + REQUEST_TIMEOUT }
    }

    fn request(&mut self, subject: String, name: &str, query: &str) -> String {
        self.requests += 1;
        let reply = format!("{}.{}", self.prefix, self.requests);
        let payload = if query.is_empty() { json!({}) } else { json!({ "query": query }) }.to_string();
        self.asked.insert(reply.clone(), (name.to_owned(), Instant::now()));
        self.outgoing.push(Request { subject, reply: reply.clone(), payload });
        reply
    }

    fn reset(&mut self, name: &str) {
        let queries: Vec<String> = self.names[name].resources.keys().cloned().collect();
        for query in queries {
            let again = self.get(name, &query);
            match self.names.get_mut(name).and_then(|found| found.resources.get_mut(&query)) {
                Some(Cached::Asking { second: second @ None, .. }) => *second = Some(again),
                Some(Cached::Value { asking_again: asking @ None, .. }) => *asking = Some(again),
                // A reset of what is being refreshed is passed over.
                _ => {
                    self.asked.remove(&again.reply);
                    self.outgoing.pop();
                }
            }
        }
    }

    fn query_change(&mut self, name: &str, payload: &Value) {
        let Some(subject) = payload["subject"].as_str() else { return };
        let at_rest = |(query, cached): (&String, &Cached)| {
            (!query.is_empty() && matches!(cached, Cached::Value { .. })).then(|| query.clone())
        };
        let queries: Vec<String> = self.names[name].resources.iter().filter_map(at_rest).collect();
        for query in queries {
            let reply = self.request(subject.to_owned(), name, &query);
            let deadline = Instant::now() + REQUEST_TIMEOUT;
            self.names.entry(name.to_owned()).or_default().query_requests.insert(reply, (query, deadline));
        }
    }

    /// An error, or no answer, leaves the query as it was.
    fn query_answered(&mut self, name: &str, query: &str, answer: Answer) {
        let Answer::Payload(payload) = answer else { return };
        let answer: Value = serde_json::from_slice(&payload).unwrap_or(Value::Null);
        let Some(found) = self.names.get_mut(name) else { return };
        if is_not_found(&answer) {
            found.resources.remove(query);
        } else if let Some(fresh) = value_of(&answer)
            && let Some(Cached::Value { value, .. }) = found.resources.get_mut(query)
        {
            *value = fresh;
        }
    }

    fn get_answered(&mut self, name: &str, reply: &str, answer: &Answer) {
        let answer: Value = match answer {
            Answer::NoResponders => json!({"error": {"code": "system.notFound"}}),
            Answer::Payload(payload) => serde_json::from_slice(payload).unwrap_or(Value::Null),
        };
        let Some(found) = self.names.get_mut(name) else { return };
        let mut queries = found
            .resources
            .iter_mut()
            .filter_map(|(query, cached)| cached.gets().any(|get| get.reply == reply).then(|| query.clone()));
        let Some(query) = queries.next() else { return };
        let Some(cached) = found.resources.get_mut(&query) else { return };
        match (cached, value_of(&answer)) {
            (Cached::Asking { first, second }, Some(value)) if first.reply == reply => {
                let fresh = Cached::Value { value, asking_again: second.take() };
                let normalised = answer["result"]["query"].as_str().unwrap_or("").to_owned();
                if normalised == query {
                    found.resources.insert(query, fresh);
                } else {
                    found.resources.remove(&query);
                    found.links.insert(query, normalised.clone());
                    found.resources.entry(normalised).or_insert(fresh);
                }
            }
            (Cached::Asking { first, .. }, None) if first.reply == reply => {
                found.resources.remove(&query);
            }
            // The second answer came before the first: the older one wins.
            (Cached::Asking { second, .. }, _) => *second = None,
            (cached @ Cached::Value { .. }, Some(value)) => {
                *cached = Cached::Value { value, asking_again: None }
            }
            (Cached::Value { .. }, None) if is_not_found(&answer) => {
                found.resources.remove(&query);
            }
            (Cached::Value { asking_again, .. }, None) => *asking_again = None,
        }
    }
}

impl Name {
    /// A change of the plain resource (those with a query hear of theirs by query changes).
    fn apply(&mut self, query: &str, change: &str, payload: &Value) {
        let Some(Cached::Value { value, asking_again: None }) = self.resources.get_mut(query) else { return };
        let index = || payload["idx"].as_u64().and_then(|index| usize::try_from(index).ok());
        match (change, value) {
            ("change", Value::Object(properties)) => {
                for (key, value) in payload["values"].as_object().into_iter().flatten() {
                    if value["action"] == "delete" {
                        properties.remove(key);
                    } else {
                        properties.insert(key.clone(), value.clone());
                    }
                }
            }
            // Out of bounds is what a gateway logs and drops.
            ("add", Value::Array(items)) => {
                if let Some(index) = index().filter(|index| *index <= items.len()) {
                    items.insert(index, payload["value"].clone());
                }
            }
            ("remove", Value::Array(items)) => {
                if let Some(index) = index().filter(|index| *index < items.len()) {
                    items.remove(index);
                }
            }
            ("delete", _) => drop(self.resources.remove(query)),
            _ => {}
        }
    }
}

impl Cached {
    fn gets(&mut self) -> impl Iterator<Item = &mut Get> {
        let (first, second) = match self {
            Self::Asking { first, second } => (Some(first), second.as_mut()),
            Self::Value { asking_again, .. } => (None, asking_again.as_mut()),
        };
        first.into_iter().chain(second)
    }
}

fn is_not_found(answer: &Value) -> bool {
    answer["error"]["code"] == "system.notFound"
}

fn value_of(answer: &Value) -> Option<Value> {
    let result = &answer["result"];
    result.get("model").or_else(|| result.get("collection")).cloned()
}

/// Whether a pattern of `system.reset` takes a name.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = name.split('.');
    for wanted in pattern.split('.') {
        match (wanted, parts.next()) {
            (">", Some(_)) => return true,
            ("*", Some(_)) => {}
            (wanted, Some(part)) if wanted == part => {}
            _ => return false,
        }
    }
    parts.next().is_none()
}
