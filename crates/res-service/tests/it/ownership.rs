//! Several replicas of one service: each resource has one owner, and what happens when it changes.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use res_service::{
    BoxError, Builder, Error, Get, Holding, KvLease, Lease, MemoryLease, Model, Resource, Service,
};
use serde_json::{Value, json};

use crate::world::{PATIENCE, World, eventually};

pub(crate) const TIME_TO_LIVE: Duration = Duration::from_millis(600);

/// A lease that one replica can be cut off from.
#[derive(Clone)]
struct Breakable {
    lease: MemoryLease,
    broken: Arc<AtomicBool>,
    /// How often a replica has said that it is no help.
    empty_releases: Arc<AtomicU32>,
}

impl Breakable {
    fn new(lease: &MemoryLease) -> Self {
        Self { lease: lease.clone(), broken: Arc::default(), empty_releases: Arc::default() }
    }
}

impl Lease for Breakable {
    async fn round(&self, replica: &str, keys: &[String]) -> Result<Vec<Holding>, BoxError> {
        if self.broken.load(Ordering::SeqCst) {
            return Err("cut off".into());
        }
        self.lease.round(replica, keys).await
    }

    async fn release(&self, replica: &str, keys: &[String]) -> Result<(), BoxError> {
        self.empty_releases.fetch_add(u32::from(keys.is_empty()), Ordering::SeqCst);
        self.lease.release(replica, keys).await
    }

    fn time_to_live(&self) -> Duration {
        self.lease.time_to_live()
    }

    async fn surrender(&self, replica: &str) -> Result<Vec<String>, BoxError> {
        self.lease.surrender(replica).await
    }
}

/// The state of all resources, which every replica reads.
pub(crate) type Truth = Arc<AtomicU64>;

/// A replica whose models say which replica read them.
pub(crate) fn replica(name: &str, truth: &Truth) -> Builder {
    let (truth, said) = (Arc::clone(truth), name.to_owned());
    Builder::new("test").replica(name).request_timeout(Duration::from_millis(100)).resource(
        Resource::model("event.$event.section.$section", move |get: Get| {
            let (truth, said) = (Arc::clone(&truth), said.clone());
            async move {
                let _: String = get.parameter("event")?;
                Model::from_serialize(&json!({"seq": truth.load(Ordering::SeqCst), "by": said}))
            }
        })
        .owned_by("event.$event"),
    )
}

pub(crate) async fn start(world: &World, builder: Builder, keys: &[&str]) -> Service {
    let service = builder.start(world.connect().await).await.unwrap();
    service.own_keys(keys.iter().copied()).unwrap();
    service
}

pub(crate) async fn owner_is(service: &Service, key: &str) {
    eventually("the key has its owner", || service.owns(key), Option::is_some).await;
}

