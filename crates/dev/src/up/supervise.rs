//! Starts again what ends by itself: a crashed service, a server, and Resgate, which ends by design without NATS.

use std::{
    process::ExitStatus,
    sync::Arc,
    time::{Duration, Instant},
};

use rand::Rng;
use tokio::{sync::mpsc, task::JoinSet};

use super::member::Member;
use crate::terminal::{Terminal, duration};

const PAUSE_MIN: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// After this long without trouble the next trouble is the first one again.
const HEALTHY_AFTER: Duration = Duration::from_secs(30);
/// Ends in a row, each soon after its start, before the sale is given up.
const FAILURES_MAX: u32 = 20;

/// What a supervised sale has to say.
#[derive(Debug)]
pub(crate) enum News {
    /// Something was started again: the file about the sale is to be written anew.
    StartedAgain,
    /// Something cannot be started any more.
    GivenUp(String),
}

/// Watches over all members until it is dropped.
#[derive(Debug)]
pub(crate) struct Supervision {
    tasks: JoinSet<()>,
    pub(crate) news: mpsc::Receiver<News>,
}

impl Supervision {
    pub(crate) fn of(members: &[Arc<dyn Member>], terminal: &Terminal) -> Supervision {
        let (sender, news) = mpsc::channel(64);
        let mut tasks = JoinSet::new();
        for member in members {
            tasks.spawn(watch_over(Arc::clone(member), sender.clone(), terminal.clone()));
        }
        Supervision { tasks, news }
    }

    /// Ends the watch, so that what is stopped on purpose stays stopped.
    pub(crate) async fn end(mut self) {
        self.tasks.shutdown().await;
    }
}

async fn watch_over(member: Arc<dyn Member>, news: mpsc::Sender<News>, terminal: Terminal) {
    let mut failures = 0;
    loop {
        let name = member.name();
        let watched_since = Instant::now();
        let status = member.process().ended().await;
        if watched_since.elapsed() > HEALTHY_AFTER {
            failures = 0;
        }
        let pause = pause_after(failures);
        let ending = ending(&name, status);
        terminal.warn(&format!("{name} {ending}; starting it again in {}", duration(pause)));
        tokio::time::sleep(pause).await;
        match member.start_again().await {
            Ok(()) => {
                terminal.note(&format!("{name} is up again"));
                // A sale that is ending does not listen any more.
                let _ = news.send(News::StartedAgain).await;
            }
            Err(error) => {
                // The error brings the end of a log with it; here its first line will do.
                let reason = format!("{error:#}");
                let reason = reason.lines().next().unwrap_or_default();
                terminal.warn(&format!("{name} did not start ({reason}); its log: cargo dev logs {name}"));
                // It may run without being of use, such as a gateway that found its port taken: the next try needs it gone.
                member.process().kill().await;
            }
        }
        failures += 1;
        if failures >= FAILURES_MAX {
            let _ = news.send(News::GivenUp(name)).await;
            return;
        }
    }
}

fn ending(name: &str, status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.signal(), status.code()) {
        (Some(9), _) => "was killed (signal 9: by a person, or by the system for lack of memory)".into(),
        (Some(signal), _) => format!("was ended by signal {signal}"),
        (None, _) if name == "resgate" => "ended, as it does when it loses NATS".into(),
        (None, Some(code)) => format!("ended with exit code {code}"),
        (None, None) => "ended".into(),
    }
}

fn pause_after(failures: u32) -> Duration {
    let longest = PAUSE_MIN.saturating_mul(2_u32.saturating_pow(failures)).min(PAUSE_MAX);
    // Not all at the same moment, when they all lost the same thing.
    longest.mul_f64(rand::rng().random_range(0.75..=1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_bounded() {
        assert!(pause_after(0) <= PAUSE_MIN);
        assert!(pause_after(3) > PAUSE_MIN);
        assert!(pause_after(40) <= PAUSE_MAX);
    }
}
