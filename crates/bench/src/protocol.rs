//! `protocol`: what a request costs through `res-service`, beside a responder on bare async-nats and a service on
//! go-res that do the same work.
//!
//! There is a second one on bare async-nats: of changes the first knows what it changes, as a handler of go-res does; the
//! second compares what was with what is, as `res-service` does. Gets and calls are the same for both.
//!
//! All run side by side on a nats-server of their own and take short turns under one driver, whose own cost is in no
//! figure but the requests per second: there it takes its part of the processors, as nats-server does. What falls on
//! the machine meanwhile falls on all alike.
//!
//! Two processes of one program were seen to differ by a twelfth with one request outstanding, in the medians of fifteen turns
//! of each. So each round starts all responders anew, and turns are many. The first responder runs twice: others are compared
//! with both of its processes together, and how far they are from each other, over all rows, tells how far the other ratios
//! can be trusted.

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

/// Rounds, each with responders of its own. Odd, so that one of them is the median.
const ROUNDS: usize = 33;
/// Turns of each responder in each row of a round are a multiple of this: so many orders it takes until each has followed
/// each other one once.
const ORDERS: usize = SERVICES.len() - 1;
/// How long a turn is measured. The machine's moods last longer, so that they fall on all alike.
const TURN_TIME: Duration = Duration::from_millis(60);
/// How long a responder is busy before that: others ran meanwhile, and have the caches.
const WARM_UP: Duration = Duration::from_millis(20);
/// How long each responder is busy before the first turn of a round, with the most requests outstanding: memory is asked of
/// the system then.
const FIRST_TIME: Duration = Duration::from_millis(300);
/// What is asked for.
const WORKLOADS: [&str; 3] = ["get", "call", CHANGE];
/// The one of which there is most to do.
const CHANGE: &str = "change";
/// Outstanding requests.
const CONCURRENCIES: [usize; 3] = [1, 64, 256];
/// The services of the responders. Names of one length, so that all say the same number of bytes.
const SERVICES: [&str; 5] = ["bench-a", "bench-b", "bench-c", "bench-d", "bench-e"];
const RAW: usize = 0;
/// The same program as the first.
const AGAIN: usize = 1;
const COMPARING: usize = 2;
const GO_RES: usize = 3;
const RES_SERVICE: usize = 4;
/// How long the driver may take for a row of a round, which takes a tenth of that where most is asked for.
const DRIVER_TIME_MAX: Duration = Duration::from_secs(120);

/// What the driver measures in one turn, or in those of a round together.
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

/// A responder in one row, by the median of its rounds.
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

/// One responder over another: the median of the rounds' own ratios, which the machine's moods touch least.
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
    /// Of both processes of the first responder together, as in the ratio to it.
    raw: Figures,
    /// The first responder's second process over its first: what is measured where there is no difference.
    raw_to_itself: Ratio,
    comparing: Figures,
    go_res: Figures,
    res_service: Figures,
    to_raw: Ratio,
    to_comparing: Ratio,
    to_go_res: Ratio,
}

/// The measurement.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Comparison {
    name: &'static str,
    rounds: usize,
    /// Of each responder in each row of a round.
    turns: usize,
    rows: Vec<Row>,
}

