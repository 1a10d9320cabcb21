//! A running sale to test in: real servers, real replicas of the service, events in a hall of small sections.

use std::ops::Deref;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use deadpool_postgres::Pool;
use jiff::{SignedDuration, Timestamp};
use livehouse_contract::fact::Fact;
use livehouse_contract::fact::orders::OrderPaid;
use livehouse_contract::id::{BuyerId, EventId, FactId, HoldId, OrderId};
use livehouse_contract::money::Currency;
use livehouse_contract::request::CLAIM_HOLD;
use livehouse_platform::bus::FACT_ID_HEADER;
use livehouse_platform::postgres;
use livehouse_platform::session::{COOKIE, Key};
use livehouse_testkit::parts::{ProcessSpec, ServiceProcess};
use livehouse_testkit::{ConnectOptions, ResClient, Service, Template, World, cargo, wait_until};
use livehouse_tickets::store::import::{self, NewEvent, NewVenue};
use livehouse_tickets::{publish, store};
use tokio::sync::{Mutex, MutexGuard, OnceCell};

use super::caller::Caller;
use super::hall;

/// Long enough for anything on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The migrated, empty database of the service.
const TICKETS: Template = Template {
    name: "tickets",
    migrate: |url| {
        Box::pin(async move { store::migrate(&postgres::pool_of(&url, 1, "template", "")?).await })
    },
};

/// What a test wants.
#[derive(Clone)]
pub(crate) struct Setup {
    /// Replicas of tickets that are started.
    pub(crate) replicas: usize,
    /// A Postgres of its own that waits for the disk.
    pub(crate) durable: bool,
    /// Guards that are switched off.
    pub(crate) guards_off: &'static str,
    /// Events on sale.
    pub(crate) events: usize,
    /// Their rules.
    pub(crate) rules: Rules,
    /// Events in the arena instead of the small hall.
    pub(crate) in_arena: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            replicas: 1,
            durable: false,
            guards_off: "",
            events: 1,
            rules: Rules::default(),
            in_arena: false,
        }
    }
}

/// What of an event a test cares about.
#[derive(Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) hold_seconds: i32,
    pub(crate) seats_per_hold_max: i32,
    pub(crate) seats_per_buyer_max: i32,
    pub(crate) opens_in_seconds: i64,
    pub(crate) price: i64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            hold_seconds: 900,
            seats_per_hold_max: 10,
            seats_per_buyer_max: 20,
            opens_in_seconds: -60,
            price: 5_000,
        }
    }
}

/// A replica of tickets: as shipped, or with guards off.
pub(crate) enum Replica {
    Shipped(Service),
    Unguarded(ServiceProcess),
}

impl Deref for Replica {
    type Target = ServiceProcess;

    fn deref(&self) -> &ServiceProcess {
        match self {
            Self::Shipped(service) => service,
            Self::Unguarded(process) => process,
        }
    }
}

impl Replica {
    /// Starts it again and waits until it is ready.
    pub(crate) async fn again(&self) {
        self.restart().await.unwrap();
        self.until_ready(PATIENCE).await.unwrap();
    }
}

/// A running sale. One at a time: most tests here measure time.
pub(crate) struct Stage {
    pub(crate) replicas: Vec<Replica>,
    pub(crate) world: World,
    pub(crate) pool: Pool,
    pub(crate) client: async_nats::Client,
    pub(crate) caller: Caller,
    pub(crate) events: Vec<EventId>,
    _turn: MutexGuard<'static, ()>,
}

/// Only one test is on the stage at a time.
static TURN: Mutex<()> = Mutex::const_new(());

impl Stage {
    /// One replica, one event.
    pub(crate) async fn open() -> Self {
        Self::with(Setup::default()).await
    }

    /// A sale as wanted.
    pub(crate) async fn with(setup: Setup) -> Self {
        let mut stage = Self::without_replicas(&setup).await;
        for number in 1..=setup.replicas {
            let replica = stage.replica(&format!("tickets-{number}"), setup.guards_off).await;
            stage.replicas.push(replica);
        }
        for replica in &stage.replicas {
            replica.until_ready(PATIENCE).await.unwrap();
        }
        stage.until_owned().await;
        stage
    }

