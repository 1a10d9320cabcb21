//! Unequal waits, so that replicas that start together do not act together for ever.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// A random number. The standard library's hash keys are random per call, which is all the randomness needed here.
pub(crate) fn random() -> u64 {
    #[cfg(test)]
    if let Some(random) = crate::simulation::random::of_this_history() {
        return random.number();
    }
    RandomState::new().build_hasher().finish()
}

/// Between 80 and 120 per cent of a duration.
pub(crate) fn spread(duration: Duration) -> Duration {
    duration.mul_f64(0.8 + (random() % 1000) as f64 * 0.0004)
}
