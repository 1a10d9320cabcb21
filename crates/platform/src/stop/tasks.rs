//! Tasks that a process cannot do without.

use std::fmt::Display;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use livehouse_contract::metric;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::telemetry;

/// Tasks that run until the process stops. One that ends before, by a panic or because it gave up, leaves a process
/// that looks alive and does half its work: that is logged as an error and stops the whole process in order, so that
/// whoever supervises it starts it again.
#[derive(Debug, Clone)]
pub struct Tasks {
    stop: CancellationToken,
    /// Name of the first task that ended too early, and why.
    failed: Arc<Mutex<Option<String>>>,
}

/// What a task may answer at its end.
pub trait Outcome: Send + 'static {
    /// Why it ended, if it says so.
    fn reason(self) -> Option<String>;
}

impl Outcome for () {
    fn reason(self) -> Option<String> {
        None
    }
}

impl<E: Display + Send + 'static> Outcome for Result<(), E> {
    fn reason(self) -> Option<String> {
        self.err().map(|error| format!("{error:#}"))
    }
}

impl Tasks {
    /// Tasks of a process that ends with `stop`, which the end of a task cancels too.
    #[must_use]
    pub fn new(stop: CancellationToken) -> Self {
        Self { stop, failed: Arc::default() }
    }

    /// Runs a task that should end only after the stop. The answered handle ends with it and never fails.
    pub fn spawn<F>(&self, name: &'static str, task: F) -> JoinHandle<()>
    where
        F: Future<Output: Outcome> + Send + 'static,
    {
        telemetry::count(&metric::TASKS_FAILED, 0, &[telemetry::label("task", name)]);
        let tasks = self.clone();
        let running = tokio::spawn(task);
        tokio::spawn(async move {
            let reason = match running.await {
                Ok(outcome) => outcome.reason(),
                Err(error) => Some(error.to_string()),
            };
            tasks.ended(name, reason);
        })
    }

    /// The token that these tasks end with.
    #[must_use]
    pub const fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// An error if a task ended too early: what the process should end with.
    pub fn outcome(&self) -> anyhow::Result<()> {
        match self.failed.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            None => Ok(()),
            Some(failed) => anyhow::bail!("{failed}; the process has to be started again"),
        }
    }

    fn ended(&self, name: &'static str, reason: Option<String>) {
        let is_early = !self.stop.is_cancelled();
        if !is_early && reason.is_none() {
            return;
        }
        let reason = reason.unwrap_or_else(|| "it gave no reason".to_owned());
        tracing::error!(task = name, reason, is_early, "a task of this process ended by itself");
        telemetry::count(&metric::TASKS_FAILED, 1, &[telemetry::label("task", name)]);
        if is_early {
            self.failed
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get_or_insert_with(|| format!("the task '{name}' ended by itself: {reason}"));
            self.stop.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_stops_the_process_and_is_named() {
        let tasks = Tasks::new(CancellationToken::new());
        let stop = tasks.stop().clone();
        tasks.spawn("patient", async move { stop.cancelled().await });
        let broken = tasks.spawn("broken", async {
            assert!(std::env::args().count() == 0, "broken by a test");
        });
        tasks.stop().cancelled().await;
        broken.await.expect("the handle of a task never fails");
        let told = tasks.outcome().expect_err("nobody was told").to_string();
        assert!(told.contains("'broken'") && told.contains("broken by a test"), "{told}");
    }

    #[tokio::test]
    async fn a_task_that_gives_up_stops_the_process_and_one_that_ends_after_the_stop_is_no_failure() {
        let tasks = Tasks::new(CancellationToken::new());
        tasks.stop().cancel();
        tasks.spawn("patient", async { Ok::<(), std::io::Error>(()) }).await.expect("it ends");
        assert!(tasks.outcome().is_ok());
        let tasks = Tasks::new(CancellationToken::new());
        tasks.spawn("quitter", async { Err::<(), _>("no place") }).await.expect("it ends");
        assert!(tasks.stop().is_cancelled());
        assert!(tasks.outcome().is_err_and(|error| error.to_string().contains("no place")));
    }
}
