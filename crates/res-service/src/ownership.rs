//! What this replica owns at this moment, and who owns the rest.
//!
//! A *term* is one unbroken time of ownership of one key by this replica. Terms are numbered by this process alone and
//! never used twice: whatever was begun in one term may be finished only in that term.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use foldhash::HashMap;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::lease::Holding;
use crate::watched::Watched;

/// Number of one unbroken time of ownership.
pub(crate) type Term = u64;

/// The term of keys nobody has declared, in a service that owns everything.
const TERM_OF_EVERYTHING: Term = 0;

/// Where a key is owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// Here, and ready to be served.
    Here,
    /// Here, but the service is still preparing it.
    Preparing,
    /// By another replica.
    There(String),
    /// By nobody that is known of.
    Nobody,
}

pub(crate) struct Ownership {
    replica: String,
    /// One process owns everything, so that a key need not be declared to be served.
    everything: bool,
    /// How long before the end of a holding this replica stops using it: what it has just sent must be out by then.
    margin: Duration,
    wanted: Mutex<BTreeSet<String>>,
    of_names: Vec<String>,
    table: RwLock<Table>,
    /// How often terms have begun or ended: while it is the same, so are they, but for an end that was put off.
    turnovers: AtomicU64,
    version: Watched<u64>,
    /// Woken to ask the lease for a round at once.
    pub(crate) round_wanted: Notify,
}

#[derive(Default)]
struct Table {
    held: HashMap<String, Held>,
    others: HashMap<String, Holding>,
    terms: Term,
}

struct Held {
    term: Term,
    epoch: u64,
    valid_until: Instant,
    ready: bool,
}

/// A term of a key that was ready to be served, and what tells without the table that it still lasts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ready {
    pub(crate) term: Term,
    /// When it ends if nothing happens; it may have been prolonged since.
    valid_until: Option<Instant>,
    turnovers: u64,
}

/// One step in the life of a key here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) key: String,
    pub(crate) epoch: u64,
    pub(crate) term: Term,
}

/// What a round changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) lost: Vec<Step>,
    pub(crate) acquired: Vec<Step>,
}

impl Ownership {
    pub(crate) fn new(
        replica: &str,
        everything: bool,
        time_to_live: Duration,
        of_names: Vec<String>,
    ) -> Self {
        Self {
            replica: replica.to_owned(),
            everything,
            margin: (time_to_live / 10).min(Duration::from_millis(500)),
            wanted: Mutex::default(),
            of_names,
            table: RwLock::default(),
            turnovers: AtomicU64::new(0),
            version: Watched::new(0),
            round_wanted: Notify::new(),
        }
    }

    /// Replaces the declared keys.
    pub(crate) fn want(&self, keys: BTreeSet<String>) {
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = keys;
        self.round_wanted.notify_one();
        self.changed();
    }

    /// All keys that somebody should own.
    pub(crate) fn wanted(&self) -> Vec<String> {
        let wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        wanted.iter().chain(&self.of_names).cloned().collect()
    }

    /// Whether a key is among those that somebody should own.
    pub(crate) fn is_wanted(&self, key: &str) -> bool {
        self.everything
            || self.wanted.lock().unwrap_or_else(PoisonError::into_inner).contains(key)
            || self.of_names.iter().any(|name| name == key)
    }

    /// The term of a key owned here by now, whether it is ready or not.
    pub(crate) fn term(&self, key: &str) -> Option<Term> {
        match self.read().held.get(key) {
            Some(held) => (Instant::now() < held.valid_until).then_some(held.term),
            None => self.everything.then_some(TERM_OF_EVERYTHING),
        }
    }

    /// The term of a key that is owned here and ready to be served.
    pub(crate) fn ready_term(&self, key: &str, now: Instant) -> Option<Ready> {
        let table = self.read();
        let turnovers = self.turnovers.load(Ordering::Acquire);
        match table.held.get(key) {
            Some(held) => (held.ready && now < held.valid_until).then_some(Ready {
                term: held.term,
                valid_until: Some(held.valid_until),
                turnovers,
            }),
            None => {
                self.everything.then_some(Ready { term: TERM_OF_EVERYTHING, valid_until: None, turnovers })
            }
        }
    }

    /// Whether the term that was found ready still lasts.
    pub(crate) fn still_lasts(&self, key: &str, ready: &Ready) -> bool {
        self.is_as_it_was(ready, Instant::now()) || self.lasts(key, ready.term)
    }

    /// Whether nothing has happened since the term was found ready that could have ended it, not even time.
    pub(crate) fn is_as_it_was(&self, ready: &Ready, now: Instant) -> bool {
        self.turnovers.load(Ordering::Acquire) == ready.turnovers
            && ready.valid_until.is_none_or(|end| now < end)
    }

    /// Whether that same term still lasts: asked before everything that is published for a key.
    pub(crate) fn lasts(&self, key: &str, term: Term) -> bool {
        self.term(key) == Some(term)
    }

    pub(crate) fn epoch(&self, key: &str) -> Option<u64> {
        let table = self.read();
        match table.held.get(key) {
            Some(held) => (Instant::now() < held.valid_until).then_some(held.epoch),
            None => self.everything.then_some(1),
        }
    }

