//! Where measurements take place: real servers, release builds of the services, and events with many seats.

use anyhow::Context;
use deadpool_postgres::Pool;
use jiff::Timestamp;
use livehouse_contract::id::{BuyerId, EventId};
use livehouse_contract::money::Currency;
use livehouse_contract::token::Token;
use livehouse_platform::{audit, postgres};
use livehouse_seating::{Category, Layout, Row, Seat, Section};
use livehouse_testkit::parts::{PostgresOptions, ResgateOptions};
use livehouse_testkit::{Service, World};
use livehouse_tickets::publish;
use livehouse_tickets::store::{self, import};
use serde_json::{Value, json};

/// Seats of a row in a measured hall.
const ROW_SEATS: usize = 50;
/// Rows of a section in a measured hall.
const SECTION_ROWS: usize = 20;

/// Files of the database's log, 16 MB each, that a measurement may fill.
const LOG_FILES: usize = 48;

/// Everything a measurement needs.
pub(crate) struct Theatre {
    pub(crate) world: World,
    pub(crate) pool: Pool,
    pub(crate) events: Vec<EventId>,
    pub(crate) services: Vec<Service>,
}

/// What is played.
pub(crate) struct Programme {
    /// Number of events.
    pub(crate) events: usize,
    /// Seats of each.
    pub(crate) seats: usize,
    /// How long a hold lasts.
    pub(crate) hold_seconds: i32,
    /// Is there a gateway, and somebody who knows its connections?
    pub(crate) gateway: bool,
    /// Processes of the tickets service.
    pub(crate) replicas: u8,
}

impl Theatre {
    /// Starts the servers, puts the events on sale, starts the services.
    pub(crate) async fn open(programme: &Programme) -> anyhow::Result<Self> {
        let kept_log = ("min_wal_size".to_owned(), format!("{}MB", 16 * LOG_FILES));
        let durable =
            PostgresOptions { durable: true, settings: vec![kept_log], ..PostgresOptions::default() };
        let mut builder = World::builder().nats().keydb().postgres("tickets").postgres_options(durable);
        if programme.gateway {
            builder = builder.resgate_with(ResgateOptions::default());
        }
        let world = builder.start().await?;
        let pool = postgres::pool_of(&world.postgres_url("tickets"), 4, "bench", "")?;
        store::migrate(&pool).await?;
        let layout = hall(programme.seats);
        let mut events = Vec::with_capacity(programme.events);
        for number in 0..programme.events {
            let event = new_event(number, &layout, programme.hold_seconds)?;
            events.push(import::publish(&pool, &layout, &event).await?);
        }
        settle(&pool).await?;
        let mut services = Vec::new();
        for replica in 1..=programme.replicas {
            let tickets = world.service("livehouse-tickets").release().replica(&format!("tickets-{replica}"));
            services.push(tickets.environment("LIVEHOUSE_LOG", "warn").start().await?);
        }
        if programme.gateway {
            services.push(
                world
                    .service("livehouse-identity")
                    .release()
                    .environment("LIVEHOUSE_LOG", "warn")
                    .start()
                    .await?,
            );
        }
        Ok(Self { world, pool, events, services })
    }

    /// Checks the invariants; answers how many are violated, and says which.
    pub(crate) async fn audit(&self) -> anyhow::Result<usize> {
        let findings = audit::run(&self.pool, &store::audit::INVARIANTS).await?;
        let violated: Vec<_> = findings.iter().filter(|finding| finding.violations > 0).collect();
        #[allow(clippy::print_stderr)]
        for finding in &violated {
            eprintln!("VIOLATED {}: {:?}", finding.invariant.name, finding.examples);
        }
        Ok(violated.len())
    }

    /// A connection to the broker.
    pub(crate) async fn client(&self) -> anyhow::Result<async_nats::Client> {
        async_nats::connect(self.world.nats().url()).await.context("cannot connect to the broker")
    }

    /// Resident memory of the first tickets process, in megabytes.
    pub(crate) fn tickets_megabytes(&self) -> anyhow::Result<f64> {
        let pid = self.services.first().context("the tickets service does not run")?.process().pid();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .context("no VmRSS in the process status")?;
        let kilobytes: f64 = line.split_whitespace().nth(1).context("no number in VmRSS")?.parse()?;
        Ok(kilobytes / 1_024.0)
    }
}

