//! `cargo dev logs`: what the services and servers of a sale say, for people.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{IsTerminal, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::bail;
use livehouse_parts::Workspace;
use tokio::task::JoinHandle;

use crate::{
    cli::LogsOptions,
    signals::StopSignals,
    terminal::{print, wants_colour},
};

mod line;

use line::{Style, time_of};

/// How often the files are looked at while they are followed.
const LOOK_MILLISECONDS: u64 = 150;
/// Of a file that grows quicker than this between two looks, the middle is left out.
const BYTES_PER_LOOK_MAX: u64 = 4 * 1024 * 1024;
/// Where the last lines of a file are looked for.
const TAIL_BYTES_MAX: u64 = 1024 * 1024;

/// Shows the end of the logs, and what is added to them when asked to.
pub(crate) async fn run(options: LogsOptions) -> anyhow::Result<u8> {
    let mut signals = StopSignals::catch()?;
    let folder = Workspace::find().up().join("logs");
    let wanted = |name: &str| options.service.as_deref().is_none_or(|service| is_of(name, service));
    let mut follower = Follower::new(folder.clone());
    let mut lines = Vec::new();
    let mut names = follower.names();
    names.retain(|name| wanted(name));
    if names.is_empty() {
        match &options.service {
            Some(service) if !follower.names().is_empty() => {
                bail!("there is no log of {service}: there are {}", follower.names().join(", "))
            }
            _ => bail!("there are no logs in {}: start a sale with `cargo dev up`", folder.display()),
        }
    }
    for name in &names {
        lines.extend(follower.tail(name, options.lines));
    }
    // A stable sort: lines without a time of their own stay behind the line they follow.
    lines.sort_by(|one, other| one.time.cmp(&other.time));
    let style = Style::new(names.iter(), wants_colour(std::io::stdout().is_terminal()));
    let show = |line: &Line| {
        print(&if options.raw { line.text.clone() } else { style.show(&line.name, &line.text) })
    };
    lines.iter().for_each(show);
    if !options.follow {
        return Ok(0);
    }
    loop {
        tokio::select! {
            _ = signals.next() => return Ok(0),
            () = tokio::time::sleep(Duration::from_millis(LOOK_MILLISECONDS)) => {
                follower.fresh_lines().iter().filter(|line| wanted(&line.name)).for_each(show);
            }
        }
    }
}

/// Prints what the services say from now on. The servers are left out: they speak of themselves, not of the sale.
pub(crate) fn follow_in_background(folder: PathBuf) -> JoinHandle<()> {
    let mut follower = Follower::new(folder);
    let is_service =
        |name: &str| ["tickets", "orders", "identity", "site"].iter().any(|service| is_of(name, service));
    let names: Vec<String> = follower.names().into_iter().filter(|name| is_service(name)).collect();
    for name in follower.names() {
        follower.skip(&name);
    }
    let style = Style::new(names.iter(), wants_colour(std::io::stdout().is_terminal()));
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(LOOK_MILLISECONDS)).await;
            for line in follower.fresh_lines().iter().filter(|line| is_service(&line.name)) {
                print(&style.show(&line.name, &line.text));
            }
        }
    })
}

/// Whether a log of this name is the service's or one of its replicas'.
fn is_of(name: &str, service: &str) -> bool {
    let service = service.trim_start_matches("livehouse-");
    name == service || name.strip_prefix(service).is_some_and(|rest| rest.starts_with('-'))
}

/// One line of one log.
#[derive(Debug)]
struct Line {
    name: String,
    text: String,
    time: String,
}

/// Reads several growing files.
#[derive(Debug)]
struct Follower {
    folder: PathBuf,
    positions: BTreeMap<String, u64>,
}

impl Follower {
    fn new(folder: PathBuf) -> Follower {
        Follower { folder, positions: BTreeMap::new() }
    }

    /// The logs there are.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries
            .filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".log")?.to_string()))
            .collect();
        names.sort();
        names
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.log"))
    }

    /// The last lines of a log; what follows them is fresh.
    fn tail(&mut self, name: &str, lines: usize) -> Vec<Line> {
        let length = length_of(&self.path(name));
        let start = length.saturating_sub(TAIL_BYTES_MAX);
        self.positions.insert(name.to_string(), start);
        let mut all = self.fresh_lines_of(name);
        if start > 0 && !all.is_empty() {
            // The first one is the rest of a line.
            all.remove(0);
        }
        all.split_off(all.len().saturating_sub(lines))
    }

    /// What is in the log now is not fresh.
    fn skip(&mut self, name: &str) {
        self.positions.insert(name.to_string(), length_of(&self.path(name)));
    }

    /// All lines that were added since the last look.
    fn fresh_lines(&mut self) -> Vec<Line> {
        let names = self.names();
        let mut lines: Vec<Line> = names.iter().flat_map(|name| self.fresh_lines_of(name)).collect();
        lines.sort_by(|one, other| one.time.cmp(&other.time));
        lines
    }

    fn fresh_lines_of(&mut self, name: &str) -> Vec<Line> {
        let path = self.path(name);
        let position = self.positions.entry(name.to_string()).or_default();
        let length = length_of(&path);
        if length < *position {
            // Another file took its place.
            *position = 0;
        }
        if length - *position > BYTES_PER_LOOK_MAX {
            *position = length - BYTES_PER_LOOK_MAX;
        }
        let bytes = read_from(&path, *position).unwrap_or_default();
        // The rest of an unfinished line is read at the next look.
        let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') else { return Vec::new() };
        *position += end as u64 + 1;
        let mut time = String::new();
        String::from_utf8_lossy(&bytes[..end])
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(|text| {
                time = time_of(text).unwrap_or_else(|| time.clone());
                Line { name: name.to_string(), text: text.to_string(), time: time.clone() }
            })
            .collect()
    }
}

fn length_of(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |data| data.len())
}

fn read_from(path: &Path, position: u64) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(position))?;
    let mut bytes = Vec::new();
    file.take(BYTES_PER_LOOK_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Write;

    use super::*;

    #[test]
    fn a_service_names_all_its_replicas_and_no_other_service() {
        assert!(is_of("tickets-2", "tickets"));
        assert!(is_of("tickets-2", "tickets-2"));
        assert!(is_of("tickets-2", "livehouse-tickets"));
        assert!(!is_of("tickets-2", "ticket"));
        assert!(!is_of("orders-1", "tickets"));
    }

    #[test]
    fn a_followed_log_gives_each_whole_line_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = File::create(folder.path().join("site.log")).unwrap();
        let mut follower = Follower::new(folder.path().to_path_buf());
        let texts = |lines: Vec<Line>| lines.into_iter().map(|line| line.text).collect::<Vec<_>>();
        write!(file, "one\ntwo\nthr").unwrap();
        assert_eq!(texts(follower.fresh_lines()), ["one", "two"]);
        writeln!(file, "ee").unwrap();
        assert_eq!(texts(follower.fresh_lines()), ["three"]);
        assert!(follower.fresh_lines().is_empty());
        file.set_len(0).unwrap();
        file.rewind().unwrap();
        writeln!(file, "new").unwrap();
        assert_eq!(texts(follower.fresh_lines()), ["new"]);
        assert_eq!(texts(follower.tail("site", 1)), ["new"]);
    }
}
