//! Thousands of histories of services, gateways and a broker in virtual time. Each is decided by its seed alone: a
//! failure prints the seed, and `RES_SEED=<seed>` runs that one again, exactly. `RES_SEEDS` says how many are run.

mod cache;
mod database;
mod designs;
mod gateway;
mod history;
pub(crate) mod network;
pub(crate) mod random;

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use designs::{Design, Shape};
use history::{History, Weather};

/// Histories of each kind, unless `RES_SEEDS` says otherwise.
const SEEDS: u64 = 1_000;
/// Histories in which a design that is known to go wrong has to do so.
const SEEDS_OF_DESIGNS: u64 = 300;

/// The seeds to run: the one that is to be seen again, or as many as are wanted.
fn seeds() -> Range<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    match number("RES_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("RES_SEEDS").unwrap_or(SEEDS),
    }
}

/// Runs one history for each seed on all processors; gives the seeds that went wrong, with the reason.
fn failures<E: Send>(seeds: Range<u64>, history: impl Fn(u64) -> Result<u64, E> + Sync) -> Vec<(u64, E)> {
    let (next, end) = (AtomicU64::new(seeds.start), seeds.end);
    let work = || {
        let mut failures = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return failures;
            }
            if let Err(reason) = history(seed) {
                failures.push((seed, reason));
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a history does not panic")).collect()
    })
}

fn run(seed: u64, weather: Weather) -> Result<u64, String> {
    random::run(seed, async |random| History::new(random, weather).await.run().await)
}

fn no_history_goes_wrong(weather: Weather) {
    let failures = failures(seeds(), |seed| run(seed, weather));
    let seeds: Vec<u64> = failures.iter().map(|(seed, _)| *seed).collect();
    assert!(failures.is_empty(), "seeds {seeds:?} went wrong; the first: {}", failures[0].1);
}

#[test]
fn without_failures_changes_alone_keep_every_gateway_right() {
    no_history_goes_wrong(Weather::Calm);
}

#[test]
fn slow_and_failing_reads_leave_no_gateway_wrong() {
    no_history_goes_wrong(Weather::Rain);
}

#[test]
fn connections_that_break_for_a_moment_leave_no_gateway_wrong() {
    no_history_goes_wrong(Weather::Wind);
}

#[test]
fn through_failovers_and_broken_connections_every_gateway_becomes_right() {
    no_history_goes_wrong(Weather::Storm);
}

#[test]
fn a_seed_replays_its_history_exactly() {
    for seed in 0..20 {
        assert_eq!(run(seed, Weather::Storm), run(seed, Weather::Storm), "seed {seed}");
    }
}

/// Guards the others: a gateway too kind to go wrong, or a network without races, would prove nothing.
#[test]
fn services_without_an_owner_go_wrong_as_they_are_known_to() {
    for (design, shape) in [
        (Design::CommitterPublishes, Shape::Model),
        (Design::CommitterPublishes, Shape::List),
        (Design::OrderedRelay, Shape::Model),
        (Design::OrderedRelay, Shape::List),
        (Design::RelayWithFence, Shape::List),
        (Design::ResetInsteadOfChange, Shape::Model),
        (Design::ResetInsteadOfChange, Shape::List),
        (Design::QuerySnapshots, Shape::List),
    ] {
        // Not the one seed of a replay: not each of them goes wrong.
        let wrong = failures(0..SEEDS_OF_DESIGNS, |seed| {
            random::run(seed, async |random| designs::run(random, design, shape).await)
        });
        assert!(!wrong.is_empty(), "{design:?} of {shape:?} never went wrong");
    }
}

#[test]
fn a_relay_with_a_fence_keeps_models_right() {
    let wrong = failures(seeds(), |seed| {
        random::run(seed, async |random| designs::run(random, Design::RelayWithFence, Shape::Model).await)
    });
    assert_eq!(wrong, [], "a fence mends lost changes of models");
}