    pub(crate) fn locate(&self, key: &str) -> Place {
        let table = self.read();
        match table.held.get(key) {
            Some(held) if Instant::now() >= held.valid_until => Place::Nobody,
            Some(held) if held.ready => Place::Here,
            Some(_) => Place::Preparing,
            None if self.everything => Place::Here,
            None => {
                table.others.get(key).map_or(Place::Nobody, |holding| Place::There(holding.holder.clone()))
            }
        }
    }

    /// Changes with every change of the table.
    pub(crate) fn version(&self) -> &Watched<u64> {
        &self.version
    }

    /// Takes the outcome of a round in.
    pub(crate) fn apply(&self, asked: Instant, time_to_live: Duration, holdings: Vec<Holding>) -> Changes {
        let mut changes = self.expire(Instant::now());
        let valid_until = asked + time_to_live - self.margin;
        let mut table = self.write();
        let Table { held, others, terms } = &mut *table;
        let mine: HashMap<&str, u64> = holdings
            .iter()
            .filter(|holding| holding.holder == self.replica)
            .map(|holding| (holding.key.as_str(), holding.epoch))
            .collect();
        let is_kept = |key: &str, now: &Held| mine.get(key) == Some(&now.epoch);
        let some_end = held.iter().any(|(key, now)| !is_kept(key, now));
        let some_begin = mine.keys().any(|key| !held.contains_key(*key));
        if some_end || some_begin {
            self.turn_over();
        }
        held.retain(|key, now| {
            let kept = is_kept(key, now);
            if !kept {
                changes.lost.push(Step { key: key.clone(), epoch: now.epoch, term: now.term });
            }
            kept
        });
        for (&key, &epoch) in &mine {
            if let Some(now) = held.get_mut(key) {
                now.valid_until = now.valid_until.max(valid_until);
                continue;
            }
            *terms += 1;
            held.insert(key.to_owned(), Held { term: *terms, epoch, valid_until, ready: false });
            changes.acquired.push(Step { key: key.to_owned(), epoch, term: *terms });
        }
        *others = holdings
            .into_iter()
            .filter(|holding| holding.holder != self.replica)
            .map(|holding| (holding.key.clone(), holding))
            .collect();
        drop(table);
        self.changed();
        changes
    }

    /// Ends the terms whose time has run out.
    pub(crate) fn expire(&self, now: Instant) -> Changes {
        self.end(|_, held| held.valid_until <= now)
    }

    /// Ends the terms of these keys.
    pub(crate) fn demote(&self, keys: &[String]) -> Changes {
        let keys: BTreeSet<&str> = keys.iter().map(String::as_str).collect();
        self.end(|key, _| keys.contains(key))
    }

    /// Ends one term, if it still lasts.
    pub(crate) fn demote_term(&self, term: Term) -> Changes {
        self.end(|_, held| held.term == term)
    }

    fn end(&self, ends: impl Fn(&str, &Held) -> bool) -> Changes {
        let mut changes = Changes::default();
        let mut table = self.write();
        if !table.held.iter().any(|(key, held)| ends(key, held)) {
            return changes;
        }
        self.turn_over();
        table.held.retain(|key, held| {
            let ends = ends(key, held);
            if ends {
                changes.lost.push(Step { key: key.clone(), epoch: held.epoch, term: held.term });
            }
            !ends
        });
        drop(table);
        self.changed();
        changes
    }

    /// Marks a key as prepared; false if its term has ended meanwhile.
    pub(crate) fn ready(&self, step: &Step) -> bool {
        let mut table = self.write();
        let ready = match table.held.get_mut(&step.key) {
            Some(held) if held.term == step.term => {
                held.ready = true;
                true
            }
            _ => false,
        };
        drop(table);
        self.changed();
        ready
    }

    /// Another replica says that a key is not its own: what the table said is out of date.
    pub(crate) fn doubt(&self, key: &str) {
        self.write().others.remove(key);
        self.round_wanted.notify_one();
    }

    /// The keys owned here.
    pub(crate) fn held(&self) -> Vec<String> {
        self.read().held.keys().cloned().collect()
    }

    /// The keys owned here that are not among these.
    pub(crate) fn unwanted(&self, keys: &[String]) -> Vec<String> {
        let keys: BTreeSet<&String> = keys.iter().collect();
        self.read().held.keys().filter(|key| !keys.contains(key)).cloned().collect()
    }

    /// When the next holding runs out.
    pub(crate) fn next_end(&self) -> Option<Instant> {
        self.read().held.values().map(|held| held.valid_until).min()
    }

    /// Everything known about who holds what.
    pub(crate) fn holdings(&self) -> Vec<Holding> {
        let table = self.read();
        let here = table.held.iter().map(|(key, held)| Holding {
            key: key.clone(),
            holder: self.replica.clone(),
            epoch: held.epoch,
        });
        let mut holdings: Vec<Holding> = here.chain(table.others.values().cloned()).collect();
        holdings.sort_by(|a, b| a.key.cmp(&b.key));
        holdings
    }

