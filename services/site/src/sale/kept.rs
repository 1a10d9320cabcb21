//! An answer that is asked for now and then and kept for everybody.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;

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
}

struct State<T> {
    good: Option<(Instant, T)>,
    failed_at: Option<Instant>,
}

impl<T: Clone> Kept<T> {
    /// Nothing known yet.
    pub(super) fn new(terms: Terms) -> Self {
        Self { terms, state: Mutex::new(State { good: None, failed_at: None }) }
    }

    /// The answer: the kept one while it is fresh, else what `ask` brings, else the kept one if it is not too old.
    pub(super) async fn get(&self, ask: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
        let mut state = self.state.lock().await;
        let kept = state.good.as_ref().filter(|(at, _)| at.elapsed() < self.terms.stale_max).cloned();
        let Some((at, kept)) = kept else { return self.newer(&mut state, ask).await };
        // Something can be shown: nobody waits long for something newer.
        let patience = self.terms.patience;
        let ask = async {
            tokio::time::timeout(patience, ask)
                .await
                .unwrap_or_else(|_| Err(anyhow::anyhow!("no answer within {patience:?}")))
        };
        let is_new_failure = !self.failed_lately(&state);
        match self.newer(&mut state, ask).await {
            Ok(answer) => Ok(answer),
            Err(error) => {
                if is_new_failure {
                    let (error, age) = (format!("{error:#}"), at.elapsed());
                    tracing::warn!(error, ?age, "an older answer is shown, because no newer one came");
                }
                Ok(kept)
            }
        }
    }

    /// The answer for who would be misled by an older one: the kept one while it is fresh, else what `ask` brings.
    pub(super) async fn current(&self, ask: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
        self.newer(&mut *self.state.lock().await, ask).await
    }

    async fn newer(
        &self,
        state: &mut State<T>,
        ask: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        if let Some((at, kept)) = &state.good
            && at.elapsed() < self.terms.fresh
        {
            return Ok(kept.clone());
        }
        anyhow::ensure!(!self.failed_lately(state), "it failed a moment ago");
        match ask.await {
            Ok(answer) => {
                *state = State { good: Some((Instant::now(), answer.clone())), failed_at: None };
                Ok(answer)
            }
            Err(error) => {
                state.failed_at = Some(Instant::now());
                Err(error)
            }
        }
    }

    fn failed_lately(&self, state: &State<T>) -> bool {
        state.failed_at.is_some_and(|at| at.elapsed() < self.terms.failure)
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
        let kept = Kept::new(Terms { failure: Duration::ZERO, ..TERMS });
        assert_eq!(kept.get(async { Ok(1) }).await.unwrap(), 1);
        let slow = async {
            tokio::time::sleep(TERMS.patience * 2).await;
            Ok(2)
        };
        assert_eq!(kept.current(slow).await.unwrap(), 2);
        kept.current(async { anyhow::bail!("broken by a test") }).await.unwrap_err();
        assert_eq!(kept.get(async { anyhow::bail!("broken by a test") }).await.unwrap(), 2);
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