    /// Everything but the service itself.
    pub(crate) async fn without_replicas(setup: &Setup) -> Self {
        let turn = TURN.lock().await;
        let mut builder = World::builder().nats().keydb();
        if setup.durable {
            builder = builder.own_postgres();
        }
        let world = builder
            .postgres_from("tickets", TICKETS)
            .postgres("orders")
            .resgate_with(livehouse_testkit::parts::ResgateOptions::default())
            .start()
            .await
            .unwrap();
        let pool = postgres::pool_of(&world.postgres_url("tickets"), 8, "test", "").unwrap();
        let client = async_nats::ConnectOptions::new()
            .reconnect_delay_callback(|_| Duration::from_millis(20))
            .connect(world.nats().url())
            .await
            .unwrap();
        let caller = Caller::new(client.clone()).await;
        let mut stage =
            Self { replicas: Vec::new(), world, pool, client, caller, events: Vec::new(), _turn: turn };
        let layout = if setup.in_arena { livehouse_seating::generate::arena() } else { hall::layout() };
        for number in 1..=setup.events {
            let event = stage.publish(&layout, &format!("evening-{number}"), setup.rules).await;
            stage.events.push(event);
        }
        stage
    }

    /// Starts a replica and does not wait for it.
    pub(crate) async fn replica(&self, name: &str, guards_off: &str) -> Replica {
        if guards_off.is_empty() {
            return Replica::Shipped(
                self.world.service("livehouse-tickets").replica(name).spawn().await.unwrap(),
            );
        }
        let folder = self.world.folder().join(name);
        let spec = ProcessSpec::new(name, unguarded().await, folder.join(format!("{name}.log")))
            .arguments(["serve"])
            .environment("GUARDS_OFF", guards_off)
            .environment("LIVEHOUSE_REPLICA", name)
            .environment("LIVEHOUSE_NATS_URL", self.world.nats().url())
            .environment("LIVEHOUSE_POSTGRES_URL", self.world.postgres_url("tickets"))
            .environment("LIVEHOUSE_KEYDB_URL", self.world.keydb().url());
        Replica::Unguarded(ServiceProcess::start(spec, folder.join("http.address")).unwrap())
    }

    /// Another service, ready.
    pub(crate) async fn service(&self, package: &str) -> Service {
        if package == "livehouse-orders" {
            self.world.service(package).argument("migrate").run().await.unwrap();
        }
        self.world.service(package).start().await.unwrap()
    }

    /// Puts an event on sale.
    pub(crate) async fn publish(
        &self,
        layout: &livehouse_seating::Layout,
        slug: &str,
        rules: Rules,
    ) -> EventId {
        let event = NewEvent {
            slug: slug.to_owned(),
            name: slug.to_owned(),
            description: String::new(),
            venue: NewVenue { name: "Test house".to_owned(), ..NewVenue::default() },
            starts_at: publish::evening(30, "UTC", 20).unwrap(),
            time_zone: "UTC".to_owned(),
            currency: Currency::EUR,
            prices: publish::price_ladder(layout, rules.price),
            on_sale_at: Timestamp::now() + SignedDuration::from_secs(rules.opens_in_seconds),
            hold_seconds: rules.hold_seconds,
            hold_seconds_max: 7_200,
            seats_per_hold_max: rules.seats_per_hold_max,
            seats_per_buyer_max: rules.seats_per_buyer_max,
        };
        import::publish(&self.pool, layout, &event).await.unwrap()
    }

    /// Waits until every event has an owner among the replicas, so that its live view answers.
    pub(crate) async fn until_owned(&self) {
        let events = self.events.len() as i64;
        let asked = "select count(*) from lease where key like 'event.%' and holder is not null and expires_at > clock_timestamp()";
        if matches!(self.replicas.first(), Some(Replica::Shipped(_))) {
            wait_until("an owner of every event", PATIENCE, || async {
                let owned = self.count(asked).await;
                if owned == events {
                    Ok(())
                } else {
                    Err(format!("{owned} of {events} events have an owner"))
                }
            })
            .await;
        }
    }

    /// The first event.
    pub(crate) fn event(&self) -> EventId {
        self.events[0]
    }

    /// Its name in RES.
    pub(crate) fn event_path(&self) -> String {
        livehouse_contract::path::event(self.events[0])
    }

    /// A client of the gateway; with a buyer's session, or a stranger's without one.
    pub(crate) async fn browser(&self, buyer: Option<BuyerId>) -> ResClient {
        let options =
            ConnectOptions { cookie: buyer.map(|buyer| self.cookie(buyer)), ..ConnectOptions::default() };
        ResClient::connect_with(&self.world.resgate().live_url(), options).await.unwrap()
    }

    /// The cookie of a buyer's session.
    pub(crate) fn cookie(&self, buyer: BuyerId) -> String {
        let key = Key::from_file(self.world.session_key_file()).unwrap();
        format!("{COOKIE}={}", key.sign(buyer, Timestamp::now()))
    }

    /// Holds seats as a new buyer.
    pub(crate) async fn hold(&self, seats: &[String]) -> (HoldId, BuyerId) {
        let buyer = BuyerId::generate();
        let params = serde_json::json!({"seats": seats, "key": buyer});
        let held = self.caller.insist(&self.event_path(), "hold", Some(buyer), params).await.result();
        (held["hold"].as_str().unwrap().parse().unwrap(), buyer)
    }

