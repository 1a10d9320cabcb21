//! Everything together for as long as wanted: nothing may grow, and at the end everybody shows the truth.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::audit::{Watcher, all_right, pushes, stays_right, violations};
use crate::client::{Client, Failure};
use crate::gateway::Gateway;
use crate::load::{Load, Outcomes, Random};
use crate::nats::{Broker, PATIENCE};
use crate::process::Replica;
use crate::service::Configuration;
use crate::truth::Truth;

/// Says how many seconds it takes.
const VARIABLE: &str = "RES_SOAK_SECONDS";
const SECONDS_DEFAULT: u64 = 20;
const REPLICAS: usize = 2;
const CLIENTS: usize = 5;
const COUNTERS: u64 = 24;
const LISTS: u64 = 8;
/// Visitors come and go; each looks at a few items of these.
const ITEMS: u64 = 20_000;
const ITEMS_OF_A_VISITOR: u64 = 10;
/// Fewer than are looked at in all, so that it becomes full, and more than gateways keep at a time (each for 5 s after
/// its last client has left).
const REMEMBERED_MAX: usize = 600;
const VISIT_PAUSE: Duration = Duration::from_millis(200);
const GATEWAY_KILLED_EVERY: Duration = Duration::from_secs(8);
const MEMORY_EVERY: Duration = Duration::from_millis(500);
/// How much the memory of a replica may grow between the first third and the last: a tenth, and this many KiB.
const NOISE: u64 = 4 * 1024;

/// What visitors and slow calls saw.
#[derive(Default)]
struct Visits {
    visitors: AtomicU64,
    slow_calls: AtomicU64,
    stopping: AtomicBool,
}

impl Visits {
    fn go_on(&self) -> bool {
        !self.stopping.load(Ordering::Relaxed)
    }
}

/// Clients that come, wait for what they want to see, and leave.
async fn visit(address: String, visits: Arc<Visits>, seed: u64) {
    let mut random = Random(seed);
    while visits.go_on() {
        let names: Vec<String> =
            (0..ITEMS_OF_A_VISITOR).map(|_| format!("endurance.item.{}", random.below(ITEMS))).collect();
        let visitor = Client::start(&address, names.clone());
        let deadline = Instant::now() + PATIENCE;
        while !names.iter().all(|name| visitor.view().resources.contains_key(name)) {
            assert!(
                Instant::now() < deadline,
                "a visitor does not see all of {names:?}: {:?}",
                visitor.view()
            );
            sleep(Duration::from_millis(20)).await;
        }
        let violations = std::mem::take(&mut visitor.view().violations);
        assert_eq!(violations, Vec::<String>::new());
        visits.visitors.fetch_add(1, Ordering::Relaxed);
        sleep(VISIT_PAUSE).await;
    }
}

/// Calls for which the gateway must be asked for patience.
async fn call_slowly(address: String, visits: Arc<Visits>) {
    let client = Client::start(&address, Vec::new());
    while visits.go_on() {
        match client.call("endurance.slow.1500.wait", Value::Null).await {
            Ok(took) => assert_eq!(took, 1500),
            // Its gateway was killed.
            Err(error) => assert_eq!(error, Failure::Lost),
        }
        visits.slow_calls.fetch_add(1, Ordering::Relaxed);
        sleep(Duration::from_millis(100)).await;
    }
}

/// Runs until the end, kills the gateway now and then, and gives what each replica had in use when warm, in KiB.
async fn samples(duration: Duration, gateway: &mut Gateway, replicas: &[Replica]) -> Vec<Vec<u64>> {
    let began = Instant::now();
    let warm = (duration / 5).min(Duration::from_secs(60));
    let mut killed = began;
    let mut samples = vec![Vec::new(); replicas.len()];
    while began.elapsed() < duration {
        if killed.elapsed() >= GATEWAY_KILLED_EVERY && began.elapsed() + GATEWAY_KILLED_EVERY / 2 < duration {
            gateway.kill().await;
            gateway.start_again().await.unwrap();
            killed = Instant::now();
        }
        if began.elapsed() >= warm {
            for (samples, replica) in samples.iter_mut().zip(replicas) {
                samples.push(replica.memory().await);
            }
        }
        sleep(MEMORY_EVERY).await;
    }
    samples
}

