//! An answer that is asked for now and then and kept for everybody.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::anyhow;

/// How an answer is kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    /// It is asked for again at most this often.
    pub(super) fresh: Duration,
    /// An older one is shown for so long when a newer one does not come.
    pub(super) stale_max: Duration,
    /// How long somebody waits for a newer one before that.
    pub(super) patience: Duration,
    /// After a failure nobody asks for so long.
    pub(super) failure: Duration,
}

/// The last good answer to one question. One asks at a time, the others wait for what that brings.
pub(super) struct Kept<T> {
    terms: Terms,
    state: Mutex<State<T>>,
    asking: tokio::sync::Mutex<()>,
}

struct State<T> {
    good: Option<(Instant, T)>,
    failed_at: Option<Instant>,
    /// When somebody last had waited long enough. The answer may come for who waits longer.
    left_at: Option<Instant>,
}

impl<T: Clone> Kept<T> {
    /// Nothing known yet.
    pub(super) fn new(terms: Terms) -> Self {
        let state = Mutex::new(State { good: None, failed_at: None, left_at: None });
        Self { terms, state, asking: tokio::sync::Mutex::default() }
    }

    /// The answer: the kept one while it is fresh, else what `ask` brings, else the kept one if it is not too old. With
    /// one to show, nobody waits long for something newer, and nobody at all for a while after somebody did in vain.
    pub(super) async fn get(&self, ask: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
        let (kept, was_in_vain) = {
            let state = self.state();
            let is_recent = |at: Option<Instant>| at.is_some_and(|at| at.elapsed() < self.terms.failure);
            let kept = state.good.clone().filter(|(at, _)| at.elapsed() < self.terms.stale_max);
            (kept, is_recent(state.failed_at) || is_recent(state.left_at))
        };
        let Some((at, kept)) = kept else { return self.current(ask).await };
        if was_in_vain || at.elapsed() < self.terms.fresh {
            return Ok(kept);
        }
        let patience = self.terms.patience;
        let asked = tokio::time::timeout(patience, self.current(ask)).await.unwrap_or_else(|_| {
            self.state().left_at = Some(Instant::now());
            Err(anyhow!("no answer within {patience:?}"))
        });
        Ok(asked.unwrap_or_else(|error| {
            let (error, age) = (format!("{error:#}"), at.elapsed());
            tracing::warn!(error, ?age, "an older answer is shown, because no newer one came");
            kept
        }))
    }

    /// The answer for who would be misled by an older one: the kept one while it is fresh, else what `ask` brings.
    pub(super) async fn current(&self, ask: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
        let _one = self.asking.lock().await;
        // Somebody may have brought it meanwhile.
        {
            let state = self.state();
            if let Some((at, kept)) = &state.good
                && at.elapsed() < self.terms.fresh
            {
                return Ok(kept.clone());
            }
            if state.failed_at.is_some_and(|at| at.elapsed() < self.terms.failure) {
                return Err(anyhow!("it failed a moment ago"));
            }
        }
        let asked = ask.await;
        let mut state = self.state();
        match &asked {
            Ok(answer) => {
                *state =
                    State { good: Some((Instant::now(), answer.clone())), failed_at: None, left_at: None };
            }
            Err(_) => state.failed_at = Some(Instant::now()),
        }
        asked
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms {
        fresh: Duration::ZERO,
        stale_max: Duration::from_secs(60),
        patience: Duration::from_millis(50),
        failure: Duration::from_secs(60),
    };

    #[tokio::test]
    async fn a_slow_answer_shows_the_last_good_one_and_nobody_waits_for_it_again() {
        let kept = Kept::new(TERMS);
        assert_eq!(kept.get(async { Ok(1) }).await.unwrap(), 1);
        let started = Instant::now();
        assert_eq!(kept.get(std::future::pending()).await.unwrap(), 1);
        assert!(started.elapsed() < Duration::from_secs(5));
        assert_eq!(kept.get(async { panic!("it was asked again right after a failure") }).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn who_would_be_misled_by_an_older_answer_waits_for_a_newer_one() {
        let kept = Kept::new(TERMS);
        let slow = || async {
            tokio::time::sleep(TERMS.patience * 2).await;
            Ok(2)
        };
        assert_eq!(kept.get(async { Ok(1) }).await.unwrap(), 1);
        // On a stalled machine both times may be over when anybody looks; what never answers cannot come first.
        assert_eq!(kept.get(std::future::pending()).await.unwrap(), 1);
        assert_eq!(kept.current(slow()).await.unwrap(), 2);
        kept.current(async { anyhow::bail!("broken by a test") }).await.unwrap_err();
        assert_eq!(kept.get(async { panic!("it was asked again right after a failure") }).await.unwrap(), 2);
    }

    #[tokio::test]
    async fn who_can_be_shown_something_does_not_wait_for_who_waits_for_something_newer() {
        let kept = Kept::new(TERMS);
        assert_eq!(kept.get(async { Ok(1) }).await.unwrap(), 1);
        let waiting = kept.current(std::future::pending());
        let shown = tokio::time::timeout(Duration::from_secs(10), kept.get(async { Ok(2) }));
        tokio::select! {
            biased;
            _ = waiting => unreachable!("it waits for ever"),
            shown = shown => assert_eq!(shown.expect("it does not wait").unwrap(), 1),
        }
    }

    #[tokio::test]
    async fn without_a_good_answer_a_failure_is_a_failure_for_a_while() {
        let kept = Kept::<u32>::new(TERMS);
        kept.get(async { anyhow::bail!("broken by a test") }).await.unwrap_err();
        kept.get(async { Ok(1) }).await.unwrap_err();
        let brief = Kept::<u32>::new(Terms { failure: Duration::ZERO, ..TERMS });
        brief.get(async { anyhow::bail!("broken by a test") }).await.unwrap_err();
        assert_eq!(brief.get(async { Ok(1) }).await.unwrap(), 1);
    }
}