    fn changed(&self) {
        self.version.change(|version| version + 1);
    }

    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Terms begin or end, in the table that the caller has open for writing. Called before that is written: who sees the
    /// number of before has seen the table of before.
    fn turn_over(&self) {
        self.turnovers.fetch_add(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME_TO_LIVE: Duration = Duration::from_secs(10);

    fn holding(key: &str, holder: &str, epoch: u64) -> Holding {
        Holding { key: key.to_owned(), holder: holder.to_owned(), epoch }
    }

    #[test]
    fn a_holding_counts_from_when_the_round_was_asked_and_ends_by_itself() {
        let ownership = Ownership::new("a", false, TIME_TO_LIVE, Vec::new());
        let long_ago = Instant::now().checked_sub(TIME_TO_LIVE).expect("the machine runs longer than that");
        let changes = ownership.apply(long_ago, TIME_TO_LIVE, vec![holding("k", "a", 1)]);
        assert_eq!(changes.acquired.len(), 1);
        assert_eq!(ownership.term("k"), None, "a round that took its whole time gives nothing");
        assert_eq!(ownership.expire(Instant::now()).lost, changes.acquired);
    }

    #[test]
    fn what_is_regained_after_a_loss_is_a_new_term_even_in_the_same_epoch() {
        let ownership = Ownership::new("a", false, TIME_TO_LIVE, Vec::new());
        let first = ownership.apply(Instant::now(), TIME_TO_LIVE, vec![holding("k", "a", 1)]).acquired;
        assert_eq!(ownership.locate("k"), Place::Preparing);
        assert!(ownership.ready(&first[0]));
        assert_eq!(ownership.locate("k"), Place::Here);
        ownership.demote(&["k".to_owned()]);
        assert_eq!(ownership.locate("k"), Place::Nobody);
        let second = ownership.apply(Instant::now(), TIME_TO_LIVE, vec![holding("k", "a", 1)]).acquired;
        assert!(!ownership.lasts("k", first[0].term) && ownership.lasts("k", second[0].term));
        assert!(!ownership.ready(&first[0]), "what the first term prepared does not count for the second");
    }

    #[tokio::test(start_paused = true)]
    async fn a_term_that_was_ready_lasts_until_its_end_which_may_be_put_off() {
        let ownership = Ownership::new("a", false, TIME_TO_LIVE, Vec::new());
        let mine = || vec![holding("k", "a", 1)];
        let ready = || ownership.ready_term("k", Instant::now()).expect("it is ready");
        let acquired = ownership.apply(Instant::now(), TIME_TO_LIVE, mine()).acquired;
        assert!(ownership.ready_term("k", Instant::now()).is_none(), "it is being prepared");
        assert!(ownership.ready(&acquired[0]));
        let first = ready();
        assert!(ownership.still_lasts("k", &first));
        ownership.apply(Instant::now(), TIME_TO_LIVE, mine());
        assert!(ownership.still_lasts("k", &first), "it was put off");
        ownership.demote(&["k".to_owned()]);
        assert!(!ownership.still_lasts("k", &first));

        let again = ownership.apply(Instant::now(), TIME_TO_LIVE, mine()).acquired;
        assert!(ownership.ready(&again[0]));
        let second = ready();
        assert!(!ownership.still_lasts("k", &first) && ownership.still_lasts("k", &second));
        tokio::time::advance(TIME_TO_LIVE).await;
        assert!(!ownership.still_lasts("k", &second), "it is over by itself");
    }

    #[test]
    fn a_key_taken_by_another_is_lost_and_found_there() {
        let ownership = Ownership::new("a", false, TIME_TO_LIVE, Vec::new());
        let acquired = ownership.apply(Instant::now(), TIME_TO_LIVE, vec![holding("k", "a", 1)]).acquired;
        assert!(ownership.ready(&acquired[0]));
        let ready = ownership.ready_term("k", Instant::now()).expect("it is ready");
        let changes = ownership.apply(Instant::now(), TIME_TO_LIVE, vec![holding("k", "b", 2)]);
        assert_eq!((changes.lost.len(), changes.acquired.len()), (1, 0));
        assert!(!ownership.still_lasts("k", &ready));
        assert_eq!(ownership.locate("k"), Place::There("b".to_owned()));
        ownership.doubt("k");
        assert_eq!(ownership.locate("k"), Place::Nobody);
    }

    #[test]
    fn a_service_that_owns_everything_serves_undeclared_keys_but_prepares_declared_ones() {
        let ownership = Ownership::new("a", true, TIME_TO_LIVE, Vec::new());
        assert_eq!(ownership.locate("k"), Place::Here);
        let of_everything = ownership.ready_term("k", Instant::now()).expect("it is ready");
        let acquired = ownership.apply(Instant::now(), TIME_TO_LIVE, vec![holding("k", "a", 1)]).acquired;
        assert!(!ownership.still_lasts("k", &of_everything));
        assert_eq!(ownership.locate("k"), Place::Preparing);
        assert!(ownership.ready(&acquired[0]));
        assert_eq!((ownership.locate("k"), ownership.epoch("k")), (Place::Here, Some(1)));
    }
}