/// Brings a new database into the state of one that has been running: statistics are there, and files of the log
/// that have been written before, which a new database would make and fill with zeros in the middle of a measurement.
async fn settle(pool: &Pool) -> anyhow::Result<()> {
    let connection = pool.get().await?;
    for _ in 0..LOG_FILES {
        connection.batch_execute("select pg_logical_emit_message(true, 'bench', 'next file')").await?;
        connection.batch_execute("select pg_switch_wal()").await?;
    }
    // One at a time: several in one message would be one transaction, in which neither may run.
    for statement in ["vacuum analyze", "checkpoint"] {
        connection.batch_execute(statement).await?;
    }
    Ok(())
}

/// A plain hall of so many seats.
pub(crate) fn hall(seats: usize) -> Layout {
    let section_seats = ROW_SEATS * SECTION_ROWS;
    let sections = (0..seats.div_ceil(section_seats)).map(|section| {
        let rows = (0..SECTION_ROWS).map(|row| Row {
            id: format!("s{section}-r{row}"),
            label: row.to_string(),
            seats: (0..ROW_SEATS).map(|seat| hall_seat(section, row, seat)).collect(),
        });
        Section {
            id: format!("s{section}"),
            name: format!("Section {section}"),
            polygon: None,
            rows: rows.collect(),
            areas: vec![],
        }
    });
    let category = Category { id: "cat-1".to_owned(), name: "All".to_owned(), color: "#3366cc".to_owned() };
    let layout = Layout {
        id: String::new(),
        name: "Measured hall".to_owned(),
        size: [60.0 * ROW_SEATS as f64 * 10.0, 100_000.0],
        sections: sections.collect(),
        categories: vec![category],
        shapes: vec![],
    };
    layout.sealed()
}

fn hall_seat(section: usize, row: usize, seat: usize) -> Seat {
    let (column, line) = (section % 10, section / 10);
    Seat {
        id: seat_id(section, row, seat),
        label: seat.to_string(),
        x: (column * ROW_SEATS + seat) as f64 * 55.0 + 100.0,
        y: (line * SECTION_ROWS + row) as f64 * 90.0 + 100.0,
        category: "cat-1".to_owned(),
        attributes: vec![],
    }
}

fn seat_id(section: usize, row: usize, seat: usize) -> String {
    format!("s{section}-{row}-{seat}")
}

/// The id of a seat by its place among all seats of a hall.
pub(crate) fn nth_seat(number: usize) -> String {
    let (section, rest) = (number / (ROW_SEATS * SECTION_ROWS), number % (ROW_SEATS * SECTION_ROWS));
    seat_id(section, rest / ROW_SEATS, rest % ROW_SEATS)
}

fn new_event(number: usize, layout: &Layout, hold_seconds: i32) -> anyhow::Result<import::NewEvent> {
    Ok(import::NewEvent {
        slug: format!("measured-{number}"),
        name: format!("Measured {number}"),
        description: String::new(),
        venue: import::NewVenue { name: "Measured hall".to_owned(), ..import::NewVenue::default() },
        starts_at: publish::evening(90, "UTC", 20)?,
        time_zone: "UTC".to_owned(),
        currency: Currency::EUR,
        prices: publish::price_ladder(layout, 5_000),
        on_sale_at: Timestamp::now() - jiff::SignedDuration::from_secs(60),
        hold_seconds,
        hold_seconds_max: 7_200.max(hold_seconds),
        seats_per_hold_max: 10,
        // The measurements have few buyers with many holds each; the limit is tested elsewhere.
        seats_per_buyer_max: 100_000,
    })
}

/// The payload of a call as Resgate would send it, from a new guest.
pub(crate) fn call_payload(params: &Value) -> Vec<u8> {
    let token = Token::guest(BuyerId::generate());
    json!({"params": params, "token": token, "cid": "bench"}).to_string().into_bytes()
}

/// Parameters of a hold of these seats.
pub(crate) fn hold_params(seats: &[String]) -> Value {
    json!({"seats": seats, "key": BuyerId::generate()})
}
