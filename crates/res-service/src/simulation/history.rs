//! One random history: writes, subscriptions and failures around services made with the library.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::cache::{NotFound, REQUEST_TIMEOUT};
use super::database::{Database, KEYS, ROWS, found, resource_ids};
use super::gateway::Gateway;
use super::network::{Network, SimulatedConnection};
use super::random::Random;
use crate::builder::Builder;
use crate::connection::Connection;
use crate::error::{BoxError, Error};
use crate::lease::{Holding, Lease, MemoryLease};
use crate::request::Get;
use crate::resource::Resource;
use crate::service::Service;
use crate::snapshot::{Collection, Model};

const REPLICAS: usize = 3;
const GATEWAYS: usize = 2;
const STEPS: u64 = 160;
const TIME_TO_LIVE: Duration = Duration::from_secs(2);
/// When an outbox tells every replica of a write, whatever became of the one that wrote.
const OUTBOX_DELAY: Duration = Duration::from_millis(300);
/// By then the resets that follow an acquisition have been said for the last time.
const RESETS_END: Duration = Duration::from_secs(450);
/// For this time it is looked often whether everything is right.
const LOOKS_OFTEN: Duration = Duration::from_secs(10);
/// What is right must still be right after this time.
const STAYS_RIGHT: Duration = Duration::from_secs(5);

/// What may happen in a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weather {
    /// Nothing fails: changes alone must keep the gateways right, without a reset to help.
    Calm,
    /// The database is slow and fails, connections are slow, gateways restart; the owners stay.
    Rain,
    /// Connections break for a moment, in which the owners stay.
    Wind,
    /// Failovers, broken connections, slow and failing databases, gateways that restart.
    Storm,
}

struct Replica {
    service: Service,
    connection: SimulatedConnection,
    cut_off: Arc<AtomicBool>,
}

pub(crate) struct History {
    network: Network,
    random: Random,
    weather: Weather,
    lease: MemoryLease,
    database: Database,
    replicas: Vec<Replica>,
    gateways: Vec<Gateway>,
    started: u64,
    fell_silent: bool,
    /// Names of rows that were written, and when the outbox tells of them.
    untold: Vec<(Instant, String)>,
    /// What happened, for whoever has to find out why it went wrong.
    log: Vec<String>,
}

/// A lease from which a replica can be cut off.
#[derive(Clone)]
struct Breakable(MemoryLease, Arc<AtomicBool>);

impl Lease for Breakable {
    async fn round(&self, replica: &str, keys: &[String]) -> Result<Vec<Holding>, BoxError> {
        if self.1.load(Ordering::Relaxed) { Err("cut off".into()) } else { self.0.round(replica, keys).await }
    }

    async fn release(&self, replica: &str, keys: &[String]) -> Result<(), BoxError> {
        if self.1.load(Ordering::Relaxed) {
            Err("cut off".into())
        } else {
            self.0.release(replica, keys).await
        }
    }

    fn time_to_live(&self) -> Duration {
        TIME_TO_LIVE
    }

    async fn surrender(&self, replica: &str) -> Result<Vec<String>, BoxError> {
        self.0.surrender(replica).await
    }
}

/// The service under test, as a user of the library would write it.
fn builder(database: &Database) -> Builder {
    let (models, lists, searches) = (database.clone(), database.clone(), database.clone());
    Builder::new("test")
        .request_timeout(REQUEST_TIMEOUT)
        .resource(
            Resource::model("event.$event.model.$number", move |get: Get| {
                let database = models.clone();
                async move { Model::from_serialize(&database.read(get.name()).await?) }
            })
            .owned_by("event.$event")
            .changes_per_second_max(50),
        )
        .resource(
            Resource::collection("event.$event.list.$number", move |get: Get| {
                let database = lists.clone();
                async move { Collection::from_serialize(&database.read(get.name()).await?) }
            })
            .owned_by("event.$event")
            .group("event.$event.list.$number")
            .changes_per_second_max(50),
        )
        .resource(
            Resource::collection("event.$event.search.$number", move |get: Get| {
                let database = searches.clone();
                async move {
                    let query = get.query().ok_or(Error::INVALID_QUERY)?.to_lowercase();
                    let items = database.read(get.name()).await?;
                    Ok(Collection::from_serialize(&found(&items, &query))?.query(query))
                }
            })
            .owned_by("event.$event")
            .changes_per_second_max(50),
        )
}

impl History {
    pub(crate) async fn new(random: Random, weather: Weather) -> Self {
        let network = Network::start(&random);
        let mut database = Database::new(&random);
        database.stalls = weather != Weather::Calm;
        let gateways = ["one", "two"][..GATEWAYS].iter().map(|name| Gateway::start(&network, name)).collect();
        let lease = MemoryLease::new(TIME_TO_LIVE);
        let (replicas, untold, log, started, fell_silent) = (Vec::new(), Vec::new(), Vec::new(), 0, false);
        let mut history = Self {
            network,
            random,
            weather,
            lease,
            database,
            replicas,
            gateways,
            started,
            fell_silent,
            untold,
            log,
        };
        for _ in 0..REPLICAS {
            let replica = history.start_replica().await;
            history.replicas.push(replica);
        }
        history
    }