/// Runs the measurement; each responder has about `seconds` in each row over all rounds, and at least four turns in each.
pub(crate) async fn measure(seconds: u64) -> anyhow::Result<Comparison> {
    let programs = Programs::build().await?;
    let world = World::builder().nats().start().await?;
    let broker = world.nats().url();
    let rows: Vec<(&'static str, usize)> = WORKLOADS
        .iter()
        .flat_map(|workload| CONCURRENCIES.map(|outstanding| (*workload, outstanding)))
        .collect();
    let all_turns = usize::try_from(Duration::from_secs(seconds).as_millis() / TURN_TIME.as_millis())?;
    let turns = (all_turns / ROUNDS / ORDERS).max(1) * ORDERS;
    let mut measured: Vec<[Vec<Turn>; SERVICES.len()]> = vec![Default::default(); rows.len()];
    for number in 0..ROUNDS {
        // What is measured goes to stdout, for people and scripts alike.
        eprintln!("· round {} of {ROUNDS}, of {turns} turns for each in each row", number + 1);
        let round = Round::start(&programs, &broker, world.folder()).await?;
        let order = order_of_turns(number, turns);
        for (&(workload, outstanding), rounds) in rows.iter().zip(&mut measured) {
            let load = Load { workload, outstanding, warm_up: WARM_UP, time: TURN_TIME };
            let taken = round.turns(load, &order).await?;
            for (at, rounds) in rounds.iter_mut().enumerate() {
                // The first turn of each only sees to it that none is the first.
                let own = order.iter().zip(&taken).skip(SERVICES.len()).filter(|(of, _)| **of == at);
                rounds.push(Turn::together(&own.map(|(_, turn)| *turn).collect::<Vec<_>>()));
            }
        }
        round.stop().await;
    }
    let rows = rows
        .iter()
        .zip(&measured)
        .map(|(&(workload, outstanding), rounds)| row(workload, outstanding, rounds));
    Ok(Comparison { name: "protocol", rounds: ROUNDS, turns, rows: rows.collect() })
}

/// In what order the turns of a round are taken: one of each to begin with, and then `turns` of each, in which each follows
/// each other one equally often. Their number is a prime, so that steps of any width come by all of them, and then to where
/// they began.
fn order_of_turns(number: usize, turns: usize) -> Vec<usize> {
    let count = SERVICES.len();
    let steps = (0..turns).map(|turn| 1 + turn % ORDERS);
    let taken = steps.flat_map(|step| (0..count).map(move |at| (number + at * step) % count));
    (0..count).map(|at| (number + at) % count).chain(taken).collect()
}

/// What is asked of a responder in one turn.
#[derive(Clone, Copy)]
struct Load {
    workload: &'static str,
    outstanding: usize,
    warm_up: Duration,
    time: Duration,
}

/// The responders of one round.
struct Round<'a> {
    driver: &'a Path,
    broker: &'a str,
    responders: [Process; SERVICES.len()],
}

impl<'a> Round<'a> {
    /// Starts the responders, sees that they answer alike, and has each of them busy for a moment.
    async fn start(programs: &'a Programs, broker: &'a str, folder: &Path) -> anyhow::Result<Self> {
        let start = |service: usize, program: &Path, kind: &[&str]| {
            let name = SERVICES[service];
            let spec = ProcessSpec::new(name, program, folder.join(format!("{name}.log")));
            Process::start(spec.arguments(kind.iter().chain(&[broker, name])))
        };
        let responders = [
            start(RAW, &programs.responder, &["raw"])?,
            start(AGAIN, &programs.responder, &["raw"])?,
            start(COMPARING, &programs.responder, &["comparing"])?,
            start(GO_RES, &programs.service, &[])?,
            start(RES_SERVICE, &programs.responder, &["service"])?,
        ];
        let round = Self { driver: &programs.driver, broker, responders };
        let services = SERVICES.join(",");
        let verified = drive(round.driver, &["verify", "--broker", broker, "--services", &services]).await;
        if let Err(error) = verified {
            let said = round.responders.iter().map(|responder| responder.last_lines(5));
            let said = said.collect::<Vec<_>>().join("\n");
            return Err(error.context(format!("the responders do not answer alike; they say:\n{said}")));
        }
        let [.., most] = CONCURRENCIES;
        let first = Load { workload: CHANGE, outstanding: most, warm_up: WARM_UP, time: FIRST_TIME };
        round.turns(first, &[RAW, AGAIN, COMPARING, GO_RES, RES_SERVICE]).await?;
        Ok(round)
    }

    /// Turns of the responders in this order, one after another.
    async fn turns(&self, load: Load, order: &[usize]) -> anyhow::Result<Vec<Turn>> {
        let processes = listed(self.responders.iter().map(Process::pid));
        let places = listed(order);
        let (services, outstanding) = (SERVICES.join(","), load.outstanding.to_string());
        let milliseconds = |time: Duration| format!("{}ms", time.as_millis());
        let (warm_up, duration) = (milliseconds(load.warm_up), milliseconds(load.time));
        let of_services = ["--broker", self.broker, "--services", &services, "--processes", &processes];
        let of_load = ["--workload", load.workload, "--concurrency", &outstanding, "--order", &places];
        let of_time = ["--warm-up", &warm_up, "--duration", &duration];
        let arguments = [&["load"], &of_services[..], &of_load[..], &of_time[..]].concat();
        let output = drive(self.driver, &arguments).await?;
        let turn = |line: &str| {
            serde_json::from_str(line).with_context(|| format!("the driver says {line:?} of a turn"))
        };
        let turns = output.lines().map(turn).collect::<anyhow::Result<Vec<Turn>>>()?;
        anyhow::ensure!(
            turns.len() == order.len(),
            "the driver took {} of {} turns",
            turns.len(),
            order.len()
        );
        Ok(turns)
    }

