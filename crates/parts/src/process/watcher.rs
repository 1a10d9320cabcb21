//! Ends what this process started when this process itself is gone, even by `kill -9`.
//!
//! A small shell, in a process group of its own, holds the other end of a pipe. It is told which process groups
//! exist; the pipe closes when this process ends in whatever way, and then it ends those groups: by their own
//! stop signal first, by SIGKILL after three seconds. A signal on the parent's death, which Linux offers, would
//! not do: it comes when the *thread* that started the child ends, and test runtimes end theirs all the time.

use std::{
    io::Write,
    os::unix::process::CommandExt,
    path::Path,
    process::{ChildStdin, Command, Stdio},
    sync::{Mutex, PoisonError},
};

use nix::unistd::Pid;

use crate::Error;

const SCRIPT: &str = r#"
trap '' INT HUP TERM QUIT
groups=""
folders="$(mktemp)" || exit 1
while read -r verb group rest; do
  case "$verb" in
    add) groups="$groups $group:$rest" ;;
    del)
      left=""
      for entry in $groups; do [ "${entry%%:*}" = "$group" ] || left="$left $entry"; done
      groups=$left ;;
    discard) printf '%s\n' "$rest" >> "$folders" ;;
  esac
done
for entry in $groups; do
  kill -CONT "-${entry%%:*}" 2>/dev/null
  kill "-${entry#*:}" "-${entry%%:*}" 2>/dev/null
done
for step in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do
  alive=""
  for entry in $groups; do kill -0 "-${entry%%:*}" 2>/dev/null && alive=yes; done
  [ -z "$alive" ] && break
  sleep 0.1
done
for entry in $groups; do kill -KILL "-${entry%%:*}" 2>/dev/null; done
while read -r folder; do rm -rf -- "$folder"; done < "$folders"
rm -f -- "$folders"
"#;

static WATCHER: Mutex<Option<ChildStdin>> = Mutex::new(None);

/// From now on the group of `pid` is ended, by `signal` first, when this process is gone.
pub(super) fn watch_over(pid: Pid, signal: &str) -> Result<(), Error> {
    tell(&format!("add {pid} {signal}"))
}

/// The group is gone, its number may be used again.
pub(super) fn let_go(pid: Pid) {
    // A watcher that is gone watches nothing.
    let _ = tell(&format!("del {pid} -"));
}

/// Deletes `folder` and all in it when this process is gone, after the processes that use it. For what lives as long
/// as the process, such as a server that all tests of a program share.
pub fn discard_folder_with_this_process(folder: &Path) -> Result<(), Error> {
    tell(&format!("discard - {}", folder.display()))
}

fn tell(line: &str) -> Result<(), Error> {
    let mut watcher = WATCHER.lock().unwrap_or_else(PoisonError::into_inner);
    let pipe = match watcher.as_mut() {
        Some(pipe) => pipe,
        None => watcher.insert(start()?),
    };
    writeln!(pipe, "{line}").map_err(Error::system("tell the watcher of private processes"))
}

fn start() -> Result<ChildStdin, Error> {
    let error = || Error::system("start sh, which ends private processes when this one is gone");
    let mut child = Command::new("sh")
        .args(["-c", SCRIPT, "livehouse-watcher"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .current_dir("/")
        .process_group(0)
        .spawn()
        .map_err(error())?;
    child.stdin.take().ok_or_else(|| error()(std::io::ErrorKind::BrokenPipe.into()))
}