    async fn start_replica(&mut self) -> Replica {
        self.started += 1;
        let cut_off = Arc::<AtomicBool>::default();
        let connection = self.network.connect();
        let service = builder(&self.database)
            .replica(format!("replica-{}", self.started))
            .lease(Breakable(self.lease.clone(), Arc::clone(&cut_off)))
            .start_on(Connection::Simulated(connection.clone()))
            .await
            .expect("a right declaration starts");
        service.own_keys((0..KEYS).map(|key| format!("event.{key}"))).expect("keys of the resource");
        Replica { service, connection, cut_off }
    }

    /// Runs the history to its end; the error tells what stayed wrong.
    pub(crate) async fn run(mut self) -> Result<u64, String> {
        if self.weather != Weather::Storm {
            // What is to be proved here must not be helped by the resets that go with the first acquisitions.
            tokio::time::sleep(RESETS_END).await;
        }
        let resets = self.resets();
        for step in 0..STEPS {
            match self.random.below(3) {
                0 => self.visit(),
                _ => self.write().await,
            }
            self.tell_of_writes(Instant::now()).await;
            self.random.pause(15).await;
            if step % 16 == 15 {
                match self.weather {
                    Weather::Calm => {}
                    Weather::Rain => self.disturb_reads().await,
                    Weather::Wind => {
                        let connection = &self.replicas[self.random.index(REPLICAS)].connection;
                        connection.break_for(self.random.milliseconds(800));
                    }
                    Weather::Storm => self.disturb().await,
                }
            }
        }
        let mut outcome = self.converge().await;
        if self.weather == Weather::Calm && self.resets() > resets {
            outcome = outcome.and(Err("something had to be repaired by a reset".to_owned()));
        }
        outcome = outcome.and(self.nothing_was_denied());
        self.end().await;
        outcome.map(|()| self.network.fingerprint())
    }

    fn resets(&self) -> u64 {
        let of = |replica: &Replica| replica.service.statistics().resets_published.get();
        self.replicas.iter().map(of).sum()
    }

    /// How long it may take until everything is right again.
    fn calm_time_max(&self) -> Duration {
        match self.weather {
            Weather::Calm => Duration::from_secs(2),
            // The longest pause before a resource that could not be read is asked for again.
            Weather::Rain => Duration::from_secs(45),
            // A gateway that was asked for patience waits 10 s for an answer that the connection has lost.
            Weather::Wind => Duration::from_secs(20),
            // Also a reset that a broken connection has lost is said again.
            Weather::Storm if !self.fell_silent => Duration::from_secs(75),
            // The broker gives a silent connection up only after minutes.
            Weather::Storm => Duration::from_secs(600),
        }
    }

    async fn write(&mut self) {
        let name = self.database.write(self.random.below(ROWS), true);
        self.log(format!("writes {name}"));
        let replica = &self.replicas[self.random.index(REPLICAS)];
        if self.random.is_one_in(8) {
            let (service, name) = (replica.service.clone(), name.clone());
            tokio::spawn(async move { drop(service.refresh_now(&name).await) });
        } else {
            replica.service.refresh(&name).await.expect("a valid name");
        }
        if self.weather == Weather::Storm {
            self.untold.push((Instant::now() + OUTBOX_DELAY, name));
        }
    }

    /// The outbox: what was written reaches every replica some time later.
    async fn tell_of_writes(&mut self, now: Instant) {
        let (due, later) = std::mem::take(&mut self.untold).into_iter().partition(|(at, _)| *at <= now);
        self.untold = later;
        let due: Vec<(Instant, String)> = due;
        for (_, name) in due {
            for replica in &self.replicas {
                let _ = replica.service.try_refresh(&name);
            }
        }
    }

    fn visit(&mut self) {
        let gateway = &self.gateways[self.random.index(GATEWAYS)];
        let resource_ids = resource_ids(self.random.below(ROWS));
        let mut resource_id = resource_ids[self.random.index(resource_ids.len())].clone();
        if self.random.is_one_in(4) {
            gateway.forget(&resource_id);
        } else {
            // Some write the query in another way, which the service normalises.
            if self.random.is_one_in(2) {
                resource_id = resource_id.replace("?even", "?EVEN").replace("?odd", "?ODD");
            }
            gateway.subscribe(&resource_id);
        }
    }

