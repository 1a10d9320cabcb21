//! What can go wrong with a real program, said so that a person knows what to do next.

use std::{io, path::PathBuf, process::ExitStatus, time::Duration};

/// A program that is neither here nor could be had.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{what} is missing: {why}\n  to get it: {how}")]
pub struct Missing {
    /// The program.
    pub what: String,
    /// What was tried and how it failed.
    pub why: String,
    /// The command or step that gets it.
    pub how: String,
}

/// Why a program could not be started or used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The program cannot be had on this machine.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// Somebody else listens on the port that was asked for.
    #[error(
        "{program} cannot listen on 127.0.0.1:{port}: another program has this port; stop it or choose another port"
    )]
    PortTaken {
        /// The program that was to listen.
        program: String,
        /// The port asked for.
        port: u16,
    },
    /// The program ended before it was ready.
    #[error("{program} ended before it was ready ({status}); the last lines of {}:\n{last_lines}", log.display())]
    Ended {
        /// The program.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// Its log file.
        log: PathBuf,
        /// The end of its log.
        last_lines: String,
    },
    /// The program runs but did not become ready in time.
    #[error("{program} was not ready after {waited:?}: {last}; the last lines of {}:\n{last_lines}", log.display())]
    NotReady {
        /// The program.
        program: String,
        /// How long it had.
        waited: Duration,
        /// What the last look at it said.
        last: String,
        /// Its log file.
        log: PathBuf,
        /// The end of its log.
        last_lines: String,
    },
    /// The system refused a file or a process.
    #[error("cannot {what}: {source}")]
    System {
        /// What was being done, and to which file.
        what: String,
        /// The system's answer.
        source: io::Error,
    },
    /// Postgres refused a statement of the set-up.
    #[error("Postgres refused to {what}: {reason}")]
    Postgres {
        /// What was being done.
        what: String,
        /// Postgres's own words.
        reason: String,
    },
}

impl Error {
    /// For `map_err`: an error of the system with what was being done.
    pub(crate) fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> Error {
        let what = what.into();
        move |source| Error::System { what, source }
    }
}