    async fn stop(self) {
        for responder in &self.responders {
            responder.kill().await;
        }
    }
}

fn listed<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(",")
}

/// Runs the driver to its end; what it says.
async fn drive(driver: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let run = Command::new(driver).args(arguments).stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(DRIVER_TIME_MAX, run)
        .await
        .with_context(|| format!("the driver did not end within {DRIVER_TIME_MAX:?}"))?
        .context("cannot run the driver")?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    anyhow::ensure!(output.status.success(), "the driver failed: {}", text(&output.stderr));
    Ok(text(&output.stdout))
}

fn row(workload: &'static str, outstanding: usize, rounds: &[Vec<Turn>; SERVICES.len()]) -> Row {
    let ours = &rounds[RES_SERVICE];
    let both = rounds[RAW].iter().zip(&rounds[AGAIN]);
    let raw: Vec<Turn> = both.map(|(first, second)| Turn::together(&[*first, *second])).collect();
    Row {
        workload,
        outstanding,
        raw: figures(&raw),
        raw_to_itself: ratio(&rounds[AGAIN], &rounds[RAW]),
        comparing: figures(&rounds[COMPARING]),
        go_res: figures(&rounds[GO_RES]),
        res_service: figures(ours),
        to_raw: ratio(ours, &raw),
        to_comparing: ratio(ours, &rounds[COMPARING]),
        to_go_res: ratio(ours, &rounds[GO_RES]),
    }
}

fn figures(rounds: &[Turn]) -> Figures {
    let of = |figure: fn(&Turn) -> f64| median(rounds.iter().map(figure));
    Figures {
        per_second: of(Turn::per_second),
        p50_ms: of(|round| round.p50_microseconds / 1e3),
        p99_ms: of(|round| round.p99_microseconds / 1e3),
        cpu_microseconds_per_request: of(Turn::cpu_microseconds),
        resident_megabytes: of(|round| round.resident_kilobytes / 1024.0),
    }
}

/// Of the rounds, in their order.
fn ratio(ours: &[Turn], theirs: &[Turn]) -> Ratio {
    let of = |figure: fn(&Turn) -> f64| {
        median(ours.iter().zip(theirs).map(|(ours, theirs)| figure(ours) / figure(theirs)))
    };
    Ratio { per_second: of(Turn::per_second), cpu: of(Turn::cpu_microseconds) }
}

impl Turn {
    /// The turns of a round as one, or what two processes of one program took in it.
    fn together(turns: &[Self]) -> Self {
        let sum = |figure: fn(&Self) -> f64| turns.iter().map(figure).sum();
        let middle = |figure: fn(&Self) -> f64| median(turns.iter().map(figure));
        Self {
            requests: sum(|turn| turn.requests),
            seconds: sum(|turn| turn.seconds),
            p50_microseconds: middle(|turn| turn.p50_microseconds),
            p99_microseconds: middle(|turn| turn.p99_microseconds),
            cpu_seconds: sum(|turn| turn.cpu_seconds),
            resident_kilobytes: middle(|turn| turn.resident_kilobytes),
        }
    }

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
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_follows_everybody_else_equally_often() {
        for (number, turns) in [(0, ORDERS), (1, 2 * ORDERS), (7, 4 * ORDERS)] {
            let order = order_of_turns(number, turns);
            assert_eq!(order.len(), SERVICES.len() * (1 + turns));
            let (beginning, taken) = order.split_at(SERVICES.len());
            assert!((0..SERVICES.len()).all(|at| beginning.contains(&at)), "one of each: {beginning:?}");
            let behind = taken.iter().cycle().skip(1);
            let pairs: Vec<(usize, usize)> = taken.iter().copied().zip(behind.copied()).collect();
            for one in 0..SERVICES.len() {
                for other in (0..SERVICES.len()).filter(|other| *other != one) {
                    let times = pairs.iter().filter(|pair| **pair == (one, other)).count();
                    assert_eq!(times, turns / ORDERS, "{other} after {one} in {order:?}");
                }
            }
        }
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        assert!((median([4.0, 1.0, 3.0, 2.0].into_iter()) - 2.5).abs() < f64::EPSILON);
        assert!((median([4.0, 1.0, 3.0].into_iter()) - 3.0).abs() < f64::EPSILON);
    }
}
