//! The rule of sharing that the leases of this crate follow, apart from where they keep their table.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashSet};
#[cfg(feature = "kv-lease")]
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Holding;

/// Of so many free keys at a time it is noted, by replica, who has left them lying: a table with very many keys has to fit
/// into a message, also while a newcomer gets its share.
const PASSED_OVER_MAX: usize = 256;

/// Who holds what, and which replicas are there.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Table {
    /// Replica and the number of its last round: a number that stands still means a replica that is gone.
    pub(crate) replicas: BTreeMap<String, u64>,
    /// Key, holder and epoch.
    pub(crate) keys: BTreeMap<String, (String, u64)>,
    /// Epochs only grow, across all keys, so that none is used twice even if a key is forgotten and comes back.
    pub(crate) epoch: u64,
    /// Free keys that replicas have left lying in a round, and whether each would have taken it beyond its share.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) passed_over: BTreeMap<String, BTreeMap<String, bool>>,
    /// Keys that are held beyond the holder's share because all others had left them lying.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) beyond: BTreeSet<String>,
    /// For how long each replica takes its holdings to be good, in milliseconds.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) times_to_live: BTreeMap<String, u64>,
}

impl Table {
    /// Takes replicas out that are gone, with all they held.
    pub(crate) fn forget(&mut self, gone: &BTreeSet<String>) {
        self.replicas.retain(|replica, _| !gone.contains(replica));
        self.times_to_live.retain(|replica, _| !gone.contains(replica));
        self.keys.retain(|_, (holder, _)| !gone.contains(holder));
        for by in self.passed_over.values_mut() {
            by.retain(|replica, _| !gone.contains(replica));
        }
    }

    /// For how long a replica takes its holdings to be good, if it has said so.
    #[cfg(feature = "kv-lease")]
    pub(crate) fn time_to_live(&self, replica: &str) -> Option<Duration> {
        self.times_to_live.get(replica).copied().map(Duration::from_millis)
    }

    /// Notes for how long a replica takes its holdings to be good.
    #[cfg(feature = "kv-lease")]
    pub(crate) fn note_time_to_live(&mut self, replica: &str, time_to_live: Duration) {
        let milliseconds = u64::try_from(time_to_live.as_millis()).unwrap_or(u64::MAX);
        self.times_to_live.insert(replica.to_owned(), milliseconds);
    }

    /// The round of one replica: it takes free keys up to its fair share, and beyond that what every replica has left lying.
    /// One that could not prepare a key leaves it out of `wanted`, and has room in its share all the same: if the others
    /// kept to theirs, the key would stay free.
    pub(crate) fn round(&mut self, replica: &str, wanted: &[String]) -> Vec<Holding> {
        let rounds = self.replicas.entry(replica.to_owned()).or_default();
        *rounds = rounds.wrapping_add(1);
        let share = self.share(replica, wanted.len());
        let mut room = share.saturating_sub(self.held_by(replica).count());
        for key in wanted {
            if self.keys.contains_key(key) {
                continue;
            }
            let is_beyond = room == 0;
            if is_beyond && !self.is_left_by_all(key) {
                if self.passed_over.len() < PASSED_OVER_MAX || self.passed_over.contains_key(key) {
                    self.passed_over.entry(key.clone()).or_default().insert(replica.to_owned(), true);
                }
                continue;
            }
            self.epoch = self.epoch.saturating_add(1);
            self.keys.insert(key.clone(), (replica.to_owned(), self.epoch));
            self.passed_over.remove(key);
            if is_beyond {
                self.beyond.insert(key.clone());
            } else {
                room -= 1;
            }
        }
        if !self.passed_over.is_empty() || !self.beyond.is_empty() {
            self.note(replica, &wanted.iter().collect(), share, room);
        }
        let holding = |key: &String| {
            let (holder, epoch) = self.keys.get(key)?;
            Some(Holding { key: key.clone(), holder: holder.clone(), epoch: *epoch })
        };
        wanted.iter().filter_map(holding).collect()
    }

    /// Frees keys. A replica that gives back its last key is leaving, so it no longer counts in the shares.
    pub(crate) fn release(&mut self, replica: &str, keys: &[String]) {
        for key in keys {
            if self.keys.get(key).is_some_and(|(holder, _)| holder == replica) {
                self.keys.remove(key);
            }
        }
        if self.held_by(replica).next().is_none() {
            self.replicas.remove(replica);
            self.times_to_live.remove(replica);
            for by in self.passed_over.values_mut() {
                by.remove(replica);
            }
        }
    }

    /// Whether every replica has had a round since the key is free, and did not take it.
    fn is_left_by_all(&self, key: &str) -> bool {
        let left = |by: &BTreeMap<String, bool>| self.replicas.keys().all(|replica| by.contains_key(replica));
        self.passed_over.get(key).is_some_and(left)
    }