    /// Something that goes wrong in production.
    async fn disturb(&mut self) {
        let at = self.random.index(REPLICAS);
        let what = self.random.below(11);
        self.log(format!("disturbance {what} of replica {at}"));
        match what {
            0 => self.replicas[at].cut_off.store(true, Ordering::Relaxed),
            1 => self.replicas.iter().for_each(|replica| replica.cut_off.store(false, Ordering::Relaxed)),
            2 | 3 => self.replicas[at].connection.break_for(self.random.milliseconds(4_000)),
            4..7 => self.disturb_reads().await,
            _ => self.replace(at).await,
        }
    }

    /// What makes reading slow, or fail, and leaves the owners.
    async fn disturb_reads(&mut self) {
        let at = self.random.index(REPLICAS);
        let what = self.random.below(7);
        self.log(format!("disturbance {what} of what is read at replica {at}"));
        match what {
            0 | 1 => drop(self.database.failing.fetch_xor(true, Ordering::Relaxed)),
            2 => self.replicas[at].connection.slow_down(self.random.below(600)),
            3 => self.replicas.iter().for_each(|replica| replica.connection.slow_down(0)),
            4 => {
                let at = self.random.index(GATEWAYS);
                self.gateways[at].end();
                self.started += 1;
                self.gateways[at] = Gateway::start(&self.network, &format!("again{}", self.started));
            }
            5 => {
                self.replicas[at].service.reset(&["test.>"], &[]).await.expect("a valid pattern");
            }
            _ => self.gateways[self.random.index(GATEWAYS)].connection.slow_down(self.random.below(300)),
        }
    }

    /// A new replica takes the place of an old one, which leaves in order, dies, or is cut off unnoticed.
    async fn replace(&mut self, at: usize) {
        let new = self.start_replica().await;
        let old = std::mem::replace(&mut self.replicas[at], new);
        let mut time = Duration::ZERO;
        match self.random.below(5) {
            0 | 1 => time = Duration::from_secs(10),
            2 if self.random.is_one_in(4) => {
                self.fell_silent = true;
                old.connection.fall_silent();
            }
            _ => old.connection.end(),
        }
        self.log(format!("replica {} is replaced, with {time:?} to leave", old.service.replica()));
        let stopped = tokio::spawn(async move { drop(old.service.stop(time).await) });
        if self.random.is_one_in(2) {
            let _ = stopped.await;
        }
    }

    /// Lets everything work again and waits until all gateways show what the database holds.
    async fn converge(&mut self) -> Result<(), String> {
        for replica in &self.replicas {
            replica.cut_off.store(false, Ordering::Relaxed);
            replica.connection.slow_down(0);
        }
        self.gateways.iter().for_each(|gateway| gateway.connection.slow_down(0));
        self.database.failing.store(false, Ordering::Relaxed);
        tokio::time::sleep(OUTBOX_DELAY).await;
        self.tell_of_writes(Instant::now()).await;
        let truth = self.database.truth();
        let calm_since = Instant::now();
        let time_max = self.calm_time_max();
        let mut right_since = None;
        loop {
            for gateway in &self.gateways {
                truth.keys().for_each(|resource_id| gateway.subscribe(resource_id));
            }
            // Most is right within seconds; what waits for the broker to give a silent connection up takes minutes.
            let pause = if calm_since.elapsed() < LOOKS_OFTEN { 100 } else { 2_000 };
            tokio::time::sleep(Duration::from_millis(pause)).await;
            let now = Instant::now();
            if self.gateways.iter().all(|gateway| gateway.snapshot().as_ref() == Some(&truth)) {
                if now - *right_since.get_or_insert(now) >= STAYS_RIGHT {
                    return Ok(());
                }
            } else {
                right_since = None;
            }
            if right_since.is_none() && now > calm_since + time_max {
                let shown: Vec<_> = self.gateways.iter().map(Gateway::snapshot).collect();
                return Err(format!(
                    "after {time_max:?} the gateways show {shown:#?}\nthe truth is {truth:#?}\nwhat happened:\n{}",
                    self.log.join("\n")
                ));
            }
        }
    }

    /// A gateway deletes what is not found, at every client that has it: the service may only say that of what does not
    /// exist, however little it knows at the moment.
    fn nothing_was_denied(&self) -> Result<(), String> {
        for gateway in &self.gateways {
            for NotFound { name, asked, answered } in gateway.not_found() {
                if !self.database.was_absent(&name, asked, answered) {
                    return Err(format!(
                        "{name} exists and was said to be not found\nwhat happened:\n{}",
                        self.log.join("\n")
                    ));
                }
            }
        }
        Ok(())
    }

    async fn end(&mut self) {
        for replica in &self.replicas {
            let _ = replica.service.stop(Duration::ZERO).await;
        }
        self.gateways.iter().for_each(Gateway::end);
    }

    fn log(&mut self, what: String) {
        self.log.push(what);
    }
}