pub(crate) fn by(answer: &Value) -> &str {
    answer["result"]["model"]["by"].as_str().unwrap_or_else(|| panic!("{answer} is no model"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t13_d02_a_get_at_any_replica_is_answered_by_the_owner_alone() {
    let world = World::new().await;
    let (lease, truth) = (MemoryLease::new(TIME_TO_LIVE), Truth::default());
    let first = start(&world, replica("a", &truth).lease(lease.clone()), &["event.1"]).await;
    owner_is(&first, "event.1").await;
    let second = start(&world, replica("b", &truth).lease(lease.clone()), &["event.1"]).await;
    let third = start(&world, replica("c", &truth).lease(lease), &["event.1"]).await;
    for _ in 0..60 {
        assert_eq!(by(&world.ask("get.test.event.1.section.s", "").await), "a");
    }
    let forwarded = [&second, &third].map(|service| service.statistics().forwards_sent.get());
    assert!(forwarded.iter().all(|count| *count > 0), "the queue group gave gets to all: {forwarded:?}");
    assert_eq!(first.statistics().forwards_taken.get(), forwarded.iter().sum::<u64>());
    assert!(second.owns("event.1").is_none() && third.owns("event.1").is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d07_a_new_owner_resets_its_own_resources_twice_and_only_when_it_is_ready() {
    let world = World::new().await;
    let (lease, truth) = (MemoryLease::new(TIME_TO_LIVE), Truth::default());
    let mut wire = world.listen().await;
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let preparing = Arc::clone(&gate);
    let builder = replica("a", &truth).lease(lease).on_acquired(move |key| {
        let gate = Arc::clone(&preparing);
        async move {
            assert_eq!((key.key.as_str(), key.epoch), ("event.1", 1));
            gate.acquire().await.unwrap().forget();
            Ok(())
        }
    });
    let _service = start(&world, builder, &["event.1"]).await;
    let mut asking = world.listen().await;
    asking.request("get.test.event.1.section.s", "_INBOX.early", "").await;
    let is_answer = |subject: &str| subject == "_INBOX.early";
    assert_eq!(asking.next_where(is_answer).await.1, "timeout:\"10000\"", "the gateway is told to wait");
    let too_early = |subject: &str| is_answer(subject) || subject == "system.reset";
    assert!(asking.is_silent(too_early).await, "the key is not prepared yet");
    gate.add_permits(1);
    assert!(
        asking.next_where(is_answer).await.1.starts_with("{"),
        "the get waited until the key was prepared"
    );
    let is_reset = |subject: &str| subject == "system.reset";
    let expected = ("system.reset".to_owned(), r#"{"resources":["test.event.1.section.*"]}"#.to_owned());
    assert_eq!(wire.next_where(is_reset).await, expected);
    let first = Instant::now();
    assert_eq!(wire.next_where(is_reset).await, expected);
    assert!(
        first.elapsed() > Duration::from_millis(900),
        "the second comes when requests of the first have run out"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d09_a_failover_delays_gets_and_never_says_not_found() {
    let world = World::new().await;
    let (lease, truth) = (MemoryLease::new(TIME_TO_LIVE), Truth::default());
    let breakable = Breakable::new(&lease);
    let first = start(&world, replica("a", &truth).lease(breakable.clone()), &["event.1"]).await;
    owner_is(&first, "event.1").await;
    let second = start(&world, replica("b", &truth).lease(lease), &["event.1"]).await;
    assert_eq!(by(&world.ask("get.test.event.1.section.s", "").await), "a");
    breakable.broken.store(true, Ordering::SeqCst);
    let answers = futures::future::join_all((0..200).map(|n| {
        let world = &world;
        async move {
            tokio::time::sleep(Duration::from_millis(n * 5)).await;
            world.ask("get.test.event.1.section.s", "").await
        }
    }));
    let answers: Vec<String> = answers.await.iter().map(|answer| by(answer).to_owned()).collect();
    assert_eq!(answers.iter().collect::<BTreeSet<_>>().len(), 2, "both replicas answered in turn");
    owner_is(&second, "event.1").await;
    assert_eq!(first.owns("event.1"), None);
    assert!(second.owns("event.1") > Some(1), "the epoch has grown");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_owner_demotes_itself_before_it_publishes_anything() {
    let world = World::new().await;
    let (lease, truth) = (MemoryLease::new(TIME_TO_LIVE), Truth::default());
    let breakable = Breakable::new(&lease);
    let lost = Arc::new(AtomicU32::new(0));
    let losing = Arc::clone(&lost);
    let gate = Arc::new(tokio::sync::Semaphore::new(1));
    let (held, read) = (Arc::clone(&gate), Arc::clone(&truth));
    let entered = Arc::new(AtomicU32::new(0));
    let entering = Arc::clone(&entered);
    // The get handler can be held up, as a slow database would.
    let builder = Builder::new("test")
        .replica("a")
        .lease(breakable.clone())
        .on_lost(move |_| {
            losing.fetch_add(1, Ordering::SeqCst);
            async {}
        })
        .resource(
            Resource::model("event.$event.section.$section", move |_: Get| {
                let (gate, truth) = (Arc::clone(&held), Arc::clone(&read));
                entering.fetch_add(1, Ordering::SeqCst);
                async move {
                    let seq = truth.load(Ordering::SeqCst);
                    gate.acquire().await.unwrap().forget();
                    Model::from_serialize(&json!({"seq": seq, "by": "a"}))
                }
            })
            .owned_by("event.$event"),
        );
    let first = start(&world, builder, &["event.1"]).await;
    owner_is(&first, "event.1").await;
    world.ask("get.test.event.1.section.s", "").await;
    let mut wire = world.listen().await;
    truth.store(1, Ordering::SeqCst);
    wire.request("get.test.event.1.section.s", "reply.late", "").await;
    eventually("the old owner reads", || entered.load(Ordering::SeqCst), |times| *times == 2).await;
    let refreshing = tokio::spawn({
        let first = first.clone();
        async move { first.refresh_now("test.event.1.section.s").await }
    });
    breakable.broken.store(true, Ordering::SeqCst);
    let second = start(&world, replica("b", &truth).lease(lease), &["event.1"]).await;
    owner_is(&second, "event.1").await;
    truth.store(2, Ordering::SeqCst);
    gate.add_permits(10);
    let first_word = |subject: &str| subject.starts_with("event.") || subject.starts_with("reply.late");
    let mut answer = wire.next_where(first_word).await;
    while answer.1.starts_with("timeout:") {
        answer = wire.next_where(first_word).await;
    }
    assert_eq!(answer, ("reply.late".to_owned(), r#"{"result":{"model":{"by":"b","seq":2}}}"#.to_owned()));
    refreshing.await.unwrap().unwrap();
    eventually("the loss was told", || lost.load(Ordering::SeqCst), |lost| *lost == 1).await;
    assert_eq!(first.statistics().changes_published.get(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_owner_hands_over_at_once() {
    let world = World::new().await;
    let (lease, truth) = (MemoryLease::new(Duration::from_secs(20)), Truth::default());
    let first = start(&world, replica("a", &truth).lease(lease.clone()), &["event.1"]).await;
    owner_is(&first, "event.1").await;
    let second = start(&world, replica("b", &truth).lease(lease), &["event.1"]).await;
    let started = Instant::now();
    let (stopped, answers) = tokio::join!(
        first.stop(PATIENCE),
        futures::future::join_all((0..100).map(|n| {
            let world = &world;
            async move {
                tokio::time::sleep(Duration::from_millis(n * 10)).await;
                by(&world.ask("get.test.event.1.section.s", "").await).to_owned()
            }
        }))
    );
    stopped.unwrap();
    assert_eq!(answers.last().unwrap(), "b");
    assert!(second.owns("event.1").is_some());
    assert!(started.elapsed() < Duration::from_secs(5), "nobody waited for the lease to run out");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d16_an_owner_whose_connection_was_away_resets_what_it_owns() {
    let world = World::new().await;
    let (lease, truth) = (MemoryLease::new(TIME_TO_LIVE), Truth::default());
    let client = world.connect().await;
    let builder = replica("a", &truth).lease(lease).request_timeout(Duration::from_secs(60));
    let service = builder.start(client.clone()).await.unwrap();
    service.own_keys(["event.1"]).unwrap();
    let resets = || service.statistics().resets_published.get();
    eventually("the reset of the acquisition is out", resets, |resets| *resets == 1).await;
    let mut wire = world.listen().await;
    client.force_reconnect().await.unwrap();
    let reset = wire.next_where(|subject| subject == "system.reset").await;
    assert_eq!(reset.1, r#"{"resources":["test.event.1.section.*"]}"#);
    assert_eq!(service.statistics().reconnects.get(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_no_longer_wanted_is_given_back() {
    let world = World::new().await;
    let (lease, truth) = (MemoryLease::new(Duration::from_secs(20)), Truth::default());
    let first = start(&world, replica("a", &truth).lease(lease.clone()), &["event.1", "event.2"]).await;
    owner_is(&first, "event.2").await;
    first.own_keys(["event.1"]).unwrap();
    eventually("the key is given back", || first.owns("event.2"), Option::is_none).await;
    let second = start(&world, replica("b", &truth).lease(lease), &["event.2"]).await;
    owner_is(&second, "event.2").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newcomer_gets_its_share_and_every_key_has_one_owner() {
    let world = World::new().await;
    let (lease, truth) = (MemoryLease::new(TIME_TO_LIVE), Truth::default());
    let keys: Vec<String> = (0..9).map(|n| format!("event.{n}")).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let mut services = Vec::new();
    for name in ["a", "b", "c"] {
        services.push(start(&world, replica(name, &truth).lease(lease.clone()), &keys).await);
        let shares = || -> Vec<usize> {
            services
                .iter()
                .map(|service| keys.iter().filter(|key| service.owns(key).is_some()).count())
                .collect()
        };
        let even = 9 / services.len();
        eventually("all keys are owned, in even shares", shares, |shares| {
            shares.iter().sum::<usize>() == 9 && shares.iter().all(|share| share.abs_diff(even) <= 1)
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_at_any_replica_is_told_to_the_owner() {
    let world = World::new().await;
    let (lease, truth) = (MemoryLease::new(TIME_TO_LIVE), Truth::default());
    let first = start(&world, replica("a", &truth).lease(lease.clone()), &["event.1"]).await;
    owner_is(&first, "event.1").await;
    let second = start(&world, replica("b", &truth).lease(lease), &["event.1"]).await;
    world.ask("get.test.event.1.section.s", "").await;
    let mut wire = world.listen().await;
    truth.store(7, Ordering::SeqCst);
    assert!(!second.try_refresh("test.event.1.section.s").unwrap(), "not owned there");
    second.refresh("test.event.1.section.s").await.unwrap();
    let change = wire.next_where(|subject| subject.starts_with("event.")).await;
    assert_eq!(
        change,
        ("event.test.event.1.section.s.change".to_owned(), r#"{"values":{"seq":7}}"#.to_owned())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_does_not_exist_is_not_found_at_once_and_one_without_owner_never() {
    let world = World::new().await;
    let (lease, truth) = (MemoryLease::new(TIME_TO_LIVE), Truth::default());
    let builder =
        replica("a", &truth).lease(lease).key_exists(|key: String| async move { Ok(key != "event.none") });
    let _service = start(&world, builder, &[]).await;
    let (none, ownerless) = tokio::join!(
        world.ask("get.test.event.none.section.s", ""),
        world.answers("get.test.event.2.section.s", "")
    );
    assert_eq!(none["error"], json!(Error::NOT_FOUND));
    assert_eq!(ownerless[0].as_ref(), b"timeout:\"10000\"");
    let last: Value = serde_json::from_slice(ownerless.last().unwrap()).unwrap();
    assert_eq!(last["error"], json!(Error::INTERNAL_ERROR));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_cannot_be_prepared_is_left_to_another_replica() {
    let world = World::new().await;
    let (lease, truth) = (MemoryLease::new(Duration::from_secs(2)), Truth::default());
    let tries = Arc::new(AtomicU32::new(0));
    let trying = Arc::clone(&tries);
    let broken = replica("a", &truth).lease(lease.clone()).on_acquired(move |_| {
        trying.fetch_add(1, Ordering::SeqCst);
        async { Err("the database cannot be read".into()) }
    });
    let first = start(&world, broken, &["event.1"]).await;
    owner_is(&first, "event.1").await;
    let second = start(&world, replica("b", &truth).lease(lease), &["event.1"]).await;
    owner_is(&second, "event.1").await;
    assert!(tries.load(Ordering::SeqCst) >= 5);
    assert_eq!(by(&world.ask("get.test.event.1.section.s", "").await), "b");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_could_not_prepare_a_key_and_holds_no_other_takes_itself_out_of_the_shares() {
    let world = World::new().await;
    let (lease, truth) = (MemoryLease::new(Duration::from_secs(2)), Truth::default());
    let first = start(&world, replica("a", &truth).lease(lease.clone()), &["event.1"]).await;
    owner_is(&first, "event.1").await;
    let of_second = Breakable::new(&lease);
    let broken = replica("b", &truth)
        .lease(of_second.clone())
        .on_acquired(|_| async { Err("the database cannot be read".into()) });
    let _second = start(&world, broken, &["event.1", "event.2"]).await;
    let said = || of_second.empty_releases.load(Ordering::SeqCst);
    eventually("it says that it is no help", said, |said| *said > 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shards_of_names_are_owned_without_being_declared() {
    let world = World::new().await;
    let lease = MemoryLease::new(TIME_TO_LIVE);
    let mine = |name: &str| {
        let said = name.to_owned();
        Builder::new("test").replica(name).lease(lease.clone()).resource(
            Resource::model("order.$id", move |_: Get| {
                let said = said.clone();
                async move { Model::from_serialize(&json!({"by": said})) }
            })
            .owned_by_name(8),
        )
    };
    let services = [start(&world, mine("a"), &[]).await, start(&world, mine("b"), &[]).await];
    eventually(
        "the shards are shared",
        || {
            services
                .each_ref()
                .map(|service| (0..8).filter(|n| service.owns(&format!("name.{n}")).is_some()).count())
        },
        |shares| *shares == [4, 4],
    )
    .await;
    let answers: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    for id in 0..40 {
        let subject = format!("get.test.order.{id}");
        let (once, again) = tokio::join!(world.ask(&subject, ""), world.ask(&subject, ""));
        assert_eq!(by(&once), by(&again), "one resource has one owner");
        answers.lock().unwrap().insert(by(&once).to_owned());
    }
    assert_eq!(answers.lock().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leases_in_a_key_value_bucket_pass_on_when_a_replica_is_gone() {
    let world = World::new().await;
    let truth = Truth::default();
    let lease = || async {
        let jetstream = async_nats::jetstream::new(world.connect().await);
        KvLease::new(&jetstream, "owners", Duration::from_secs(1)).await.unwrap()
    };
    let connection = world.connect().await;
    let first = replica("a", &truth).lease(lease().await).start(connection.clone()).await.unwrap();
    first.own_keys(["event.1", "event.2"]).unwrap();
    owner_is(&first, "event.2").await;
    let second = start(&world, replica("b", &truth).lease(lease().await), &["event.1", "event.2"]).await;
    let keys = ["event.1", "event.2"];
    let shares =
        || [&first, &second].map(|service| keys.iter().filter(|key| service.owns(key).is_some()).count());
    eventually("the newcomer gets its share", shares, |shares| *shares == [1, 1]).await;
    let handed_over = keys.into_iter().find(|key| first.owns(key).is_none()).unwrap();
    let epoch = second.owns(handed_over).unwrap();
    // The second replica goes without a word.
    second.stop(Duration::ZERO).await.unwrap_err();
    eventually(
        "the first takes over",
        || first.owns(handed_over),
        |owns| owns.is_some_and(|now| now > epoch),
    )
    .await;
    assert_eq!(first.holdings().len(), 2);
}
