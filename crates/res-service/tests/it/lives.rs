//! The life of an owner when something in it goes wrong: hooks and leases that fail or panic, rounds that come late.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use res_service::{BoxError, Builder, Error, Get, Holding, KvLease, Lease, MemoryLease, Model, Resource};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::ownership::{TIME_TO_LIVE, Truth, by, owner_is, replica, start};
use crate::world::{PATIENCE, World, eventually};

const GET: &str = "get.test.event.1.section.s";

/// A lease whose rounds do something else first.
#[derive(Clone)]
struct Hindered<H> {
    lease: MemoryLease,
    hindrance: H,
}

impl<H, F> Lease for Hindered<H>
where
    H: Fn() -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send,
{
    async fn round(&self, replica: &str, keys: &[String]) -> Result<Vec<Holding>, BoxError> {
        (self.hindrance)().await;
        self.lease.round(replica, keys).await
    }

    async fn release(&self, replica: &str, keys: &[String]) -> Result<(), BoxError> {
        self.lease.release(replica, keys).await
    }

    fn time_to_live(&self) -> Duration {
        self.lease.time_to_live()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hook_that_panics_is_tried_again_like_one_that_fails() {
    let world = World::new().await;
    let times = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&times);
    let lease = MemoryLease::new(Duration::from_secs(20));
    let builder = replica("a", &Truth::default()).lease(lease).on_acquired(move |_| {
        let time = counted.fetch_add(1, Ordering::SeqCst);
        assert!(time != 0, "before it gives a future");
        async move {
            assert!(time != 1, "and within it");
            Ok(())
        }
    });
    let _service = start(&world, builder, &["event.1"]).await;
    assert_eq!(by(&world.ask(GET, "").await), "a");
    assert_eq!(times.load(Ordering::SeqCst), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_panics_is_asked_again() {
    let world = World::new().await;
    let times = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&times);
    let lease = Hindered {
        lease: MemoryLease::new(TIME_TO_LIVE),
        hindrance: move || {
            assert!(counted.fetch_add(1, Ordering::SeqCst) != 0, "the first time");
            std::future::ready(())
        },
    };
    let service = start(&world, replica("a", &Truth::default()).lease(lease), &["event.1"]).await;
    owner_is(&service, "event.1").await;
    assert!(service.statistics().lease_failures.get() >= 1);
}

/// What has to be loaded first would be "not found" before, and a gateway would delete it everywhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_lease_too_nothing_is_served_that_could_not_be_prepared() {
    let world = World::new().await;
    let is_up = Arc::new(AtomicBool::new(false));
    let (up, failures) = (Arc::clone(&is_up), Arc::new(AtomicU32::new(0)));
    let failed = Arc::clone(&failures);
    let builder = replica("a", &Truth::default()).on_acquired(move |_| {
        let answer = if up.load(Ordering::SeqCst) { Ok(()) } else { Err("the database is down".into()) };
        failed.fetch_add(u32::from(answer.is_err()), Ordering::SeqCst);
        async { answer }
    });
    let service = start(&world, builder, &["event.1"]).await;
    let tries = || failures.load(Ordering::SeqCst);
    eventually("all tries in a row have failed", tries, |tries| *tries >= 5).await;
    // A round in between changes nothing about that.
    service.own_keys(["event.1", "event.2"]).unwrap();
    let keys = || service.holdings().len();
    eventually("another key is owned", keys, |keys| *keys == 2).await;
    let mut asking = world.listen().await;
    asking.request(GET, "_INBOX.early", "").await;
    let early = asking.next_where(|subject| subject == "_INBOX.early").await;
    assert_eq!(early.1, "timeout:\"10000\"", "it waits");
    is_up.store(true, Ordering::SeqCst);
    let late = asking.next_where(|subject| subject == "_INBOX.early").await;
    assert_eq!(by(&serde_json::from_str(&late.1).unwrap()), "a");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_cannot_be_prepared_keeps_nobody_from_the_others() {
    let world = World::new().await;
    let lease = MemoryLease::new(TIME_TO_LIVE);
    let builder = replica("a", &Truth::default()).lease(lease).on_acquired(|key| async move {
        if key.key == "event.1" { Err("the database cannot be read".into()) } else { Ok(()) }
    });
    let service = start(&world, builder, &["event.1"]).await;
    let lost = || service.statistics().keys_lost.get();
    eventually("it is left to others", lost, |lost| *lost == 1).await;
    service.own_keys(["event.1", "event.2"]).unwrap();
    owner_is(&service, "event.2").await;
    assert_eq!(service.owns("event.1"), None, "that is still left to others");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_round_under_way_takes_nothing_back_that_a_stop_has_given_up() {
    let world = World::new().await;
    let gate = Arc::new(Semaphore::new(1_000));
    let inside = Arc::new(AtomicU32::new(0));
    let (entered, opened) = (Arc::clone(&inside), Arc::clone(&gate));
    let shared = MemoryLease::new(Duration::from_secs(20));
    let lease = Hindered {
        lease: shared.clone(),
        hindrance: move || {
            let (entered, gate) = (Arc::clone(&entered), Arc::clone(&opened));
            async move {
                entered.fetch_add(1, Ordering::SeqCst);
                gate.acquire().await.unwrap().forget();
                entered.fetch_sub(1, Ordering::SeqCst);
            }
        },
    };
    let service = start(&world, replica("a", &Truth::default()).lease(lease), &["event.1"]).await;
    owner_is(&service, "event.1").await;
    gate.forget_permits(1_000);
    service.own_keys(["event.1"]).unwrap();
    eventually("a round is under way", || inside.load(Ordering::SeqCst), |inside| *inside == 1).await;
    let stopping = tokio::spawn({
        let service = service.clone();
        async move { service.stop(PATIENCE).await }
    });
    let is_refused = || async { world.client.request("call.test.nothing.x", "".into()).await.is_err() };
    while !is_refused().await {}
    gate.add_permits(1_000);
    stopping.await.unwrap().unwrap();
    let holdings = shared.round("b", &["event.1".to_owned()]).await.unwrap();
    assert_eq!(holdings.iter().map(|holding| holding.holder.as_str()).collect::<Vec<_>>(), ["b"]);
    assert_eq!(service.owns("event.1"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_lease_a_key_that_is_no_longer_declared_is_asked_for_again() {
    let world = World::new().await;
    let service = start(&world, replica("a", &Truth::default()), &["event.1"]).await;
    let resets = || service.statistics().resets_published.get();
    eventually("the resets of the start are out", resets, |resets| *resets >= 2).await;
    world.ask(GET, "").await;
    let mut wire = world.listen().await;
    service.own_keys(Vec::<String>::new()).unwrap();
    let is_of_key =
        |(_, payload): &(String, String)| payload == r#"{"resources":["test.event.1.section.*"]}"#;
    while !is_of_key(&wire.next_where(|subject| subject == "system.reset").await) {}
    assert_eq!(by(&world.ask(GET, "").await), "a");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_which_nothing_can_be_told_is_asked_for_again() {
    let world = World::new().await;
    let lease = MemoryLease::new(Duration::from_secs(20));
    let builder = replica("a", &Truth::default())
        .lease(lease)
        .key_exists(|_| async { Err(Error::internal("the database is down")) });
    let _service = start(&world, builder, &[]).await;
    let mut wire = world.listen().await;
    assert_eq!(world.ask(GET, "").await["error"]["code"], "system.internalError");
    let (_, payload) = wire.next_where(|subject| subject == "system.reset").await;
    assert_eq!(payload, r#"{"resources":["test.event.1.section.s"]}"#);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_of_no_runtime_may_tell_another_owner_of_a_change() {
    let world = World::new().await;
    let (lease, truth) = (MemoryLease::new(Duration::from_secs(20)), Truth::default());
    let first = start(&world, replica("a", &truth).lease(lease.clone()), &["event.1"]).await;
    owner_is(&first, "event.1").await;
    let second = start(&world, replica("b", &truth).lease(lease), &["event.1"]).await;
    world.ask(GET, "").await;
    let mut wire = world.listen().await;
    truth.store(7, Ordering::SeqCst);
    let told = second.clone();
    let refresh = move || told.refresh("test.event.1.section.s").now_or_never();
    std::thread::spawn(refresh).join().unwrap().expect("there is nothing to wait for").unwrap();
    let (_, payload) = wire.next_where(|subject| subject.starts_with("event.")).await;
    assert_eq!(payload, r#"{"values":{"seq":7}}"#);
    second.stop(PATIENCE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d01_e09_a_delete_anywhere_is_told_by_the_owner() {
    let world = World::new().await;
    let lease = MemoryLease::new(Duration::from_secs(20));
    let is_gone = Arc::new(AtomicBool::new(false));
    let builder = |replica: &str| {
        let is_gone = Arc::clone(&is_gone);
        let model = Resource::model("m", move |_: Get| {
            let is_gone = is_gone.load(Ordering::SeqCst);
            async move { if is_gone { Err(Error::NOT_FOUND) } else { Model::from_serialize(&json!({})) } }
        });
        Builder::new("test").replica(replica).lease(lease.clone()).resource(model)
    };
    let first = builder("a").start(world.connect().await).await.unwrap();
    owner_is(&first, "name.0").await;
    let second = builder("b").start(world.connect().await).await.unwrap();
    assert_eq!(world.ask("get.test.m", "").await, json!({"result": {"model": {}}}));
    let mut wire = world.listen().await;
    is_gone.store(true, Ordering::SeqCst);
    second.delete("test.m").await.unwrap();
    let (subject, _) = wire.next_where(|subject| subject.starts_with("event.")).await;
    assert_eq!(subject, "event.test.m.delete");
    assert_eq!(first.statistics().changes_published.get(), 1, "the owner said it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_changes_than_owners_can_be_told_of_become_resets_that_are_said_twice() {
    let world = World::new().await;
    let lease = MemoryLease::new(Duration::from_secs(20));
    // Somebody who never answers.
    lease.round("elsewhere", &["event.1".to_owned()]).await.unwrap();
    let builder = replica("a", &Truth::default()).lease(lease).queue_capacity(1);
    let service = start(&world, builder, &["event.1"]).await;
    let mut wire = world.listen().await;
    for section in ["a", "b", "c"] {
        service.refresh(format!("test.event.1.section.{section}")).await.unwrap();
    }
    let mut times: BTreeMap<String, u32> = BTreeMap::new();
    while times.len() < 2 || times.values().any(|times| *times < 2) {
        let (_, payload) = wire.next_where(|subject| subject == "system.reset").await;
        let patterns: Value = serde_json::from_str(&payload).unwrap();
        for name in patterns["resources"].as_array().unwrap() {
            *times.entry(name.as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    assert!(times.keys().eq(["test.event.1.section.b", "test.event.1.section.c"]), "{times:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_get_too_large_to_be_handed_on_is_refused_at_once() {
    let world = World::with("max_payload: 4096").await;
    let _service = start(&world, replica("a", &Truth::default()), &["event.1"]).await;
    let query = |bytes: usize| format!(r#"{{"query":"{}"}}"#, "x".repeat(bytes));
    assert_eq!(by(&world.ask(GET, query(1_900)).await), "a");
    assert_eq!(world.ask(GET, query(2_100)).await["error"]["code"], "system.invalidQuery");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_of_leases_that_somebody_deleted_is_begun_anew_when_all_has_run_out() {
    let world = World::new().await;
    let jetstream = async_nats::jetstream::new(world.connect().await);
    let lease = KvLease::new(&jetstream, "owners", TIME_TO_LIVE).await.unwrap();
    let other = KvLease::new(&jetstream, "owners", TIME_TO_LIVE).await.unwrap();
    let key = ["event.1".to_owned()];
    let epoch = lease.round("a", &key).await.unwrap()[0].epoch;
    jetstream.get_key_value("owners").await.unwrap().delete("table").await.unwrap();
    let refused = other.round("b", &key).await.expect_err("it may still be held");
    assert!(refused.to_string().contains("was deleted"), "{refused}");
    let taken: Arc<Mutex<Vec<Holding>>> = Arc::default();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while taken.lock().unwrap().is_empty() {
        match other.round("b", &key).await {
            Ok(holdings) => *taken.lock().unwrap() = holdings,
            Err(error) => {
                assert!(tokio::time::Instant::now() < deadline, "{error}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
    let taken = taken.lock().unwrap().clone();
    assert_eq!(taken[0].holder, "b");
    assert!(taken[0].epoch > epoch, "{taken:?}");
}

/// A lease whose replicas have a tenth of a second, where the replica `a` holds the keys for a minute.
async fn beside_one_that_holds_for_a_minute(
    world: &World,
    keys: &[String],
) -> (async_nats::jetstream::Context, KvLease) {
    let jetstream = async_nats::jetstream::new(world.connect().await);
    let long = KvLease::new(&jetstream, "owners", Duration::from_secs(60)).await.unwrap();
    let brief = KvLease::new(&jetstream, "owners", Duration::from_millis(100)).await.unwrap();
    long.round("a", keys).await.unwrap();
    (jetstream, brief)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_table_is_not_begun_anew_while_a_replica_with_more_time_may_act_on_it() {
    let world = World::new().await;
    let key = ["event.1".to_owned()];
    let (jetstream, brief) = beside_one_that_holds_for_a_minute(&world, &key).await;
    assert_eq!(brief.round("b", &key).await.unwrap()[0].holder, "a");
    jetstream.get_key_value("owners").await.unwrap().delete("table").await.unwrap();
    for _ in 0..10 {
        let refused = brief.round("b", &key).await.expect_err("it may be held for a minute");
        assert!(refused.to_string().contains("was deleted"), "{refused}");
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_is_given_its_own_time_to_live_by_others_who_have_less() {
    let world = World::new().await;
    let key = ["event.1".to_owned()];
    let (_, brief) = beside_one_that_holds_for_a_minute(&world, &key).await;
    for _ in 0..10 {
        let holdings = brief.round("b", &key).await.unwrap();
        assert_eq!(holdings[0].holder, "a", "it may act for a minute");
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_no_resource_has_are_not_waited_for() {
    let world = World::new().await;
    let service = start(&world, replica("a", &Truth::default()), &["event.1"]).await;
    for wrong in ["event.*", "event.>", "event", "event.1.2", "list.1", "name.0", ""] {
        let refused = service.own_keys(["event.2", wrong]).unwrap_err();
        let cause = std::error::Error::source(&refused).unwrap().to_string();
        assert!(cause.contains(&format!("{wrong:?}")), "{cause}");
    }
    let keys = || service.holdings().into_iter().map(|holding| holding.key).collect::<Vec<_>>();
    eventually("the first set is owned", keys, |keys| *keys == ["event.1"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn times_that_cannot_be_kept_are_refused_at_the_start() {
    let world = World::new().await;
    let model = || Resource::model("m", |_: Get| async { Model::from_serialize(&json!({})) });
    let builder = || Builder::new("test").resource(model());
    for (builder, what) in [
        (builder().request_timeout(Duration::MAX), "request_timeout"),
        (builder().handler_time_max(Duration::ZERO), "handler_time_max"),
        (builder().lease(MemoryLease::new(Duration::ZERO)), "time_to_live"),
        (builder().lease(MemoryLease::new(Duration::MAX)), "time_to_live"),
    ] {
        let refused = builder.start(world.connect().await).await.unwrap_err();
        assert!(refused.to_string().contains(what), "{refused}");
    }
}
