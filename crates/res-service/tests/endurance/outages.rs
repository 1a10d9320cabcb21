//! What goes away hard, and comes back: NATS, a gateway, a replica.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::audit::{Watcher, all_right, caught_up, pushes, refusals, stays_right, violations};
use crate::gateway::Gateway;
use crate::load::{Load, Outcomes};
use crate::nats::{Broker, PATIENCE};
use crate::process::Replica;
use crate::service::Configuration;
use crate::truth::Truth;

const REPLICAS: u64 = 3;
const CLIENTS: u64 = 6;
const COUNTERS: u64 = 24;
const LISTS: u64 = 8;
const TIME_TO_LIVE: Duration = Duration::from_secs(2);
const GATEWAY_KILLS: u32 = 5;
/// How long the load runs before and after each accident.
const LOAD_TIME: Duration = Duration::from_millis(1500);
/// From the end of an accident until every client shows the truth. A gateway's question may have gone to who is no
/// more: it gives up after 3 s, and is asked to ask again a second later, or else after eleven.
const HEAL_TIME_MAX: Duration = Duration::from_secs(20);
/// A change at rest reaches every client within this.
const CHANGE_TIME_MAX: Duration = Duration::from_secs(5);

struct World {
    nats: Broker,
    truth: Truth,
    replicas: Vec<Replica>,
    gateway: Gateway,
    watchers: Arc<Vec<Watcher>>,
    load: Load,
}

impl World {
    /// Replicas, a gateway and clients, all right and under load.
    async fn start() -> Self {
        Self::start_with(Duration::from_secs(3)).await
    }

    /// The same with another time that the service takes for that of gateways: later resets come after it.
    async fn start_with(request_timeout: Duration) -> Self {
        let nats = Broker::start().await;
        let truth = Truth::start(COUNTERS, LISTS).await;
        let configuration = Configuration {
            truth: Some(truth.address()),
            lists: LISTS,
            time_to_live: Some(TIME_TO_LIVE),
            request_timeout,
            ..Configuration::new(nats.url())
        };
        let mut replicas = Vec::new();
        for _ in 0..REPLICAS {
            replicas.push(Replica::start(&configuration).await);
        }
        let gateway = Gateway::start(&nats.url(), &[]).await;
        let watcher = |_| Watcher::start(gateway.address(), truth.names());
        let watchers: Arc<Vec<Watcher>> = Arc::new((0..CLIENTS).map(watcher).collect());
        all_right(&truth, &watchers, PATIENCE).await;
        for replica in &mut replicas {
            replica.owns_something().await;
        }
        let load = Load::start(&truth, &watchers, COUNTERS);
        sleep(LOAD_TIME).await;
        Self { nats, truth, replicas, gateway, watchers, load }
    }

    /// Lets the load run on after an accident, and then every client must become right, and stay it. Gives the
    /// outcomes of the calls.
    async fn end(self, what: &str, since: Instant) -> Outcomes {
        caught_up(&self.truth, &self.watchers, HEAL_TIME_MAX.saturating_sub(since.elapsed())).await;
        let caught_up = since.elapsed();
        sleep(LOAD_TIME.saturating_sub(caught_up)).await;
        let outcomes = self.load.stop().await;
        let right = all_right(&self.truth, &self.watchers, HEAL_TIME_MAX).await;
        let change = stays_right(&self.truth, &self.watchers, CHANGE_TIME_MAX).await;
        eprintln!(
            "{what}: all {CLIENTS} clients caught up after {caught_up:?}, all right {right:?} after the load, a later \
             change within {change:?}; {} changes, {} pushes; calls: {} right (slowest {:?}), {} lost, refused {:?}; \
             subscriptions refused {:?}",
            self.truth.changes(),
            pushes(&self.watchers),
            outcomes.right,
            outcomes.slowest,
            outcomes.lost,
            outcomes.refused,
            refusals(&self.watchers),
        );
        assert_eq!(outcomes.wrong, Vec::<String>::new());
        assert!(outcomes.right > 0, "no call was answered");
        assert_eq!(violations(&self.watchers), Vec::<String>::new());
        outcomes
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_nats_is_killed_and_comes_back_every_client_becomes_right() {
    let mut world = World::start().await;
    world.nats.kill().await;
    let deadline = Instant::now() + PATIENCE;
    while !world.gateway.has_ended() {
        assert!(Instant::now() < deadline, "a gateway without NATS ends");
        sleep(Duration::from_millis(10)).await;
    }
    sleep(LOAD_TIME).await;
    world.nats.start_again().await;
    let returned = Instant::now();
    world.gateway.start_again().await.unwrap();
    let outcomes = world.end("NATS killed", returned).await;
    assert!(outcomes.lost > 0, "the clients had no gateway for a while");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_a_gateway_is_killed_and_comes_back_every_client_becomes_right() {
    // Nothing is wrong with the service, so nothing must need a later reset to become right.
    let mut world = World::start_with(Duration::from_secs(600)).await;
    let mut returned = Instant::now();
    for _ in 0..GATEWAY_KILLS {
        world.gateway.kill().await;
        sleep(Duration::from_millis(300)).await;
        returned = Instant::now();
        world.gateway.start_again().await.unwrap();
        caught_up(&world.truth, &world.watchers, HEAL_TIME_MAX).await;
    }
    let watchers = Arc::clone(&world.watchers);
    let outcomes = world.end("gateway killed for the last time", returned).await;
    assert!(outcomes.lost > 0, "the clients had no gateway for a while");
    assert!(outcomes.refused.is_empty(), "the service was there all the time: {:?}", outcomes.refused);
    assert!(refusals(&watchers).is_empty(), "the service was there all the time: {:?}", refusals(&watchers));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_a_replica_is_killed_the_others_take_over_and_no_client_is_told_that_anything_is_not_found() {
    let mut world = World::start().await;
    let mut killed = world.replicas.pop().unwrap();
    let owned = killed.owns_something().await;
    killed.kill().await;
    let gone = Instant::now();
    let watchers = Arc::clone(&world.watchers);
    let outcomes = world.end(&format!("owner of {owned} resources killed"), gone).await;
    nobody_heard_but_of_time(&outcomes, &watchers);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_freezes_is_replaced_and_does_no_harm_when_it_goes_on() {
    let mut world = World::start().await;
    let owned = world.replicas[0].owns_something().await;
    world.replicas[0].signal("STOP").await;
    sleep(2 * TIME_TO_LIVE).await;
    world.replicas[0].signal("CONT").await;
    let watchers = Arc::clone(&world.watchers);
    let thawed = Instant::now();
    let what = format!("owner of {owned} resources frozen for {:?}", 2 * TIME_TO_LIVE);
    let outcomes = world.end(&what, thawed).await;
    nobody_heard_but_of_time(&outcomes, &watchers);
}

/// A call that went to a replica that is dead or frozen is answered by the gateway, when it has waited long enough.
fn nobody_heard_but_of_time(outcomes: &Outcomes, watchers: &[Watcher]) {
    let codes: Vec<&String> = outcomes.refused.keys().filter(|code| *code != "system.timeout").collect();
    assert!(codes.is_empty(), "{:?}", outcomes.refused);
    assert!(refusals(watchers).is_empty(), "nobody had to subscribe again: {:?}", refusals(watchers));
    assert_eq!(outcomes.lost, 0);
}
