//! Numbers that one seed decides.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

thread_local! {
    static OF_THIS_HISTORY: RefCell<Option<Random>> = const { RefCell::new(None) };
}

/// The numbers of the history that runs on this thread, so that the library's own randomness is part of the seed.
pub(crate) fn of_this_history() -> Option<Random> {
    OF_THIS_HISTORY.with_borrow(Clone::clone)
}

/// Runs a history in virtual time, alone on this thread, with all randomness from one seed.
pub(crate) fn run<T>(seed: u64, history: impl AsyncFnOnce(Random) -> T) -> T {
    let random = Random::new(seed);
    OF_THIS_HISTORY.set(Some(random.clone()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let outcome = runtime.expect("a runtime without input and output").block_on(history(random));
    OF_THIS_HISTORY.set(None);
    outcome
}

#[derive(Clone)]
pub(crate) struct Random(Arc<AtomicU64>);

impl Random {
    fn new(seed: u64) -> Self {
        Self(Arc::new(AtomicU64::new(seed.wrapping_mul(0x2545_f491_4f6c_dd1d))))
    }

    pub(crate) fn number(&self) -> u64 {
        let state = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&self, end: u64) -> u64 {
        self.number() % end
    }

    pub(crate) fn index(&self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("an index")
    }

    pub(crate) fn is_one_in(&self, chance: u64) -> bool {
        self.below(chance) == 0
    }

    pub(crate) fn milliseconds(&self, max: u64) -> Duration {
        Duration::from_millis(self.below(max + 1))
    }

    pub(crate) async fn pause(&self, milliseconds_max: u64) {
        tokio::time::sleep(self.milliseconds(milliseconds_max)).await;
    }
}
