//! `cargo dev up`: a whole sale on this machine.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, bail};
use futures::future::join_all;
use livehouse_parts::{Part, PostgresServer, Workspace, free_bytes};
use serde_json::{Value, json};

use crate::{
    assemble,
    cli::UpOptions,
    logs,
    signals::StopSignals,
    terminal::{Paint, Terminal, print},
};

mod member;
mod ports;
pub(crate) mod sale;
pub(crate) mod state;
mod supervise;

use ports::Ports;
use sale::{Plan, Sale};
use state::{Lock, State};
use supervise::{News, Supervision};

pub(crate) use ports::USUAL as USUAL_PORTS;

const MEBIBYTE: u64 = 1024 * 1024;
/// With less room a database does not even start.
const DISK_BYTES_MIN: u64 = 256 * MEBIBYTE;
/// With less room it is time to say so.
const DISK_BYTES_LOW: u64 = 1024 * MEBIBYTE;
const DISK_LOOK_SECONDS: u64 = 15;
/// Logs larger than this are put aside when a sale starts.
const LOG_BYTES_MAX: u64 = 20 * MEBIBYTE;

/// Starts a sale, keeps it up, and stops it when it is told to.
pub(crate) async fn run(options: UpOptions, terminal: &Terminal) -> anyhow::Result<u8> {
    let workspace = Workspace::find();
    let mut signals = StopSignals::catch().context("cannot catch signals")?;
    check_plans(&options)?;
    let _lock = Lock::take(&workspace)?;
    // Dropping the start, when a signal comes first, ends what was started so far.
    let started = tokio::select! {
        started = start(&options, &workspace, terminal) => started,
        code = signals.next() => {
            terminal.note("stopped before the sale was up");
            State::delete(&workspace);
            return Ok(code);
        }
    };
    let sale = match started {
        Ok(sale) => sale,
        Err(error) => {
            State::delete(&workspace);
            return Err(error);
        }
    };
    announce(&options, &sale.state, terminal).await?;
    let done = attend(sale, &options, &workspace, terminal, &mut signals).await;
    State::delete(&workspace);
    done
}

async fn start(options: &UpOptions, workspace: &Workspace, terminal: &Terminal) -> anyhow::Result<Sale> {
    let orphans = State::end_orphans(workspace).await;
    if !orphans.is_empty() {
        terminal.note(&format!("ended what an interrupted run left behind: {}", orphans.join(", ")));
    }
    check_disk(&workspace.up(), terminal)?;
    if options.fresh {
        forget(workspace).context("cannot delete the data of the last sale")?;
        terminal.note("the data of the last sale is gone");
    }
    put_long_logs_aside(&workspace.up().join("logs"));
    let mut with_keydb = true;
    for part in Part::OF_A_SALE {
        match assemble::part(part, terminal).await {
            Ok(_) => {}
            Err(missing) if part == Part::KeyValueServer => {
                terminal.warn(&format!("{missing}\n  the sale goes on without it, degraded"));
                with_keydb = false;
            }
            Err(missing) => return Err(missing.into()),
        }
    }
    let dist = assemble::web(workspace, terminal).await?;
    let programs = assemble::services(workspace, options.release, terminal).await?;
    let plan = Plan {
        workspace,
        terminal,
        ports: Ports::choose(options.port, terminal)?,
        replicas: options.replicas,
        programs,
        dist,
        with_keydb,
        seating_plans: options.plan.clone(),
    };
    Sale::start(&plan).await
}

/// Says that the sale is up, to a person or to a script.
async fn announce(options: &UpOptions, state: &State, terminal: &Terminal) -> anyhow::Result<()> {
    let events = match events_of(state).await {
        Ok(events) => events,
        Err(error) => {
            terminal.warn(&format!("the gateway does not list the events: {error:#}"));
            Vec::new()
        }
    };
    if options.headless {
        let line = json!({
            "site": state.site,
            "resgate": state.resgate,
            "live": state.live,
            "nats": state.nats,
            "postgres": state.postgres,
            "databases": state.databases,
            "keydb": state.keydb,
            "events": events,
        });
        print(&line.to_string());
        return Ok(());
    }
    let strong = |text: &str| Paint::Strong.on(text, terminal.colour());
    terminal.line(&format!("\n{}\n", strong("Livehouse is up.")));
    let rows = [
        ("site", state.site.clone()),
        ("live", state.live.clone()),
        ("resources", format!("{}/api/tickets/events", state.resgate)),
        ("NATS", state.nats.clone()),
        ("Postgres", state.postgres.clone()),
        ("KeyDB", state.keydb.clone().unwrap_or_else(|| "none: degraded".into())),
    ];
    for (what, address) in rows {
        terminal.line(&format!("  {what:<10} {address}"));
    }
    let event = events.first().and_then(|event| event["name"].as_str()).unwrap_or("an event");
    terminal.line(&format!(
        "\nTry first: open {} in two windows, choose {event}, and take a seat: the other window shows it.\n\
         Then: `cargo dev audit` checks the sale, `cargo dev logs tickets` reads along, Ctrl-C stops everything.\n",
        strong(&state.site)
    ));
    open_browser(&state.site);
    Ok(())
}

