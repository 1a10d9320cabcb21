//! `protocol`: what a request costs through `res-service`, beside a responder on bare async-nats and a service on
//! go-res that do the same work.
//!
//! Of changes there is a second one on bare async-nats: the first knows what it changes, as a handler of go-res does; the
//! second compares what was with what is, as `res-service` does.
//!
//! All run side by side on a nats-server of their own and take turns under one driver, whose own cost is in no
//! figure but the requests per second: there it takes its part of the processors, as nats-server does. What falls on
//! the machine meanwhile falls on all alike.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use livehouse_testkit::World;
use livehouse_testkit::parts::{Process, ProcessSpec};
use serde::{Deserialize, Serialize};
use tokio::process::Command;

mod programs;
mod table;

use programs::Programs;

/// Turns of each responder in each row: with fewer, a ratio moves by more than what it is to show. Odd, so that one of them
/// is the median.
const ROUNDS: usize = 15;
/// What is asked for.
const WORKLOADS: [&str; 3] = ["get", "call", CHANGE];
/// The one in which it matters how a change is found out.
const CHANGE: &str = "change";
/// Outstanding requests.
const CONCURRENCIES: [usize; 3] = [1, 64, 256];
/// The services of the responders. Names of one length, so that all say the same number of bytes.
const SERVICES: [&str; 4] = ["bench-a", "bench-b", "bench-c", "bench-d"];
const RAW: usize = 0;
const COMPARING: usize = 1;
const GO_RES: usize = 2;
const RES_SERVICE: usize = 3;
/// How long the driver may take beyond the load itself.
const DRIVER_TIME_MAX: Duration = Duration::from_secs(30);

/// What the driver measures in one turn.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Turn {
    requests: f64,
    seconds: f64,
    p50_microseconds: f64,
    p99_microseconds: f64,
    cpu_seconds: f64,
    resident_kilobytes: f64,
}

/// A responder in one row, by the median of its turns.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
struct Figures {
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    /// CPU time of the responder's process, in the program and in the kernel for it.
    cpu_microseconds_per_request: f64,
    resident_megabytes: f64,
}

/// `res-service` over another responder: the median of the rounds' own ratios, which the machine's moods touch least.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
struct Ratio {
    per_second: f64,
    cpu: f64,
}

/// One workload with so many outstanding requests.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    workload: &'static str,
    outstanding: usize,
    raw: Figures,
    /// Where it is another one.
    comparing: Option<Figures>,
    go_res: Figures,
    res_service: Figures,
    to_raw: Ratio,
    to_comparing: Option<Ratio>,
    to_go_res: Ratio,
}

/// The measurement.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Comparison {
    name: &'static str,
    rounds: usize,
    rows: Vec<Row>,
}

/// Runs the measurement; each responder has `seconds` in each row, over all rounds.
pub(crate) async fn measure(seconds: u64) -> anyhow::Result<Comparison> {
    let programs = Programs::build().await?;
    let world = World::builder().nats().start().await?;
    let broker = world.nats().url();
    let folder = world.folder();
    let responders = [
        responder(&programs.responder, &["raw", &broker, SERVICES[RAW]], folder)?,
        responder(&programs.responder, &["comparing", &broker, SERVICES[COMPARING]], folder)?,
        responder(&programs.service, &[&broker, SERVICES[GO_RES]], folder)?,
        responder(&programs.responder, &["service", &broker, SERVICES[RES_SERVICE]], folder)?,
    ];
    let names = &SERVICES.join(",");
    if let Err(error) = drive(&programs.driver, &["verify", "--broker", &broker, "--services", names]).await {
        let said = responders.iter().map(|responder| responder.last_lines(5)).collect::<Vec<_>>().join("\n");
        return Err(error.context(format!("the responders do not answer alike; they say:\n{said}")));
    }
    let turn_time = Duration::from_secs(seconds) / u32::try_from(ROUNDS)?;
    let rows: Vec<(&str, usize)> = WORKLOADS
        .iter()
        .flat_map(|workload| CONCURRENCIES.map(|outstanding| (*workload, outstanding)))
        .collect();
    let mut turns: Vec<[Vec<Turn>; SERVICES.len()]> = vec![Default::default(); rows.len()];
    for round in 0..ROUNDS {
        for (&(workload, outstanding), turns) in rows.iter().zip(&mut turns) {
            let takes_part = |at: &usize| *at != COMPARING || workload == CHANGE;
            let mut order: Vec<usize> = (0..responders.len()).filter(takes_part).collect();
            // None is always the first, or always after the same one.
            let first = round % order.len();
            order.rotate_left(first);
            if round % 2 == 1 {
                order.reverse();
            }
            for at in order {
                let load = Load { workload, outstanding, turn_time, broker: &broker };
                turns[at].push(load.turn(&programs.driver, SERVICES[at], responders[at].pid()).await?);
            }
        }
    }
    let rows =
        rows.iter().zip(&turns).map(|(&(workload, outstanding), turns)| row(workload, outstanding, turns));
    Ok(Comparison { name: "protocol", rounds: ROUNDS, rows: rows.collect() })
}

