//! A limit on how fast something goes out, with room for short bursts.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How far ahead of its even pace a burst may run.
const BURST: Duration = Duration::from_millis(100);

pub(crate) struct Pace {
    /// Time that one piece takes; `None` is without limit.
    each: Option<Duration>,
    /// When the next piece is due at an even pace.
    due: Mutex<Option<Instant>>,
}

impl Pace {
    pub(crate) fn new(per_second_max: u32) -> Self {
        Self {
            each: (per_second_max > 0).then(|| Duration::from_secs(1) / per_second_max),
            due: Mutex::default(),
        }
    }

    /// Takes the place of one piece; the answer is how long it must wait.
    pub(crate) fn reserve(&self) -> Option<Duration> {
        self.reserve_at(self.each?, Instant::now())
    }

    fn reserve_at(&self, each: Duration, now: Instant) -> Option<Duration> {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let at = due.map_or(now, |due| due.max(now));
        *due = Some(at + each);
        at.checked_duration_since(now + BURST).filter(|wait| !wait.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d11_a_burst_goes_out_at_once_and_the_rest_at_the_pace() {
        let pace = Pace::new(1000);
        let now = Instant::now();
        let reserve = |at: Instant| pace.reserve_at(Duration::from_millis(1), at);
        let waits: Vec<Option<Duration>> = (0..300).map(|_| reserve(now)).collect();
        assert!(waits[..=100].iter().all(Option::is_none), "a tenth of a second's worth does not wait");
        assert_eq!(waits[299], Some(Duration::from_millis(199)));
        assert_eq!(reserve(now + Duration::from_secs(1)), None, "after a pause there is room again");
        assert_eq!(Pace::new(0).reserve(), None);
    }
}
