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
        let Terms { fresh, stale_max, patience, failure } = self.terms;
        let kept = state.good.as_ref().filter(|(at, _)| at.elapsed() < stale_max).cloned();
        if let Some((at, kept)) = &kept
            && at.elapsed() < fresh
        {
            return Ok(kept.clone());
        }
        if state.failed_at.is_some_and(|at| at.elapsed() < failure) {
            return kept.map(|(_, kept)| kept).ok_or_else(|| anyhow::anyhow!("it failed a moment ago"));
        }
        let asked = match &kept {
            // Something can be shown: nobody waits long for something newer.
            Some(_) => tokio::time::timeout(patience, ask)
                .await
                .unwrap_or_else(|_| Err(anyhow::anyhow!("no answer within {patience:?}"))),
            None => ask.await,
        };
        match (asked, kept) {
            (Ok(answer), _) => {
                *state = State { good: Some((Instant::now(), answer.clone())), failed_at: None };
                Ok(answer)
            }
            (Err(error), kept) => {
                state.failed_at = Some(Instant::now());
                let Some((at, kept)) = kept else { return Err(error) };
                let (error, age) = (format!("{error:#}"), at.elapsed());
                tracing::warn!(error, ?age, "an older answer is shown, because no newer one came");
                Ok(kept)
            }
        }
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
    async fn without_a_good_answer_a_failure_is_a_failure_for_a_while() {
        let kept = Kept::<u32>::new(TERMS);
        kept.get(async { anyhow::bail!("broken by a test") }).await.unwrap_err();
        kept.get(async { Ok(1) }).await.unwrap_err();
        let brief = Kept::<u32>::new(Terms { failure: Duration::ZERO, ..TERMS });
        brief.get(async { anyhow::bail!("broken by a test") }).await.unwrap_err();
        assert_eq!(brief.get(async { Ok(1) }).await.unwrap(), 1);
    }
}