fn responder(program: &Path, arguments: &[&str], folder: &Path) -> anyhow::Result<Process> {
    let name = arguments.last().copied().unwrap_or_default();
    let spec = ProcessSpec::new(name, program, folder.join(format!("{name}.log")));
    Ok(Process::start(spec.arguments(arguments))?)
}

/// One turn to take.
struct Load<'a> {
    workload: &'a str,
    outstanding: usize,
    turn_time: Duration,
    broker: &'a str,
}

impl Load<'_> {
    async fn turn(&self, driver: &Path, service: &str, process: u32) -> anyhow::Result<Turn> {
        let (process, outstanding) = (process.to_string(), self.outstanding.to_string());
        let duration = format!("{}ms", self.turn_time.as_millis());
        let of_service = ["load", "--broker", self.broker, "--service", service, "--process", &process];
        let of_load = ["--workload", self.workload, "--concurrency", &outstanding, "--duration", &duration];
        let output = drive(driver, &[&of_service[..], &of_load[..]].concat()).await?;
        serde_json::from_str(&output).with_context(|| format!("the driver says {output:?}"))
    }
}

/// Runs the driver to its end; what it says.
async fn drive(driver: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    // No load lasts longer than a minute, as the options have it.
    let time_max = DRIVER_TIME_MAX + Duration::from_secs(60);
    let run = Command::new(driver).args(arguments).stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(time_max, run)
        .await
        .with_context(|| format!("the driver did not end within {time_max:?}"))?
        .context("cannot run the driver")?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    anyhow::ensure!(output.status.success(), "the driver failed: {}", text(&output.stderr));
    Ok(text(&output.stdout))
}

fn row(workload: &'static str, outstanding: usize, turns: &[Vec<Turn>; SERVICES.len()]) -> Row {
    let ours = &turns[RES_SERVICE];
    let comparing = Some(&turns[COMPARING]).filter(|turns| !turns.is_empty());
    Row {
        workload,
        outstanding,
        raw: figures(&turns[RAW]),
        comparing: comparing.map(|turns| figures(turns)),
        go_res: figures(&turns[GO_RES]),
        res_service: figures(ours),
        to_raw: ratio(ours, &turns[RAW]),
        to_comparing: comparing.map(|theirs| ratio(ours, theirs)),
        to_go_res: ratio(ours, &turns[GO_RES]),
    }
}

fn figures(turns: &[Turn]) -> Figures {
    let of = |figure: fn(&Turn) -> f64| median(turns.iter().map(figure));
    Figures {
        per_second: of(Turn::per_second),
        p50_ms: of(|turn| turn.p50_microseconds / 1e3),
        p99_ms: of(|turn| turn.p99_microseconds / 1e3),
        cpu_microseconds_per_request: of(Turn::cpu_microseconds),
        resident_megabytes: of(|turn| turn.resident_kilobytes / 1024.0),
    }
}

fn ratio(ours: &[Turn], theirs: &[Turn]) -> Ratio {
    let of = |figure: fn(&Turn) -> f64| {
        median(ours.iter().zip(theirs).map(|(ours, theirs)| figure(ours) / figure(theirs)))
    };
    Ratio { per_second: of(Turn::per_second), cpu: of(Turn::cpu_microseconds) }
}

impl Turn {
    fn per_second(&self) -> f64 {
        self.requests / self.seconds
    }

    fn cpu_microseconds(&self) -> f64 {
        self.cpu_seconds * 1e6 / self.requests
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