    /// Binds a hold to an order, as the orders service does.
    pub(crate) async fn claim(&self, order: OrderId, hold: HoldId, buyer: BuyerId) {
        let claim =
            serde_json::json!({"hold": hold, "buyer": buyer, "order": order}).to_string().into_bytes();
        let answer = self.client.request(CLAIM_HOLD, claim.into()).await.unwrap();
        let answer: serde_json::Value = serde_json::from_slice(&answer.payload).unwrap();
        assert!(answer.get("claimed").is_some(), "the claim was answered with {answer}");
    }

    /// Tells the fact that an order is paid, as the orders service does; every time as another fact.
    pub(crate) async fn tell_paid(&self, order: OrderId, hold: HoldId, buyer: BuyerId) {
        let fact = OrderPaid { order, hold, event: self.event(), buyer };
        let mut headers = async_nats::HeaderMap::new();
        headers.insert(FACT_ID_HEADER, FactId::generate().to_string().as_str());
        let payload = serde_json::to_vec(&fact).unwrap();
        let jetstream = async_nats::jetstream::new(self.client.clone());
        jetstream
            .publish_with_headers(OrderPaid::SUBJECT, headers, payload.into())
            .await
            .unwrap()
            .await
            .unwrap();
    }

    /// One number from the database.
    pub(crate) async fn count(&self, query: &str) -> i64 {
        self.pool.get().await.unwrap().query_one(query, &[]).await.unwrap().get(0)
    }

    /// Runs a statement as an operator would.
    pub(crate) async fn execute(&self, statement: &str) {
        self.pool.get().await.unwrap().batch_execute(statement).await.unwrap();
    }

    /// Waits until everything that happened so far was told.
    pub(crate) async fn until_all_is_told(&self) {
        wait_until("an empty outbox", PATIENCE, || async {
            let untold = self.count("select count(*) from outbox").await;
            if untold == 0 { Ok(()) } else { Err(format!("{untold} facts")) }
        })
        .await;
    }

    /// Waits until no overdue hold and no untold fact is left.
    pub(crate) async fn settled(&self) {
        wait_until("no overdue hold and no fact in the outbox", PATIENCE, || async {
            let connection = self.pool.get().await.map_err(|error| error.to_string())?;
            let asked = "select (select count(*) from hold where state = 'a' and expires_at <= clock_timestamp()), \
                         (select count(*) from outbox)";
            let row = connection.query_one(asked, &[]).await.map_err(|error| error.to_string())?;
            let (overdue, untold): (i64, i64) = (row.get(0), row.get(1));
            if overdue + untold == 0 { Ok(()) } else { Err(format!("{overdue} overdue holds, {untold} facts")) }
        })
        .await;
    }

    /// Waits until every hold has run out or was let go, so that nothing moves any more.
    pub(crate) async fn until_all_is_over(&self) {
        wait_until("the end of every hold", PATIENCE, || async {
            let active = self.count("select count(*) from hold where state = 'a'").await;
            if active == 0 { Ok(()) } else { Err(format!("{active} active holds")) }
        })
        .await;
        self.settled().await;
    }

    /// The operator's audit finds nothing.
    pub(crate) async fn audit(&self) {
        self.world.service("livehouse-tickets").argument("audit").argument("--json").run().await.unwrap();
    }

    /// Names of the invariants that the operator's audit finds violated.
    pub(crate) async fn violated(&self) -> Vec<String> {
        let Err(failed) = self.world.service("livehouse-tickets").argument("audit").run().await else {
            return Vec::new();
        };
        let text = format!("{failed:#}");
        let violated = text.lines().filter_map(|line| line.strip_prefix("VIOLATED"));
        violated.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
    }
}

/// The service built with switches for its guards.
async fn unguarded() -> PathBuf {
    static BUILT: OnceCell<PathBuf> = OnceCell::const_new();
    BUILT.get_or_init(|| async { tokio::task::spawn_blocking(build_unguarded).await.unwrap() }).await.clone()
}

fn build_unguarded() -> PathBuf {
    let output = cargo()
        .args([
            "build",
            "--quiet",
            "--message-format=json-render-diagnostics",
            "--package",
            "livehouse-tickets",
        ])
        .args(["--features", "negative-controls", "--bin", "livehouse-tickets-unguarded"])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "the service without guards does not build");
    let lines = String::from_utf8_lossy(&output.stdout);
    let messages = lines.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut built = messages.filter(|message| message["target"]["name"] == "livehouse-tickets-unguarded");
    built.find_map(|message| message["executable"].as_str().map(PathBuf::from)).unwrap()
}
