//! What a person sees: one line per thing with its duration, colour only on a terminal.

use std::{
    future::Future,
    io::{IsTerminal, Write},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// Standard error as a place for progress. Standard output is left to results.
#[derive(Debug, Clone)]
pub(crate) struct Terminal {
    is_terminal: bool,
    colour: bool,
}

/// Colours by what they mean.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Paint {
    Good,
    Warn,
    Bad,
    Quiet,
    Strong,
}

impl Paint {
    /// `text` in this colour when `colour` is on.
    pub(crate) fn on(self, text: &str, colour: bool) -> String {
        let code = match self {
            Paint::Good => "32",
            Paint::Warn => "33",
            Paint::Bad => "31",
            Paint::Quiet => "2",
            Paint::Strong => "1",
        };
        if colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_string() }
    }
}

/// Whether colours are welcome on a stream that is (or is not) a terminal.
pub(crate) fn wants_colour(is_terminal: bool) -> bool {
    is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

impl Terminal {
    pub(crate) fn new() -> Terminal {
        let is_terminal = std::io::stderr().is_terminal();
        Terminal { is_terminal, colour: wants_colour(is_terminal) }
    }

    /// Does one thing and says it in one line: what, and how long it took. `Step::detail` says more meanwhile.
    pub(crate) async fn step<T, F>(&self, what: &str, work: impl FnOnce(Step) -> F) -> anyhow::Result<T>
    where
        F: Future<Output = anyhow::Result<T>>,
    {
        self.step_judged(what, work, |_| true).await
    }

    /// The same for work whose result says whether it went well.
    pub(crate) async fn step_judged<T, F>(
        &self,
        what: &str,
        work: impl FnOnce(Step) -> F,
        is_good: impl FnOnce(&T) -> bool,
    ) -> anyhow::Result<T>
    where
        F: Future<Output = anyhow::Result<T>>,
    {
        let started = Instant::now();
        let bar = if self.is_terminal { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}  {elapsed}") {
            bar.set_style(style);
        }
        bar.set_message(what.to_string());
        bar.enable_steady_tick(Duration::from_millis(120));
        let step = Step { what: what.to_string(), bar: bar.clone(), is_terminal: self.is_terminal };
        let done = work(step).await;
        bar.finish_and_clear();
        let took = Paint::Quiet.on(&duration(started.elapsed()), self.colour);
        match &done {
            Ok(done) if is_good(done) => {
                self.line(&format!("{} {what}  {took}", Paint::Good.on("✓", self.colour)))
            }
            _ => self.line(&format!("{} {what}  {took}", Paint::Bad.on("✗", self.colour))),
        }
        done
    }

    /// One line that is neither good nor bad.
    pub(crate) fn note(&self, text: &str) {
        self.line(&format!("{} {text}", Paint::Quiet.on("·", self.colour)));
    }

    /// One line about something that goes on, but not as it should.
    pub(crate) fn warn(&self, text: &str) {
        self.line(&format!("{} {text}", Paint::Warn.on("!", self.colour)));
    }

    /// Why it did not work, cause after cause.
    pub(crate) fn fail(&self, error: &anyhow::Error) {
        self.line(&format!("{} {error:#}", Paint::Bad.on("error:", self.colour)));
    }

    /// A line as it is.
    pub(crate) fn line(&self, text: &str) {
        // A closed terminal is no reason to stop a sale.
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }

    /// Whether this stream takes colours.
    pub(crate) fn colour(&self) -> bool {
        self.colour
    }
}

/// A thing that is being done.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    what: String,
    bar: ProgressBar,
    is_terminal: bool,
}

impl Step {
    /// What it is at. On a terminal it is shown beside the spinner and goes with it.
    pub(crate) fn detail(&self, text: &str) {
        let text: String = text.chars().take(100).collect();
        self.bar.set_message(format!("{}: {text}", self.what));
    }

    /// Why it takes time, for everybody: also where nobody sees a spinner.
    pub(crate) fn say(&self, text: &str) {
        self.bar.set_message(text.to_string());
        if !self.is_terminal {
            let _ = writeln!(std::io::stderr().lock(), "· {text}");
        }
    }
}

/// A duration as a person says it: `3 ms`, `1.2 s`, `2 min 5 s`.
pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match time.as_millis() {
        milliseconds @ 0..1000 => format!("{milliseconds} ms"),
        1000..60_000 => format!("{:.1} s", time.as_secs_f64()),
        _ => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

/// Writes one line to standard output; a reader that went away is no error.
pub(crate) fn print(line: &str) {
    let mut output = std::io::stdout().lock();
    let _ = writeln!(output, "{line}").and_then(|()| output.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        assert_eq!(duration(Duration::from_millis(3)), "3 ms");
        assert_eq!(duration(Duration::from_millis(1234)), "1.2 s");
        assert_eq!(duration(Duration::from_secs(125)), "2 min 5 s");
    }
}