/// The published events, as the gateway gives them to everybody.
async fn events_of(state: &State) -> anyhow::Result<Vec<Value>> {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).build()?;
    let answer = client.get(format!("{}/api/tickets/events", state.resgate)).send().await?;
    let status = answer.status();
    let body: Value = answer.json().await?;
    let Some(items) = body.as_array() else { bail!("it answered {status}: {body}") };
    Ok(items.iter().map(|item| item.get("model").cloned().unwrap_or_else(|| item.clone())).collect())
}

/// Keeps the sale up until a signal comes or something cannot be kept up, and stops it.
async fn attend(
    mut sale: Sale,
    options: &UpOptions,
    workspace: &Workspace,
    terminal: &Terminal,
    signals: &mut StopSignals,
) -> anyhow::Result<u8> {
    let mut supervision = Supervision::of(&sale.members(), terminal);
    let follow = (!options.headless).then(|| logs::follow_in_background(workspace.up().join("logs")));
    let mut look = tokio::time::interval(Duration::from_secs(DISK_LOOK_SECONDS));
    let mut disk_is_low = false;
    let outcome = loop {
        tokio::select! {
            // That is how a sale ends: no failure.
            _ = signals.next() => break Ok(0),
            news = supervision.news.recv() => match news {
                Some(News::StartedAgain) => {
                    if let Err(error) = sale.record(workspace) {
                        terminal.warn(&format!("{error:#}"));
                    }
                }
                Some(News::GivenUp(name)) => {
                    break Err(anyhow::anyhow!("{name} does not stay up; its log says why: cargo dev logs {name}"));
                }
                None => break Err(anyhow::anyhow!("nobody watches over the sale any more")),
            },
            _ = look.tick() => {
                let free = free_bytes(&workspace.up()).unwrap_or(u64::MAX);
                if free < DISK_BYTES_MIN && !disk_is_low {
                    terminal.warn(&format!("the disk is nearly full ({} MiB left): make room, or Postgres stops",
                        free / MEBIBYTE));
                }
                disk_is_low = free < DISK_BYTES_MIN;
            }
        }
    };
    if let Some(follow) = follow {
        follow.abort();
    }
    terminal.note("stopping the sale; once more Ctrl-C kills it");
    supervision.end().await;
    let members = sale.members();
    tokio::select! {
        () = sale.stop(terminal) => {}
        _ = signals.next() => {
            join_all(members.iter().map(|member| async { member.process().kill().await })).await;
            terminal.warn("killed");
        }
    }
    outcome
}

fn check_plans(options: &UpOptions) -> anyhow::Result<()> {
    for plan in &options.plan {
        fs::metadata(plan).with_context(|| format!("cannot read the seating plan {}", plan.display()))?;
    }
    Ok(())
}

fn check_disk(folder: &Path, terminal: &Terminal) -> anyhow::Result<()> {
    let free = free_bytes(folder).unwrap_or(u64::MAX);
    let left = format!("{} MiB left for {}", free / MEBIBYTE, folder.display());
    if free < DISK_BYTES_MIN {
        bail!("the disk is full ({left}): make room, at least {} MiB", DISK_BYTES_MIN / MEBIBYTE);
    }
    if free < DISK_BYTES_LOW {
        terminal.warn(&format!("the disk is nearly full ({left})"));
    }
    Ok(())
}

/// Deletes all data of the last sale, but not the lock this process holds.
fn forget(workspace: &Workspace) -> std::io::Result<()> {
    let up = workspace.up();
    for entry in fs::read_dir(&up)? {
        let entry = entry?;
        if entry.file_name() == "lock" {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?
        } else {
            fs::remove_file(entry.path())?
        }
    }
    let postgres = PostgresServer::place_for(&up.join("postgres"));
    if postgres.exists() { fs::remove_dir_all(postgres) } else { Ok(()) }
}

/// One old log of each is kept; nobody reads further back.
fn put_long_logs_aside(logs: &Path) {
    for entry in fs::read_dir(logs).into_iter().flatten().flatten() {
        let path = fs::canonicalize(entry.path()).unwrap_or_else(|_| entry.path());
        let is_long = fs::metadata(&path).is_ok_and(|data| data.len() > LOG_BYTES_MAX);
        if is_long && path.extension().is_some_and(|extension| extension == "log") {
            let _ = fs::rename(&path, path.with_extension("log.1"));
        }
    }
}

fn open_browser(url: &str) {
    let has_screen = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some());
    if cfg!(target_os = "linux") && !has_screen {
        return;
    }
    let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let quiet = std::process::Stdio::null;
    // Without a browser the address above is enough.
    let _ =
        std::process::Command::new(program).arg(url).stdin(quiet()).stdout(quiet()).stderr(quiet()).spawn();
}