    /// Notes what the round of a replica says about keys that others have left lying, and about those that are held because
    /// of that.
    fn note(&mut self, replica: &str, wanted: &HashSet<&String>, share: usize, mut room: usize) {
        let keeps_to_its_share = self.held_by(replica).count() <= share;
        let Self { keys, passed_over, beyond, .. } = self;
        passed_over.retain(|key, by| {
            if !wanted.contains(key) {
                by.insert(replica.to_owned(), false);
            }
            !keys.contains_key(key) && by.values().any(|would_have_it| *would_have_it)
        });
        beyond.retain(|key| match keys.get(key) {
            None => false,
            Some((holder, _)) if holder == replica => !keeps_to_its_share,
            // It would take it now: whoever has too much may hand over again.
            Some(_) if room > 0 && wanted.contains(key) => {
                room -= 1;
                false
            }
            Some(_) => true,
        });
    }

    /// What a replica holds beyond its share while another has less than its own, and would take more. It keeps what it got
    /// last: that may be what the other could not prepare, and cannot still.
    pub(crate) fn surplus(&self, replica: &str) -> Vec<String> {
        let share = self.share(replica, self.keys.len());
        let mut others = self.replicas.keys().filter(|other| *other != replica);
        // What lies free here would not be taken either if there were more of it.
        let lies_free = self.passed_over.values().any(|by| by.get(replica).is_some_and(|wanted| *wanted));
        let all = self.held_by(replica).count();
        if lies_free || others.all(|other| self.held_by(other).count() + 1 >= all) {
            return Vec::new();
        }
        let mut held: Vec<(u64, &String)> = self
            .held_by(replica)
            .filter(|key| !self.beyond.contains(*key))
            .map(|key| (self.keys[key].1, key))
            .collect();
        held.sort_unstable_by_key(|(epoch, _)| Reverse(*epoch));
        held.into_iter().skip(share).map(|(_, key)| key.clone()).collect()
    }

    fn held_by<'a>(&'a self, replica: &'a str) -> impl Iterator<Item = &'a String> {
        self.keys.iter().filter(move |(_, (holder, _))| holder == replica).map(|(key, _)| key)
    }

    fn share(&self, replica: &str, keys: usize) -> usize {
        let others = self.replicas.keys().filter(|other| *other != replica);
        fair_share(keys, &others.map(|other| self.held_by(other).count()).collect::<Vec<_>>())
    }
}

