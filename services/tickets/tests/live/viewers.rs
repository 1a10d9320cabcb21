//! People who watch: they come and go through real gateways and note everything that should not be.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use livehouse_contract::id::EventId;
use livehouse_testkit::parts::{Resgate, ResgateOptions};
use livehouse_testkit::{Change, ResClient, try_wait_until};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Map, Value};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::hall;
use super::stage::Stage;

/// Everything a live view may get wrong.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Resources that were compared with the database, over all viewers.
    pub(crate) compared: usize,
    /// Those that differed for good, with the difference.
    pub(crate) diverged: Vec<String>,
    /// Where a `seq` went back before somebody's eyes.
    pub(crate) went_back: Vec<String>,
    /// What the protocol does not allow.
    pub(crate) violations: Vec<String>,
    /// Pushes that were seen.
    pub(crate) changes: usize,
}

impl Report {
    /// Both together.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.compared += other.compared;
        self.diverged.extend(other.diverged);
        self.went_back.extend(other.went_back);
        self.violations.extend(other.violations);
        self.changes += other.changes;
        self
    }
}

/// A gateway beside the stage's own: it has a cache and subscriptions of its own, and nobody is known to it.
pub(crate) async fn gateway(stage: &Stage, name: &str) -> Resgate {
    let folder = stage.world.folder().join(name);
    Resgate::start(folder, &stage.world.nats().url(), ResgateOptions::default().without_authentication())
        .await
        .unwrap()
}

/// A viewer who subscribes and unsubscribes at random until told to stay, and then watches everything.
struct Viewer {
    client: ResClient,
    resources: Arc<Vec<String>>,
    random: StdRng,
    /// The `seq` that was last seen of each resource, at an unsubscription.
    left_at: HashMap<String, i64>,
    /// When a resource was subscribed to last, and the `seq` it had then.
    came_at: HashMap<String, (Instant, i64)>,
    went_back: Vec<String>,
}

/// Viewers at work.
pub(crate) struct Viewers {
    resources: Arc<Vec<String>>,
    seed: u64,
    stay: CancellationToken,
    home: CancellationToken,
    tasks: JoinSet<(Viewer, JoinHandle<Vec<Push>>)>,
}

/// Viewers who have subscribed to everything and stay.
pub(crate) struct Residents {
    home: CancellationToken,
    viewers: Vec<(Viewer, JoinHandle<Vec<Push>>)>,
}

/// One push that carried a `seq`.
struct Push {
    resource: String,
    seq: i64,
    at: Instant,
}

impl Viewers {
    /// Nobody yet; those who come watch all resources of `events`.
    pub(crate) fn of(events: &[EventId]) -> Self {
        let resources = events.iter().flat_map(|event| hall::resources(*event)).collect();
        let seed: u64 = rand::random();
        println!("the viewers' seed is {seed}");
        let (stay, home) = (CancellationToken::new(), CancellationToken::new());
        Self { resources: Arc::new(resources), seed, stay, home, tasks: JoinSet::new() }
    }

    /// So many more viewers at this gateway.
    pub(crate) async fn come(&mut self, gateway: &Resgate, count: usize) {
        for _ in 0..count {
            let number = self.tasks.len() as u64;
            let viewer = Viewer {
                client: ResClient::connect(&gateway.live_url()).await.unwrap(),
                resources: self.resources.clone(),
                random: StdRng::seed_from_u64(self.seed ^ number),
                left_at: HashMap::new(),
                came_at: HashMap::new(),
                went_back: Vec::new(),
            };
            self.tasks.spawn(viewer.watch(self.stay.clone(), self.home.clone()));
        }
    }

    /// Lets everybody subscribe to everything and stay, while the sale goes on.
    pub(crate) async fn stay(mut self) -> Residents {
        self.stay.cancel();
        let mut viewers = Vec::new();
        while let Some(watched) = self.tasks.join_next().await {
            viewers.push(watched.unwrap());
        }
        Residents { home: self.home, viewers }
    }
}

impl Residents {
    /// Compares what everybody sees with the database, in which nothing moves any more, for as long as `patience`
    /// allows.
    pub(crate) async fn compare(self, stage: &Stage, events: &[EventId], patience: Duration) -> Report {
        let mut truth = BTreeMap::new();
        for event in events {
            truth.extend(hall::truth(&stage.pool, *event).await);
        }
        let mut report = Report::default();
        let deadline = Instant::now() + patience;
        for (viewer, _) in &self.viewers {
            let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            report.compared += truth.len();
            report.diverged.extend(differences(&viewer.client, &truth, left).await);
        }
        self.home.cancel();
        for (viewer, pushes) in self.viewers {
            let pushes = pushes.await.unwrap();
            report.went_back.extend(steps_back(&pushes, &viewer.came_at));
            report.went_back.extend(viewer.went_back);
            report.violations.extend(viewer.client.violations());
            report.changes += pushes.len();
        }
        report
    }
}

