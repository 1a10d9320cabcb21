//! The rule of sharing that the leases of this crate follow, apart from where they keep their table.

use std::collections::{BTreeMap, BTreeSet};
#[cfg(feature = "kv-lease")]
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Holding;

/// Who holds what, and which replicas are there.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Table {
    /// Replica and the number of its last round: a number that stands still means a replica that is gone.
    pub(crate) replicas: BTreeMap<String, u64>,
    /// Key, holder and epoch.
    pub(crate) keys: BTreeMap<String, (String, u64)>,
    /// Epochs only grow, across all keys, so that none is used twice even if a key is forgotten and comes back.
    pub(crate) epoch: u64,
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

    /// The round of one replica: it takes free keys up to its fair share.
    pub(crate) fn round(&mut self, replica: &str, wanted: &[String]) -> Vec<Holding> {
        *self.replicas.entry(replica.to_owned()).or_default() += 1;
        let mut room = self.share(replica, wanted.len()).saturating_sub(self.held_by(replica).count());
        for key in wanted {
            if room == 0 {
                break;
            }
            if !self.keys.contains_key(key) {
                self.epoch += 1;
                self.keys.insert(key.clone(), (replica.to_owned(), self.epoch));
                room -= 1;
            }
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
        }
    }

    /// What a replica holds beyond its share while another has less than its own.
    pub(crate) fn surplus(&self, replica: &str) -> Vec<String> {
        let floor = self.keys.len() / self.replicas.len().max(1);
        let others_lack = self
            .replicas
            .keys()
            .filter(|other| *other != replica)
            .any(|other| self.held_by(other).count() < floor);
        if !others_lack {
            return Vec::new();
        }
        let share = self.share(replica, self.keys.len());
        self.held_by(replica).skip(share).cloned().collect()
    }

    fn held_by<'a>(&'a self, replica: &'a str) -> impl Iterator<Item = &'a String> {
        self.keys.iter().filter(move |(_, (holder, _))| holder == replica).map(|(key, _)| key)
    }

    /// An even part of `keys`, rounded up.
    fn share(&self, replica: &str, keys: usize) -> usize {
        let replicas = self.replicas.len() + usize::from(!self.replicas.contains_key(replica));
        keys.div_ceil(replicas)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(count: usize) -> Vec<String> {
        (0..count).map(|index| format!("key.{index}")).collect()
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
    fn an_epoch_is_never_used_twice() {
        let mut table = Table::default();
        let first = table.round("a", &keys(1))[0].epoch;
        table.forget(&BTreeSet::from(["a".to_owned()]));
        let second = table.round("b", &keys(1))[0].epoch;
        assert!(second > first);
    }
}