/// How many of `keys` one replica should hold when the others hold so many each: an even part, and one more for as many
/// replicas as are needed so that nothing is left. For a [`Lease`](crate::Lease) of one's own; those of this crate share
/// by it too. What one replica cannot prepare has no taker by this rule alone: let others go beyond their share for keys that
/// nobody has taken for a while, and not hand them over soon for having too many.
///
/// ```
/// // Five keys, and another replica that has three of them: two are left for this one.
/// assert_eq!(res_service::fair_share(5, &[3]), 2);
/// // If the other has none yet, this one has the first choice.
/// assert_eq!(res_service::fair_share(5, &[0]), 3);
/// ```
#[must_use]
pub fn fair_share(keys: usize, held_by_others: &[usize]) -> usize {
    let replicas = held_by_others.len() + 1;
    let (part, left) = (keys / replicas, keys % replicas);
    let with_more = held_by_others.iter().filter(|held| **held > part).count();
    part + usize::from(with_more < left)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(count: usize) -> Vec<String> {
        (0..count).map(|index| format!("key.{index}")).collect()
    }

    /// One replica had all of four keys, another has come, and what is its share of them lies free.
    fn with_two_free_for_b() -> (Table, Vec<String>) {
        let (mut table, all) = (Table::default(), keys(4));
        table.round("a", &all);
        table.round("b", &all);
        table.release("a", &table.surplus("a"));
        (table, all)
    }

    #[test]
    fn a_newcomer_gets_its_share_by_what_the_others_surrender() {
        let mut table = Table::default();
        assert_eq!(table.round("a", &keys(5)).len(), 5);
        assert!(table.round("b", &keys(5)).iter().all(|holding| holding.holder == "a"));
        let surplus = table.surplus("a");
        assert_eq!(surplus.len(), 2);
        table.release("a", &surplus);
        let taken = table.round("b", &keys(5));
        assert_eq!(taken.iter().filter(|holding| holding.holder == "b").count(), 2);
        assert!(table.surplus("a").is_empty() && table.surplus("b").is_empty());
    }

    #[test]
    fn what_one_replica_leaves_out_is_taken_by_another_beyond_its_share_until_it_wants_it_again() {
        let (mut table, all) = (Table::default(), keys(10));
        table.round("a", &all[..5]);
        table.round("b", &all);
        assert_eq!((table.held_by("a").count(), table.held_by("b").count()), (5, 5));
        table.release("a", &all[3..4]);
        let rest: Vec<_> = all.iter().filter(|key| *key != "key.3").cloned().collect();
        table.round("a", &rest);
        table.round("b", &all);
        assert!(!table.keys.contains_key("key.3"), "the other might want it still");
        table.round("a", &rest);
        table.round("a", &rest);
        table.round("b", &all);
        assert_eq!(table.keys["key.3"].0, "b");
        // Nothing wanders to and fro while the other does not want it.
        for _ in 0..3 {
            assert!(table.surplus("a").is_empty() && table.surplus("b").is_empty());
            table.round("a", &rest);
            table.round("b", &all);
        }
        table.round("a", &all);
        let surplus = table.surplus("b");
        assert_eq!(surplus.len(), 1, "the shares are even again");
        table.release("b", &surplus);
        table.round("b", &all);
        table.round("a", &all);
        assert_eq!((table.held_by("a").count(), table.held_by("b").count()), (5, 5));
        assert!(table.passed_over.is_empty() && table.beyond.is_empty());
    }

    #[test]
    fn who_is_left_alone_holds_nothing_beyond_its_share() {
        let (mut table, all) = (Table::default(), keys(4));
        table.round("a", &all[..1]);
        for _ in 0..3 {
            table.round("b", &all);
            table.round("a", &all[..1]);
        }
        assert_eq!((table.held_by("b").count(), table.beyond.len()), (3, 1));
        table.forget(&BTreeSet::from(["a".to_owned()]));
        table.round("b", &all);
        assert!(table.beyond.is_empty());
        table.round("a", &all);
        assert_eq!(table.surplus("b").len(), 2);
    }

    #[test]
    fn what_is_free_for_the_others_is_left_to_them_and_forgotten_with_them() {
        let (mut table, all) = with_two_free_for_b();
        for _ in 0..10 {
            table.round("a", &all);
        }
        assert_eq!(table.held_by("a").count(), 2, "b has not had its round");
        table.forget(&BTreeSet::from(["b".to_owned()]));
        table.round("a", &all);
        assert_eq!(table.held_by("a").count(), 4);
        assert!(table.passed_over.is_empty());
    }

    #[test]
    fn notes_are_taken_of_some_keys_at_a_time_however_many_are_left_out() {
        let (mut table, all) = (Table::default(), keys(10 * PASSED_OVER_MAX));
        table.round("a", &all[..1]);
        for _ in 0..20 {
            table.round("b", &all);
            assert!(table.passed_over.len() <= PASSED_OVER_MAX);
            assert!(table.surplus("b").is_empty(), "nothing wanders while some lie free");
            table.round("a", &all[..1]);
        }
        assert_eq!(table.held_by("b").count(), all.len() - 1);
        assert!(table.passed_over.is_empty());
    }

    #[test]
    fn what_another_could_not_prepare_is_not_what_it_is_given_next() {
        let (mut table, all) = (Table::default(), keys(10));
        table.round("a", &all[5..]);
        table.round("b", &all);
        table.release("a", &all[9..]);
        for _ in 0..3 {
            table.round("a", &all[..9]);
            table.round("b", &all);
        }
        assert_eq!(table.keys["key.9"].0, "b");
        table.round("a", &all);
        assert_eq!(table.surplus("b"), ["key.0"]);
    }

    #[test]
    fn who_leaves_takes_its_notes_along() {
        let (mut table, all) = with_two_free_for_b();
        table.round("a", &all);
        assert_eq!(table.passed_over.len(), 2);
        table.release("a", &all);
        let rest: Vec<_> = all.iter().filter(|key| !table.passed_over.contains_key(*key)).cloned().collect();
        table.round("b", &rest);
        assert!(table.passed_over.is_empty(), "{:?}", table.passed_over);
    }

    #[test]
    fn a_third_replica_gets_something_of_what_two_share_evenly() {
        let (mut table, all) = (Table::default(), keys(4));
        for replica in ["a", "b", "c", "a", "b", "c"] {
            table.round(replica, &all);
            let surplus = table.surplus(replica);
            if !surplus.is_empty() {
                table.release(replica, &surplus);
            }
        }
        table.round("b", &all);
        table.round("c", &all);
        let held = ["a", "b", "c"].map(|replica| table.held_by(replica).count());
        assert!(held.iter().all(|count| (1..=2).contains(count)), "{held:?}");
    }

    #[test]
    fn shares_become_even_though_nobody_has_less_than_the_even_part_rounded_down() {
        let (mut table, all) = (Table::default(), keys(6));
        for (replica, held) in [("a", 0..1), ("b", 1..2), ("c", 2..3), ("d", 3..6)] {
            for key in &all[held] {
                table.keys.insert(key.clone(), (replica.to_owned(), 1));
            }
            table.replicas.insert(replica.to_owned(), 1);
        }
        assert_eq!(table.surplus("d").len(), 1);
    }

    #[test]
    fn what_nobody_wants_any_more_is_forgotten() {
        let (mut table, all) = with_two_free_for_b();
        table.round("a", &all);
        assert_eq!(table.passed_over.len(), 2);
        let held: Vec<String> = table.keys.keys().cloned().collect();
        table.round("a", &held);
        assert!(table.passed_over.is_empty());
    }

    #[test]
    fn an_epoch_is_never_used_twice() {
        let mut table = Table::default();
        let first = table.round("a", &keys(1))[0].epoch;
        table.forget(&BTreeSet::from(["a".to_owned()]));
        let second = table.round("b", &keys(1))[0].epoch;
        assert!(second > first);
    }
}