/// How a client's models differ from the database once `patience` is over.
pub(crate) async fn differences(
    client: &ResClient,
    truth: &BTreeMap<String, Map<String, Value>>,
    patience: Duration,
) -> Vec<String> {
    let differing = || {
        let differs = |(resource, expected): (&String, &Map<String, Value>)| {
            let seen = client.model(resource);
            (seen.as_ref() != Some(expected)).then(|| {
                let (seen, expected) = (Value::from(seen.unwrap_or_default()), Value::from(expected.clone()));
                format!("{resource} is {seen} instead of {expected}")
            })
        };
        truth.iter().filter_map(differs).collect::<Vec<_>>()
    };
    let _last_state = try_wait_until("models as the database has them", patience, || async {
        let differing = differing();
        if differing.is_empty() { Ok(()) } else { Err(differing.len().to_string()) }
    })
    .await;
    differing()
}

fn seq_of(model: Option<&Map<String, Value>>) -> Option<i64> {
    model?.get("seq")?.as_i64()
}

impl Viewer {
    async fn watch(
        mut self,
        stay: CancellationToken,
        home: CancellationToken,
    ) -> (Self, JoinHandle<Vec<Push>>) {
        let pushes = tokio::spawn(note(self.client.changes(), home));
        let mut watched: Vec<String> = Vec::new();
        while !stay.is_cancelled() {
            let resource = self.resources[self.random.random_range(0..self.resources.len())].clone();
            if watched.contains(&resource) {
                continue;
            }
            self.come(&resource).await;
            watched.push(resource);
            // Half of all resources at once: the gateway keeps some, and drops and fetches others.
            if watched.len() > self.resources.len() / 8 {
                let leaving = watched.swap_remove(self.random.random_range(0..watched.len()));
                self.leave(&leaving).await;
            }
            tokio::time::sleep(Duration::from_millis(self.random.random_range(0..8))).await;
        }
        for resource in self.resources.clone().iter().filter(|resource| !watched.contains(*resource)) {
            self.come(resource).await;
        }
        (self, pushes)
    }

    /// Subscribes; while nobody owns the resource that may fail, and a browser tries again.
    async fn come(&mut self, resource: &str) {
        let subscribed = try_wait_until("a subscription", super::stage::PATIENCE, || async {
            self.client.subscribe(resource).await.map_err(|error| error.to_string())
        });
        if let Err(message) = subscribed.await {
            self.went_back.push(format!("{resource}: {message}"));
            return;
        }
        let Some(seq) = seq_of(self.client.model(resource).as_ref()) else { return };
        if self.left_at.get(resource).is_some_and(|left| seq < *left) {
            self.went_back
                .push(format!("{resource} had seq {} and came back with {seq}", self.left_at[resource]));
        }
        self.came_at.insert(resource.to_owned(), (Instant::now(), seq));
    }

    async fn leave(&mut self, resource: &str) {
        if let Some(seq) = seq_of(self.client.model(resource).as_ref()) {
            self.left_at.insert(resource.to_owned(), seq);
        }
        self.client.unsubscribe(resource).await.unwrap();
    }
}

/// Notes everything that is pushed until `home`.
async fn note(mut changes: Receiver<Change>, home: CancellationToken) -> Vec<Push> {
    let mut pushes = Vec::new();
    loop {
        let change = tokio::select! {
            () = home.cancelled() => return pushes,
            change = changes.recv() => change,
        };
        match change {
            Ok(change) => {
                if let Some(seq) = change.data["values"]["seq"].as_i64() {
                    pushes.push(Push { resource: change.rid, seq, at: change.at });
                }
            }
            // Some were missed here, not by the viewer; what follows is in order again.
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return pushes,
        }
    }
}

/// Pushes whose `seq` is lower than what was seen before.
fn steps_back(pushes: &[Push], came_at: &HashMap<String, (Instant, i64)>) -> Vec<String> {
    let mut last: HashMap<&str, i64> = HashMap::new();
    let step = |push: &Push, before: Option<i64>| {
        let before = before.filter(|before| push.seq < *before)?;
        Some(format!("{} went from seq {before} to {}", push.resource, push.seq))
    };
    pushes
        .iter()
        .filter_map(|push| {
            let came = came_at.get(&push.resource).filter(|(at, _)| push.at > *at).map(|(_, seq)| *seq);
            let before = last.insert(&push.resource, push.seq).max(came);
            step(push, before)
        })
        .collect()
}
