//! As many resources as a large service has.

use std::time::{Duration, Instant};

use async_nats::Client as Nats;
use bytes::Bytes;
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::client::Client;
use crate::gateway::Gateway;
use crate::load::Random;
use crate::nats::{Broker, PATIENCE};
use crate::process::Replica;
use crate::service::Configuration;

const RESOURCES: u64 = 100_000;
/// Of these, so many are watched through a gateway; it cannot take the answers of 8192 at once.
const SAMPLE: usize = 4_000;
const OUTSTANDING_MAX: u64 = 500;
const GET_ALL_TIME_MAX: Duration = Duration::from_secs(60);
/// What one remembered resource of about 130 bytes may take, in bytes.
const MEMORY_PER_RESOURCE_MAX: u64 = 1000;
/// By so much, in KiB, memory may grow when nothing more is remembered.
const NOISE_MAX: u64 = 8 * 1024;

struct World {
    /// Ends with this.
    _nats: Broker,
    client: Nats,
    replica: Replica,
    gateway: Gateway,
    sample: Vec<u64>,
    watcher: Client,
}

impl World {
    async fn start(remembered_max: usize) -> Self {
        let nats = Broker::start().await;
        let client = nats.connect().await;
        // The later resets of the start, which heal everything, are not to come while the test runs.
        let request_timeout = Duration::from_secs(600);
        let configuration =
            Configuration { remembered_max, request_timeout, ..Configuration::new(nats.url()) };
        let replica = Replica::start(&configuration).await;
        let gateway = Gateway::start(&nats.url(), &[]).await;
        let mut random = Random(5);
        let mut sample: Vec<u64> = (0..SAMPLE).map(|_| random.below(RESOURCES)).collect();
        sample.sort_unstable();
        sample.dedup();
        let watcher = Client::start(gateway.address(), sample.iter().map(|number| name(*number)).collect());
        let world = Self { _nats: nats, client, replica, gateway, sample, watcher };
        world.all_shown(0).await;
        world
    }

    /// Sets every resource of the sample and waits until the watcher shows it; gives how long the last one took.
    async fn change_sample(&self, value: u64) -> Duration {
        let began = Instant::now();
        for number in &self.sample {
            let payload = Bytes::from(json!({"params": {"value": value}}).to_string());
            let answer = self.client.request(format!("call.{}.set", name(*number)), payload).await.unwrap();
            assert_eq!(answer.payload, json!({"result": value}).to_string());
        }
        self.all_shown(value).await;
        began.elapsed()
    }

    async fn all_shown(&self, value: u64) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let wrong = {
                let view = self.watcher.view();
                let shown =
                    |number: &&u64| view.resources.get(&name(**number)) != Some(&item(**number, value));
                self.sample.iter().filter(shown).count()
            };
            if wrong == 0 {
                return;
            }
            assert!(Instant::now() < deadline, "{wrong} of {SAMPLE} watched resources do not show {value}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Nothing was taken from the watcher, and its gateway never left it.
    fn nothing_was_lost(&mut self) {
        assert!(!self.gateway.has_ended(), "the gateway ended");
        let view = self.watcher.view();
        assert_eq!((view.connections, &view.violations), (1, &Vec::new()));
    }
}

fn name(number: u64) -> String {
    format!("endurance.item.{number}")
}

fn item(number: u64, value: u64) -> Value {
    let text = format!("This is the item with the number {number}, one of many");
    json!({"number": number, "value": value, "text": text})
}

/// Gets every resource, some hundred at a time; gives how long it took.
async fn get_all(client: &Nats) -> Duration {
    let began = Instant::now();
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(format!("{inbox}.*")).await.unwrap();
    let (mut asked, mut answered) = (0, 0);
    let all = async {
        while answered < RESOURCES {
            while asked < RESOURCES && asked - answered < OUTSTANDING_MAX {
                let subject = format!("get.{}", name(asked));
                client.publish_with_reply(subject, format!("{inbox}.{asked}"), Bytes::new()).await.unwrap();
                asked += 1;
            }
            let answer = answers.next().await.unwrap();
            if !answer.payload.starts_with(b"timeout:") {
                let number = answer.subject.rsplit('.').next().unwrap();
                let begin = format!("{{\"result\":{{\"model\":{{\"number\":{number},");
                assert!(answer.payload.starts_with(begin.as_bytes()), "{number}: {:?}", answer.payload);
                answered += 1;
            }
        }
    };
    let outcome = timeout(GET_ALL_TIME_MAX, all).await;
    assert!(outcome.is_ok(), "{answered} of {RESOURCES} were got within {GET_ALL_TIME_MAX:?}");
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_resources_are_remembered_in_little_memory_and_each_change_is_told() {
    let mut world = World::start(1_000_000).await;
    let before = world.replica.memory().await;
    let first = get_all(&world.client).await;
    let after_first = world.replica.memory().await;
    let second = get_all(&world.client).await;
    let after_second = world.replica.memory().await;
    let third = get_all(&world.client).await;
    let after_third = world.replica.memory().await;
    let changed = world.change_sample(1).await;
    let after_changes = world.replica.memory().await;
    let each = after_first.saturating_sub(before) * 1024 / RESOURCES;
    eprintln!(
        "many: {RESOURCES} resources got in {first:?} and again in {second:?} and {third:?}; memory {before} KiB before, \
         {after_first} KiB after ({each} bytes each), {after_second} KiB and {after_third} KiB after the next times, {after_changes} KiB \
         after {SAMPLE} changes, which reached their watcher within {changed:?}"
    );
    assert!(each < MEMORY_PER_RESOURCE_MAX, "{each} bytes for each resource");
    assert!(after_second < after_first + NOISE_MAX, "the same again takes no more memory");
    assert!(after_third < after_second + NOISE_MAX, "nor the time after");
    assert!(after_changes < after_third + NOISE_MAX, "changes take no more memory");
    assert_eq!(world.replica.statistics().await["remembered"], RESOURCES);
    world.nothing_was_lost();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_few_resources_remembered_memory_is_bounded_and_whoever_watches_stays_right() {
    const REMEMBERED_MAX: u64 = 6_000;
    let mut world = World::start(REMEMBERED_MAX as usize).await;
    let before = world.replica.memory().await;
    let took = get_all(&world.client).await;
    let after = world.replica.memory().await;
    let changed = world.change_sample(1).await;
    let statistics = world.replica.statistics().await;
    eprintln!(
        "few remembered: {RESOURCES} resources got in {took:?}, {REMEMBERED_MAX} remembered, {} given up; memory \
         {before} KiB before and {after} KiB after; {SAMPLE} changes reached their watcher within {changed:?}",
        statistics["remembered_evicted"],
    );
    assert!(statistics["remembered"] <= REMEMBERED_MAX, "{statistics:?}");
    assert!(statistics["remembered_evicted"] >= RESOURCES - REMEMBERED_MAX, "{statistics:?}");
    let most = before + REMEMBERED_MAX * MEMORY_PER_RESOURCE_MAX / 1024 + NOISE_MAX;
    assert!(after < most, "{after} KiB are more than {most}");
    world.nothing_was_lost();
}
