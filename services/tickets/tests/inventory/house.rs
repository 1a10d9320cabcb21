//! A house to test in: an own database with one or more events, and the tickets service's parts around it.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::Pool;
use jiff::Timestamp;
use livehouse_contract::id::{BuyerId, EventId, HoldId, OrderId};
use livehouse_contract::money::Currency;
use livehouse_platform::audit;
use livehouse_platform::bus::outbox::Bell;
use livehouse_platform::postgres;
use livehouse_platform::stop::Tasks;
use livehouse_seating::{Layout, generate};
use livehouse_testkit::{Template, World, wait_until};
use livehouse_tickets::catalogue::{Catalogue, Event};
use livehouse_tickets::domain::command::{Command, Holder, Outcome, Place, Refusal};
use livehouse_tickets::domain::hold::{AreaItem, Hold, SeatItem};
use livehouse_tickets::inventory::{Inventory, Unavailable};
use livehouse_tickets::live::announce::Announcer;
use livehouse_tickets::store::import::{self, NewEvent, NewVenue};
use livehouse_tickets::{publish, store};
use tokio_util::sync::CancellationToken;

/// The migrated, empty database of the service.
pub(crate) const TICKETS: Template = Template {
    name: "tickets",
    migrate: |url| {
        Box::pin(async move { store::migrate(&postgres::pool_of(&url, 1, "template", "")?).await })
    },
};

/// A world with a database, a bus and the inventory over them.
pub(crate) struct House {
    pub(crate) world: World,
    pub(crate) pool: Pool,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) inventory: Inventory,
}

/// What of an event a test cares about.
pub(crate) struct Rules {
    pub(crate) layout: Layout,
    pub(crate) hold_seconds: i32,
    pub(crate) hold_seconds_max: i32,
    pub(crate) seats_per_hold_max: i32,
    pub(crate) seats_per_buyer_max: i32,
    pub(crate) opens_in_seconds: i64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            layout: generate::studio(),
            hold_seconds: 900,
            hold_seconds_max: 7_200,
            seats_per_hold_max: 10,
            seats_per_buyer_max: 20,
            opens_in_seconds: -60,
        }
    }
}

impl House {
    /// A house with the usual rules.
    pub(crate) async fn open() -> (Self, Arc<Event>) {
        Self::with(Rules::default()).await
    }

    /// A house with one event of these rules.
    pub(crate) async fn with(rules: Rules) -> (Self, Arc<Event>) {
        let world = World::builder().shared_nats().postgres_from("tickets", TICKETS).start().await.unwrap();
        let house = Self::around(world).await;
        let event = house.publish("test", rules).await;
        (house, event)
    }

    async fn around(world: World) -> Self {
        let pool = postgres::pool_of(&world.postgres_url("tickets"), 8, "test", "").unwrap();
        let catalogue = Arc::new(Catalogue::new(pool.clone()));
        let inventory = Self::inventory(&world, &pool, &catalogue).await;
        Self { world, pool, catalogue, inventory }
    }

    async fn inventory(world: &World, pool: &Pool, catalogue: &Arc<Catalogue>) -> Inventory {
        let client = async_nats::connect(world.nats().url()).await.unwrap();
        let tasks = Tasks::new(CancellationToken::new());
        let announcer = Announcer::start(client, catalogue.clone(), &tasks);
        Inventory::start(pool.clone(), catalogue.clone(), announcer, Bell::default(), 2, &tasks)
    }

    /// Another replica of the service over the same database.
    pub(crate) async fn replica(&self) -> Inventory {
        let pool = postgres::pool_of(&self.world.postgres_url("tickets"), 4, "replica", "").unwrap();
        let catalogue = Arc::new(Catalogue::new(pool.clone()));
        catalogue.reload().await.unwrap();
        Self::inventory(&self.world, &pool, &catalogue).await
    }

    /// Puts an event on sale.
    pub(crate) async fn publish(&self, slug: &str, rules: Rules) -> Arc<Event> {
        let event = NewEvent {
            slug: slug.to_owned(),
            name: slug.to_owned(),
            description: String::new(),
            venue: NewVenue { name: "Test house".to_owned(), ..NewVenue::default() },
            starts_at: publish::evening(30, "UTC", 20).unwrap(),
            time_zone: "UTC".to_owned(),
            currency: Currency::EUR,
            prices: publish::price_ladder(&rules.layout, 5_000),
            on_sale_at: Timestamp::now() + jiff::SignedDuration::from_secs(rules.opens_in_seconds),
            hold_seconds: rules.hold_seconds,
            hold_seconds_max: rules.hold_seconds_max,
            seats_per_hold_max: rules.seats_per_hold_max,
            seats_per_buyer_max: rules.seats_per_buyer_max,
        };
        let id: EventId = import::publish(&self.pool, &rules.layout, &event).await.unwrap();
        self.catalogue.reload().await.unwrap();
        self.catalogue.event(id).unwrap()
    }

