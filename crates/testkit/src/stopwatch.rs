//! Measuring a time on a machine that others use too.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// How often the stopwatch looks whether the machine runs.
const BEAT: Duration = Duration::from_millis(5);
/// A beat that is later than this was not held up by the machine's own work: with two cores and a dozen of busy
/// threads a thread that wakes up waits some milliseconds for its turn.
const LATE: Duration = Duration::from_millis(50);

/// Measures how long something takes by a clock that stops while the machine runs nothing.
///
/// A virtual machine whose host takes its processors away stands still for tenths of a second. A limit such as "seen
/// within a second" is about the service, so that time belongs to neither side: it is measured, and told apart. What
/// keeps the processors busy does count, whoever does it. Under a quota that stops all of its processes for longer than
/// a beat may be late, most of that time is counted as standstill, and a limit means less.
pub struct Stopwatch {
    started: Instant,
    stopped: Arc<AtomicBool>,
    pulse: Option<JoinHandle<Duration>>,
}

/// What a [`Stopwatch`] says.
#[derive(Debug, Clone, Copy)]
pub struct Took {
    /// While the machine ran.
    pub ran: Duration,
    /// While it stood still.
    pub stood_still: Duration,
}

impl Stopwatch {
    /// Measures from now on.
    pub fn start() -> Self {
        Self::start_at(Instant::now())
    }

    /// Measures from a moment on that may be still to come. When it is over already, the machine is taken to have run
    /// since.
    pub fn start_at(started: Instant) -> Self {
        let stopped = Arc::new(AtomicBool::new(false));
        let (seen, watched_from) = (Arc::clone(&stopped), started.max(Instant::now()));
        let pulse = thread::spawn(move || count_standstills(watched_from, &seen));
        Self { started, stopped, pulse: Some(pulse) }
    }

    /// Ends the measurement. Blocks for a beat, a few milliseconds, which are not counted, or until it began.
    pub fn stop(mut self) -> Took {
        let took = self.started.elapsed();
        self.stopped.store(true, Ordering::Relaxed);
        let stood_still = self.pulse.take().and_then(|pulse| pulse.join().ok()).unwrap_or_default().min(took);
        Took { ran: took - stood_still, stood_still }
    }
}

impl Drop for Stopwatch {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

/// Beats from a moment on until `stopped`, and adds up what came between beats.
#[expect(clippy::disallowed_methods, reason = "not a task of the runtime: this thread may wait")]
fn count_standstills(from: Instant, stopped: &AtomicBool) -> Duration {
    thread::sleep(from.saturating_duration_since(Instant::now()));
    let (mut last, mut stood_still) = (from, Duration::ZERO);
    while !stopped.load(Ordering::Relaxed) {
        thread::sleep(BEAT);
        let beat = last.elapsed();
        if beat > LATE {
            stood_still += beat - BEAT;
        }
        last += beat;
    }
    stood_still
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// What a host does to a machine, done to this process: nothing of it runs for so long.
    fn stand_still(seconds: &str) {
        let me = std::process::id();
        let script = format!("kill -STOP {me}; sleep {seconds}; kill -CONT {me}");
        assert!(Command::new("sh").args(["-c", &script]).status().unwrap().success());
    }

    #[test]
    fn a_standstill_is_told_apart_from_the_time_in_which_the_machine_ran() {
        let (all, watch) = (Instant::now(), Stopwatch::start());
        stand_still("0.3");
        let took = watch.stop();
        let all = all.elapsed();
        assert!(took.stood_still >= Duration::from_millis(250), "{took:?}");
        assert!(took.ran <= all - Duration::from_millis(250), "{took:?} of {all:?}");
    }

    #[test]
    fn what_was_over_before_anybody_watched_has_run() {
        let watch = Stopwatch::start_at(Instant::now() - Duration::from_secs(60));
        stand_still("0.3");
        let took = watch.stop();
        assert!(took.ran >= Duration::from_secs(59), "{took:?}");
        assert!(took.stood_still >= Duration::from_millis(250), "{took:?}");
    }
}
