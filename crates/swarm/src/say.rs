//! What a person sees: one line per thing, on standard error.

use std::{
    future::Future,
    io::Write,
    time::{Duration, Instant},
};

/// A line as it is.
pub(crate) fn line(text: &str) {
    // A closed terminal is no reason to stop.
    let _closed = writeln!(std::io::stderr().lock(), "{text}");
}

/// Why it did not work, cause after cause.
pub(crate) fn fail(error: &anyhow::Error) {
    line(&format!("error: {error:#}"));
}

/// Does one thing, says that it begins and how long it took.
pub(crate) async fn step<T>(what: &str, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    line(&format!("· {what}"));
    let started = Instant::now();
    let done = work.await;
    let mark = if done.is_ok() { "✓" } else { "✗" };
    line(&format!("{mark} {what}  {}", duration(started.elapsed())));
    done
}

/// A duration as a person says it: `1.2 s`, `2 min 5 s`.
pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds < 60 {
        format!("{:.1} s", time.as_secs_f64())
    } else {
        format!("{} min {} s", seconds / 60, seconds % 60)
    }
}

/// One line on standard output: a result, for a script or a file.
pub(crate) fn print(text: &str) {
    let mut output = std::io::stdout().lock();
    let _closed = writeln!(output, "{text}").and_then(|()| output.flush());
}