    /// Every invariant holds.
    pub(crate) async fn audit(&self) {
        let findings = audit::run(&self.pool, &store::audit::INVARIANTS).await.unwrap();
        let violated: Vec<_> = findings.iter().filter(|finding| finding.violations > 0).collect();
        assert!(violated.is_empty(), "invariants are violated: {violated:#?}");
    }

    /// One number from the database.
    pub(crate) async fn count(&self, query: &str) -> i64 {
        self.pool.get().await.unwrap().query_one(query, &[]).await.unwrap().get(0)
    }

    /// Runs a statement as an operator would.
    pub(crate) async fn execute(&self, statement: &str) {
        self.pool.get().await.unwrap().batch_execute(statement).await.unwrap();
    }

    /// Locks the section of `seat` as a slow batch elsewhere would.
    pub(crate) async fn lock_section(&self, event: &Event, seat: u32) -> LockedSection {
        let connection = self.pool.get().await.unwrap();
        connection.batch_execute("begin").await.unwrap();
        let section = event.layout.index.seat(seat).unwrap().section.cast_signed();
        let lock = "select 1 from section where event = $1 and number = $2 for no key update";
        connection.query_one(lock, &[&event.row.number, &section]).await.unwrap();
        LockedSection(connection)
    }

    /// Waits until so many sessions wait for a lock.
    pub(crate) async fn until_waiting(&self, sessions: i64) {
        let waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'";
        wait_until("batches wait for the section", Duration::from_secs(10), || async {
            let found = self.count(waiting).await;
            if found == sessions { Ok(()) } else { Err(format!("{found} of {sessions} wait")) }
        })
        .await;
    }

    /// Waits until a hold's time is over by the database's clock.
    pub(crate) async fn until_over(&self, hold: &Hold) {
        let over = format!("select (clock_timestamp() >= '{}')::int::bigint", hold.expires_at);
        wait_until("the hold's time is over", Duration::from_secs(10), || async {
            if self.count(&over).await == 1 { Ok(()) } else { Err(format!("it ends at {}", hold.expires_at)) }
        })
        .await;
    }

    /// Moves a hold's expiry to now, as if its time had passed.
    pub(crate) async fn pass_time_of(&self, hold: HoldId) {
        let connection = self.pool.get().await.unwrap();
        let statement = "update hold set created_at = created_at - interval '1 hour', expires_at = clock_timestamp() where id = $1";
        connection.execute(statement, &[&hold.as_uuid()]).await.unwrap();
    }
}

/// A section that nobody else can change.
pub(crate) struct LockedSection(deadpool_postgres::Object);

impl LockedSection {
    /// Lets the others go on.
    pub(crate) async fn unlock(self) {
        self.0.batch_execute("rollback").await.unwrap();
    }
}

/// A wish for these seats, priced, with a key of its own.
pub(crate) fn wish(event: &Event, buyer: BuyerId, seats: &[u32]) -> Place {
    let items = seats.iter().map(|seat| {
        let place = event.layout.index.seat(*seat).unwrap();
        SeatItem { seat: *seat, section: place.section, price: event.price(place.category).unwrap() }
    });
    let hold = HoldId::generate();
    Place {
        hold,
        event: event.row.number,
        event_version: event.row.rules.version,
        buyer,
        key: hold.to_string(),
        fingerprint: hold.as_uuid(),
        seats: items.collect(),
        areas: Vec::new(),
        replaces: None,
    }
}

/// A wish for units of the event's first area.
pub(crate) fn area_wish(event: &Event, buyer: BuyerId, units: u32) -> Place {
    let area = event.layout.index.section_count();
    let price = event.price(event.layout.area_category(area)).unwrap();
    Place { areas: vec![AreaItem { area, units, price }], ..wish(event, buyer, &[]) }
}

/// The hold, or a panic with the refusal.
pub(crate) fn held(outcome: Result<Outcome, Unavailable>) -> Hold {
    match outcome {
        Ok(Outcome::Done(hold)) => hold,
        other => panic!("expected a hold, got {other:?}"),
    }
}

/// The refusal, or a panic with the hold.
pub(crate) fn refused(outcome: Result<Outcome, Unavailable>) -> Refusal {
    match outcome {
        Ok(Outcome::Refused(refusal)) => refusal,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

/// Lets a hold go as its buyer.
pub(crate) fn release(hold: &Hold) -> Command {
    Command::Release { hold: hold.id, by: Holder::Buyer(hold.buyer) }
}

/// Binds a hold to a new order and sells it.
pub(crate) async fn sell(inventory: &Inventory, hold: &Hold) -> Result<Outcome, Unavailable> {
    let order = OrderId::generate();
    held(inventory.ask(Command::Claim { hold: hold.id, buyer: hold.buyer, order }).await);
    inventory.ask(Command::Sell { hold: hold.id, order }).await
}

/// Long enough for anything on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
