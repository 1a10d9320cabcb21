//! What has been seen lately, for a bounded time and in bounded memory.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Remembers ids for a time, or until twice as many as allowed came after them.
pub(crate) struct Recent {
    time: Duration,
    count_max: usize,
    halves: Mutex<Halves>,
}

/// Two sets, the older of which is forgotten as a whole: nothing is noted for each id but the id.
struct Halves {
    young: HashSet<u128, foldhash::fast::RandomState>,
    old: HashSet<u128, foldhash::fast::RandomState>,
    young_since: Instant,
}

impl Recent {
    /// An id is remembered for `time` at least, as long as no more than `count_max` others come in that time.
    pub(crate) fn new(time: Duration, count_max: usize) -> Self {
        let halves =
            Halves { young: HashSet::default(), old: HashSet::default(), young_since: Instant::now() };
        Self { time, count_max, halves: Mutex::new(halves) }
    }

    /// Notes an id; false if it is known already.
    pub(crate) fn note(&self, id: u128, now: Instant) -> bool {
        let mut halves = self.halves.lock().unwrap_or_else(PoisonError::into_inner);
        let age = now.saturating_duration_since(halves.young_since);
        if age >= self.time || halves.young.len() >= self.count_max {
            halves.old =
                if age >= self.time * 2 { HashSet::default() } else { std::mem::take(&mut halves.young) };
            halves.young = HashSet::default();
            halves.young_since = now;
        }
        !halves.old.contains(&id) && halves.young.insert(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn an_id_is_known_for_its_time_and_new_after_twice_that() {
        let (recent, start) = (Recent::new(SECOND, 100), Instant::now());
        assert!(recent.note(1, start) && !recent.note(1, start));
        assert!(recent.note(2, start + SECOND * 9 / 10));
        assert!(!recent.note(1, start + SECOND), "its time is not over for what came at the end of it");
        assert!(!recent.note(2, start + SECOND * 18 / 10), "nor for another");
        assert!(recent.note(1, start + SECOND * 2), "nobody sends it again so late");
        assert!(recent.note(2, start + SECOND * 9), "nor after a long silence");
    }

    #[test]
    fn no_more_than_twice_as_many_as_allowed_are_kept() {
        let (recent, start) = (Recent::new(SECOND, 10), Instant::now());
        for id in 0..1_000 {
            assert!(recent.note(id, start));
            let halves = recent.halves.lock().unwrap();
            assert!(halves.young.len() + halves.old.len() <= 20);
        }
        assert!(!recent.note(990, start), "the last ten are known however many came");
    }
}