/// The mean of the first and of the last third.
fn thirds(samples: &[u64]) -> (u64, u64) {
    let third = samples.len() / 3;
    assert!(third > 0, "{VARIABLE} must be some seconds more: {samples:?}");
    let mean = |samples: &[u64]| samples.iter().sum::<u64>() / samples.len() as u64;
    (mean(&samples[..third]), mean(&samples[samples.len() - third..]))
}

fn report(began: Instant, truth: &Truth, watchers: &[Watcher], outcomes: &Outcomes, visits: &Visits) {
    eprintln!(
        "soak of {:?}: {} changes, {} pushes to {CLIENTS} clients; calls: {} right (slowest {:?}), {} lost, refused \
         {:?}; {} visitors, {} slow calls",
        began.elapsed(),
        truth.changes(),
        pushes(watchers),
        outcomes.right,
        outcomes.slowest,
        outcomes.lost,
        outcomes.refused,
        visits.visitors.load(Ordering::Relaxed),
        visits.slow_calls.load(Ordering::Relaxed),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_a_steady_load_memory_does_not_grow_and_in_the_end_every_client_shows_the_truth() {
    let seconds = std::env::var(VARIABLE).map_or(SECONDS_DEFAULT, |text| text.parse().expect(VARIABLE));
    let began = Instant::now();
    let nats = Broker::start().await;
    let truth = Truth::start(COUNTERS, LISTS).await;
    let configuration = Configuration {
        truth: Some(truth.address()),
        lists: LISTS,
        time_to_live: Some(Duration::from_secs(2)),
        remembered_max: REMEMBERED_MAX,
        ..Configuration::new(nats.url())
    };
    let mut replicas = Vec::new();
    for _ in 0..REPLICAS {
        replicas.push(Replica::start(&configuration).await);
    }
    let mut gateway = Gateway::start(&nats.url(), &[]).await;
    let watcher = |_| Watcher::start(gateway.address(), truth.names());
    let watchers: Arc<Vec<Watcher>> = Arc::new((0..CLIENTS).map(watcher).collect());
    all_right(&truth, &watchers, PATIENCE).await;

    let load = Load::start(&truth, &watchers, COUNTERS);
    let visits: Arc<Visits> = Arc::default();
    let address = || gateway.address().to_owned();
    let guests: [JoinHandle<()>; 3] = [
        tokio::spawn(visit(address(), Arc::clone(&visits), 7)),
        tokio::spawn(visit(address(), Arc::clone(&visits), 8)),
        tokio::spawn(call_slowly(address(), Arc::clone(&visits))),
    ];
    let samples = samples(Duration::from_secs(seconds), &mut gateway, &replicas).await;
    visits.stopping.store(true, Ordering::Relaxed);
    for guest in guests {
        guest.await.unwrap();
    }
    let outcomes = load.stop().await;
    report(began, &truth, &watchers, &outcomes, &visits);
    let right = all_right(&truth, &watchers, PATIENCE).await;
    let change = stays_right(&truth, &watchers, PATIENCE).await;
    eprintln!("soak: all clients right {right:?} after the load, a later change within {change:?}");
    assert_eq!(outcomes.wrong, Vec::<String>::new());
    assert!(outcomes.refused.is_empty(), "{:?}", outcomes.refused);
    assert_eq!(violations(&watchers), Vec::<String>::new());
    let mut given_up = 0;
    for (replica, samples) in replicas.iter_mut().zip(&samples) {
        let (first, last) = thirds(samples);
        let statistics = replica.statistics().await;
        eprintln!(
            "soak: memory of a replica {first} KiB in the first third, {last} KiB in the last; {statistics:?}"
        );
        assert!(last <= first + first / 10 + NOISE, "memory grew from {first} to {last} KiB: {samples:?}");
        given_up += statistics["remembered_evicted"];
        assert!(statistics["remembered"] <= REMEMBERED_MAX as u64, "{statistics:?}");
    }
    assert!(given_up > 0, "more was looked at than is remembered");
}
