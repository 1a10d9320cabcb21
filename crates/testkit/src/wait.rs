//! Waiting for a condition instead of for a time.

use std::{
    future::Future,
    time::{Duration, Instant},
};

/// Asks again and again until the answer is `Ok`, and gives what it holds. `Err` is the state seen, for the message.
///
/// # Panics
/// When the deadline passes: with `what` and the last state.
pub async fn wait_until<T, F, A>(what: &str, deadline: Duration, ask: F) -> T
where
    F: FnMut() -> A,
    A: Future<Output = Result<T, String>>,
{
    match try_wait_until(what, deadline, ask).await {
        Ok(value) => value,
        Err(message) => panic!("{message}"),
    }
}

/// [`wait_until`] that gives the message instead of panicking.
pub async fn try_wait_until<T, F, A>(what: &str, deadline: Duration, mut ask: F) -> Result<T, String>
where
    F: FnMut() -> A,
    A: Future<Output = Result<T, String>>,
{
    let started = Instant::now();
    let mut last = String::from("nothing: not one answer came");
    let mut pause = Duration::from_millis(2);
    loop {
        let left = deadline.saturating_sub(started.elapsed());
        match tokio::time::timeout(left, ask()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(state)) => last = state,
            Err(_) => {}
        }
        // An answer that is there at once counts even after the deadline, so that is asked about by itself.
        if started.elapsed() >= deadline {
            return Err(format!("waited {deadline:?} for {what}; last seen: {last}"));
        }
        tokio::time::sleep(pause.min(deadline.saturating_sub(started.elapsed()))).await;
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn the_last_state_is_in_the_message() {
        let mut asked = 0;
        let message = try_wait_until::<(), _, _>("a free seat", Duration::from_millis(30), || {
            asked += 1;
            let state = format!("{asked} seats held");
            async { Err(state) }
        })
        .await
        .unwrap_err();
        assert!(message.contains("a free seat") && message.contains(" seats held"), "{message}");
    }

    #[tokio::test]
    async fn a_question_that_hangs_does_not_pass_the_deadline() {
        let started = Instant::now();
        let answer = try_wait_until::<(), _, _>("an answer", Duration::from_millis(30), std::future::pending);
        assert!(answer.await.is_err());
        assert!(started.elapsed() < Duration::from_secs(5));
    }
}
