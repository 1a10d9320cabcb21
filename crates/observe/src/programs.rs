//! The programs, started with the project's own configurations in which only addresses and folders are other ones.

use std::fs;
use std::path::{Path, PathBuf};

use livehouse_parts::{Error, Missing, Part, PortLease, Process, ProcessSpec, Workspace};

/// A program that was started. Dropping it ends it.
#[derive(Debug)]
pub struct Program {
    process: Process,
    ports: Vec<PortLease>,
}

impl Program {
    /// Its ports on 127.0.0.1, in the order in which they were asked for.
    #[must_use]
    pub fn port(&self, number: usize) -> u16 {
        self.ports[number].port()
    }

    /// Its process.
    #[must_use]
    pub const fn process(&self) -> &Process {
        &self.process
    }
}

/// A file of the project.
#[must_use]
pub fn file(path: &str) -> PathBuf {
    Workspace::find().root().join(path)
}

/// The text of a configuration of the project, with replacements, each of which must be needed.
///
/// # Panics
/// When the file cannot be read or does not hold what is to be replaced: the test knows another configuration.
#[must_use]
pub fn adapted(path: &str, replacements: &[(&str, &str)]) -> String {
    let mut text = fs::read_to_string(file(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    for (old, new) in replacements {
        assert!(text.contains(old), "{path} does not say '{old}' any more");
        text = text.replace(old, new);
    }
    text
}

/// The program of a part, built when it is not here.
///
/// # Errors
/// When it cannot be had; the message says what to do.
pub fn program(part: Part) -> Result<PathBuf, Missing> {
    #[allow(clippy::print_stderr)]
    Ok(part.ensure(&|line| eprintln!("{line}"))?.path)
}

/// Starts `part` in `folder` with so many ports. `arguments` writes its configuration for those ports and says how to start it.
///
/// # Errors
/// When the program cannot be had or started.
pub fn start(
    part: Part,
    folder: &Path,
    ports: usize,
    arguments: impl FnOnce(&[u16]) -> Vec<String>,
) -> Result<Program, Error> {
    let program = program(part).map_err(Error::Missing)?;
    let ports = (0..ports).map(|_| PortLease::any()).collect::<Result<Vec<_>, _>>()?;
    let numbers: Vec<u16> = ports.iter().map(PortLease::port).collect();
    let arguments = arguments(&numbers);
    let spec =
        ProcessSpec::new(part.name(), program, folder.join(format!("{part}.log"))).arguments(arguments);
    Ok(Program { process: Process::start(spec)?, ports })
}
