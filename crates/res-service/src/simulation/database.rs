//! The truth: rows that are read slowly, and sometimes not at all.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::time::Instant;

use super::random::Random;
use crate::error::Error;

/// Rows of a history: few, so that much happens to each.
pub(crate) const ROWS: u64 = 9;
/// Keys that the rows belong to.
pub(crate) const KEYS: u64 = 2;

#[derive(Clone)]
pub(crate) struct Database {
    rows: Arc<Mutex<BTreeMap<String, Value>>>,
    absences: Arc<Mutex<Vec<Absence>>>,
    random: Random,
    pub(crate) failing: Arc<AtomicBool>,
    /// What a read takes at most, before and after.
    pub(crate) slow_milliseconds: u64,
    /// Whether some reads take longer than a lease lasts.
    pub(crate) stalls: bool,
}

/// A time in which a row did not exist.
struct Absence {
    name: String,
    since: Instant,
    until: Option<Instant>,
}

/// Kinds of resources, in turn.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Model,
    List,
    /// A collection that is asked with a query: those of its items that are even or odd.
    Search,
}

impl Kind {
    pub(crate) fn of(number: u64) -> Self {
        [Self::Model, Self::List, Self::Search][usize::try_from(number % 3).unwrap_or(0)]
    }

    fn part(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::List => "list",
            Self::Search => "search",
        }
    }

    fn empty(self) -> Value {
        match self {
            Self::Model => json!({"version": 0}),
            Self::List | Self::Search => json!([]),
        }
    }
}

/// The resource's name.
pub(crate) fn name(number: u64) -> String {
    format!("test.event.{}.{}.{number}", number % KEYS, Kind::of(number).part())
}

/// The resource ids under which a row can be seen, as normalised.
pub(crate) fn resource_ids(number: u64) -> Vec<String> {
    match Kind::of(number) {
        Kind::Search => ["even", "odd"].map(|query| format!("{}?{query}", name(number))).into(),
        _ => vec![name(number)],
    }
}

/// What of a search answers a query.
pub(crate) fn found(items: &Value, query: &str) -> Value {
    let parity = u64::from(query == "odd");
    let items = items.as_array().into_iter().flatten();
    items.filter(|item| item.as_u64().is_some_and(|item| item % 2 == parity)).cloned().collect()
}

impl Database {
    pub(crate) fn new(random: &Random) -> Self {
        let rows = (0..ROWS).map(|number| (name(number), Kind::of(number).empty())).collect();
        let (failing, slow_milliseconds, stalls) = (Arc::default(), 6, false);
        let (rows, absences) = (Arc::new(Mutex::new(rows)), Arc::default());
        Self { rows, absences, random: random.clone(), failing, slow_milliseconds, stalls }
    }

    /// Reads with a pause before and one after, so that what is read may be old when it is answered.
    pub(crate) async fn read(&self, name: &str) -> Result<Value, Error> {
        self.random.pause(self.slow_milliseconds).await;
        let row = self.rows().get(name).cloned();
        let failing = self.failing.load(Ordering::Relaxed) && self.random.is_one_in(3);
        let stalls = self.stalls && self.random.is_one_in(60);
        self.random.pause(if stalls { 4_000 } else { self.slow_milliseconds }).await;
        if failing { Err(Error::internal("the database is down")) } else { row.ok_or(Error::NOT_FOUND) }
    }

    /// One random change of a row; the answer is its name.
    pub(crate) fn write(&self, number: u64, may_delete: bool) -> String {
        let (name, random) = (name(number), &self.random);
        let mut rows = self.rows();
        match rows.get_mut(&name) {
            Some(_) if may_delete && random.is_one_in(12) => {
                rows.remove(&name);
                let absence = Absence { name: name.clone(), since: Instant::now(), until: None };
                self.absences().push(absence);
            }
            Some(Value::Object(model)) => {
                let version = model["version"].as_u64().unwrap_or(0) + 1;
                model.insert("version".to_owned(), json!(version));
                let seat = format!("seat{}", random.below(4));
                if model.remove(&seat).is_none() || random.is_one_in(2) {
                    model.insert(seat, json!(version));
                }
            }
            Some(Value::Array(items)) if !items.is_empty() && random.is_one_in(3) => {
                items.remove(random.index(items.len()));
            }
            Some(Value::Array(items)) => {
                items.insert(random.index(items.len() + 1), json!(random.below(1000)));
            }
            _ => {
                rows.insert(name.clone(), Kind::of(number).empty());
                let mut absences = self.absences();
                if let Some(last) = absences.iter_mut().rfind(|absence| absence.name == name) {
                    last.until = Some(Instant::now());
                }
            }
        }
        name
    }

    /// Whether a row did not exist at any moment of a time.
    pub(crate) fn was_absent(&self, name: &str, since: Instant, until: Instant) -> bool {
        let within = |absence: &Absence| {
            absence.name == name && absence.since <= until && absence.until.is_none_or(|end| end >= since)
        };
        self.absences().iter().any(within)
    }

    fn absences(&self) -> MutexGuard<'_, Vec<Absence>> {
        self.absences.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a gateway that has asked for everything must show.
    pub(crate) fn truth(&self) -> BTreeMap<String, Value> {
        let rows = self.rows();
        let mut truth = BTreeMap::new();
        for number in 0..ROWS {
            let Some(row) = rows.get(&name(number)) else { continue };
            for resource_id in resource_ids(number) {
                let value = match resource_id.split_once('?') {
                    Some((_, query)) => found(row, query),
                    None => row.clone(),
                };
                truth.insert(resource_id, value);
            }
        }
        truth
    }

    pub(crate) fn rows(&self) -> MutexGuard<'_, BTreeMap<String, Value>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
