//! Writing what a batch decided, and its commit, in one flight. Every statement knows how many rows it must touch and
//! fails the transaction otherwise, so nothing surprising is ever committed.

use std::borrow::Cow;
use std::fmt::Write as _;

use deadpool_postgres::Object;
use futures::future::{BoxFuture, join_all};
use jiff::Timestamp;
use livehouse_platform::bus::outbox;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::rows::{Place, Places};
use super::{Error, facts};
use crate::catalogue::Catalogue;
use crate::domain::hold::Hold;
use crate::domain::world::{Changes, Seat, World};
use crate::guard::Guard;

type Written<'a> = BoxFuture<'a, Result<(), tokio_postgres::Error>>;

/// Writes everything in `world.changes` and commits.
pub(super) async fn changes(
    connection: &Object,
    catalogue: &Catalogue,
    world: &World,
    places: &Places,
) -> Result<(), Error> {
    let changes = &world.changes;
    let facts = facts::of(catalogue, world)?;
    let seats = SeatRows::collect(changes, places)?;
    let sections = SectionRows::collect(changes, places)?;
    let next = HoldRows::changed(world);
    // Sections and known allowances are locked already; then seats, new allowances, holds, requests, tickets, outbox,
    // always in this order.
    let writes: Vec<Written<'_>> = vec![
        Box::pin(free_seats(connection, &seats.freed)),
        Box::pin(take_seats(connection, &seats.taken)),
        Box::pin(sell_seats(connection, &seats.sold)),
        Box::pin(count_sections(connection, &sections)),
        Box::pin(place_holds(connection, world)),
        Box::pin(change_holds(connection, &next)),
        Box::pin(return_allowances(connection, changes)),
        Box::pin(issue_tickets(connection, changes)),
        Box::pin(write_facts(connection, &facts)),
        Box::pin(async { connection.batch_execute("commit").await }),
    ];
    prepare(connection).await?;
    // Polled in order the first time, which is the order in which they are sent. All are awaited, so that the
    // connection is quiet again whatever happened.
    for written in join_all(writes).await {
        written?;
    }
    Ok(())
}

const FREE_SEATS: &str = include_str!("free_seats.sql");
const TAKE_SEATS: &str = include_str!("take_seats.sql");
const SELL_SEATS: &str = include_str!("sell_seats.sql");
const COUNT_SECTIONS: &str = include_str!("count_sections.sql");
const PLACE_HOLDS: &str = include_str!("place_holds.sql");
const CHANGE_HOLDS: &str = include_str!("change_holds.sql");
const RETURN_ALLOWANCES: &str = include_str!("return_allowances.sql");
const ISSUE_TICKETS: &str = include_str!("issue_tickets.sql");

/// Prepares what was not prepared on this connection before; afterwards no statement waits for another.
async fn prepare(connection: &Object) -> Result<(), tokio_postgres::Error> {
    for statement in [
        FREE_SEATS,
        &take_seats_statement(),
        SELL_SEATS,
        COUNT_SECTIONS,
        PLACE_HOLDS,
        CHANGE_HOLDS,
        RETURN_ALLOWANCES,
        ISSUE_TICKETS,
        outbox::APPEND,
    ] {
        connection.prepare_cached(statement).await?;
    }
    Ok(())
}

async fn run(
    connection: &Object,
    statement: &str,
    values: &[&(dyn ToSql + Sync)],
) -> Result<(), tokio_postgres::Error> {
    let statement = connection.prepare_cached(statement).await?;
    connection.query(&statement, values).await.map(drop)
}

/// Seats that change in one way, as columns.
#[derive(Default)]
struct SeatColumns {
    places: Vec<Place>,
    letters: Vec<&'static str>,
    holds: Vec<Uuid>,
}

/// Changed seats by what happens to them.
#[derive(Default)]
struct SeatRows {
    freed: SeatColumns,
    taken: SeatColumns,
    sold: SeatColumns,
}

impl SeatRows {
    fn collect(changes: &Changes, places: &Places) -> anyhow::Result<Self> {
        let mut rows = Self::default();
        for (key, change) in &changes.seats {
            let (columns, letter, hold) = match change {
                (Seat::Held(hold), Seat::Free) => (&mut rows.freed, "f", hold),
                (Seat::Free, Seat::Held(hold)) => (&mut rows.taken, "h", hold),
                (Seat::Free, Seat::Sold(hold)) => (&mut rows.taken, "s", hold),
                (Seat::Held(_), Seat::Sold(hold)) => (&mut rows.sold, "s", hold),
                (Seat::Sold(before), Seat::Sold(after)) if before == after => continue,
                (before, after) => {
                    anyhow::bail!("seat {} of event {} cannot go from {before:?} to {after:?}", key.1, key.0)
                }
            };
            columns.places.push(places.seat(key)?);
            columns.letters.push(letter);
            columns.holds.push(hold.as_uuid());
        }
        Ok(rows)
    }
}

async fn free_seats(connection: &Object, seats: &SeatColumns) -> Result<(), tokio_postgres::Error> {
    if seats.places.is_empty() {
        return Ok(());
    }
    run(connection, FREE_SEATS, &[&seats.places, &seats.holds, &(seats.places.len() as i64)]).await
}

async fn take_seats(connection: &Object, seats: &SeatColumns) -> Result<(), tokio_postgres::Error> {
    if seats.places.is_empty() {
        return Ok(());
    }
    let values: [&(dyn ToSql + Sync); 4] =
        [&seats.places, &seats.letters, &seats.holds, &(seats.places.len() as i64)];
    run(connection, &take_seats_statement(), &values).await
}

fn take_seats_statement() -> Cow<'static, str> {
    if Guard::OnlyFreeSeatsAreTaken.is_off() {
        return TAKE_SEATS.replace("and seat.state = 'f'", "").into();
    }
    TAKE_SEATS.into()
}

async fn sell_seats(connection: &Object, seats: &SeatColumns) -> Result<(), tokio_postgres::Error> {
    if seats.places.is_empty() {
        return Ok(());
    }
    run(connection, SELL_SEATS, &[&seats.places, &seats.holds, &(seats.places.len() as i64)]).await
}

/// Changed sections as columns.
#[derive(Default)]
struct SectionRows {
    places: Vec<Place>,
    held: Vec<i32>,
    sold: Vec<i32>,
}

impl SectionRows {
    fn collect(changes: &Changes, places: &Places) -> anyhow::Result<Self> {
        let mut rows = Self::default();
        for (key, by) in &changes.sections {
            rows.places.push(places.section(key)?);
            rows.held.push(by.held);
            rows.sold.push(by.sold);
        }
        Ok(rows)
    }
}

async fn count_sections(connection: &Object, sections: &SectionRows) -> Result<(), tokio_postgres::Error> {
    if sections.places.is_empty() {
        return Ok(());
    }
    let count = sections.places.len() as i64;
    run(connection, COUNT_SECTIONS, &[&sections.places, &sections.held, &sections.sold, &count]).await
}

/// Holds as columns. Lists within a hold travel as text, because arrays of arrays of different lengths do not exist.
#[derive(Default)]
struct HoldRows {
    ids: Vec<Uuid>,
    events: Vec<i32>,
    buyers: Vec<Uuid>,
    states: Vec<String>,
    seats: Vec<String>,
    seat_sections: Vec<String>,
    seat_prices: Vec<String>,
    areas: Vec<String>,
    area_units: Vec<String>,
    area_prices: Vec<String>,
    expires_at: Vec<Timestamp>,
    hard_deadlines: Vec<Timestamp>,
    orders: Vec<Option<Uuid>>,
    versions: Vec<i64>,
}

impl HoldRows {
    fn placed(world: &World) -> Self {
        Self::collect(world.changes.placed.iter().filter_map(|id| world.holds.get(id)))
    }

    fn changed(world: &World) -> Self {
        Self::collect(world.changes.changed.keys().filter_map(|id| world.holds.get(id)))
    }

    fn collect<'a>(holds: impl Iterator<Item = &'a Hold>) -> Self {
        let mut rows = Self::default();
        for hold in holds {
            rows.ids.push(hold.id.as_uuid());
            rows.events.push(hold.event);
            rows.buyers.push(hold.buyer.as_uuid());
            rows.states.push(char::from(hold.state.letter().cast_unsigned()).to_string());
            rows.seats.push(list(hold.seats.iter().map(|item| item.seat)));
            rows.seat_sections.push(list(hold.seats.iter().map(|item| item.section)));
            rows.seat_prices.push(list(hold.seats.iter().map(|item| item.price)));
            rows.areas.push(list(hold.areas.iter().map(|item| item.area)));
            rows.area_units.push(list(hold.areas.iter().map(|item| item.units)));
            rows.area_prices.push(list(hold.areas.iter().map(|item| item.price)));
            rows.expires_at.push(hold.expires_at);
            rows.hard_deadlines.push(hold.hard_deadline);
            rows.orders.push(hold.order.map(|order| order.as_uuid()));
            rows.versions.push(hold.version);
        }
        rows
    }
}

/// `{1,2,3}`
fn list<T: std::fmt::Display>(items: impl Iterator<Item = T>) -> String {
    let mut text = String::from("{");
    for (position, item) in items.enumerate() {
        let comma = if position == 0 { "" } else { "," };
        // Writing to a string cannot fail.
        let _ = write!(text, "{comma}{item}");
    }
    text.push('}');
    text
}

async fn place_holds(connection: &Object, world: &World) -> Result<(), tokio_postgres::Error> {
    let changes = &world.changes;
    let holds = HoldRows::placed(world);
    let requests = RequestRows::collect(changes);
    let more = AllowanceRows::collect(changes, |by| by > 0);
    if holds.ids.is_empty() && requests.buyers.is_empty() && more.events.is_empty() {
        return Ok(());
    }
    run(
        connection,
        PLACE_HOLDS,
        &[
            &holds.ids,
            &holds.events,
            &holds.buyers,
            &holds.seats,
            &holds.seat_sections,
            &holds.seat_prices,
            &holds.areas,
            &holds.area_units,
            &holds.area_prices,
            &world.now,
            &holds.expires_at,
            &holds.hard_deadlines,
            &requests.buyers,
            &requests.keys,
            &requests.fingerprints,
            &requests.holds,
            &more.events,
            &more.buyers,
            &more.units,
            &more.units_max,
        ],
    )
    .await
}

async fn change_holds(connection: &Object, rows: &HoldRows) -> Result<(), tokio_postgres::Error> {
    if rows.ids.is_empty() {
        return Ok(());
    }
    run(
        connection,
        CHANGE_HOLDS,
        &[
            &rows.ids,
            &rows.states,
            &rows.seats,
            &rows.seat_sections,
            &rows.seat_prices,
            &rows.areas,
            &rows.area_units,
            &rows.area_prices,
            &rows.expires_at,
            &rows.orders,
            &rows.versions,
            &(rows.ids.len() as i64),
        ],
    )
    .await
}

/// Requests as columns.
#[derive(Default)]
struct RequestRows<'a> {
    buyers: Vec<Uuid>,
    keys: Vec<&'a str>,
    fingerprints: Vec<Uuid>,
    holds: Vec<Uuid>,
}

impl<'a> RequestRows<'a> {
    fn collect(changes: &'a Changes) -> Self {
        let mut rows = Self::default();
        for ((buyer, key), request) in &changes.requests {
            rows.buyers.push(buyer.as_uuid());
            rows.keys.push(key);
            rows.fingerprints.push(request.fingerprint);
            rows.holds.push(request.hold.as_uuid());
        }
        rows
    }
}

/// Changes of what buyers have, as columns; `units` without their sign.
#[derive(Default)]
struct AllowanceRows {
    events: Vec<i32>,
    buyers: Vec<Uuid>,
    units: Vec<i32>,
    units_max: Vec<i32>,
}

impl AllowanceRows {
    fn collect(changes: &Changes, fits: impl Fn(i32) -> bool) -> Self {
        let mut rows = Self::default();
        for ((event, buyer), (by, max)) in changes.allowances.iter().filter(|(_, (by, _))| fits(*by)) {
            rows.events.push(*event);
            rows.buyers.push(buyer.as_uuid());
            rows.units.push(by.abs());
            rows.units_max.push(max.cast_signed());
        }
        rows
    }
}

async fn return_allowances(connection: &Object, changes: &Changes) -> Result<(), tokio_postgres::Error> {
    let less = AllowanceRows::collect(changes, |by| by < 0);
    if less.events.is_empty() {
        return Ok(());
    }
    let count = less.events.len() as i64;
    run(connection, RETURN_ALLOWANCES, &[&less.events, &less.buyers, &less.units, &count]).await
}

async fn issue_tickets(connection: &Object, changes: &Changes) -> Result<(), tokio_postgres::Error> {
    if changes.tickets.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = changes.tickets.iter().map(|issue| issue.ticket.as_uuid()).collect();
    let events: Vec<i32> = changes.tickets.iter().map(|issue| issue.event).collect();
    let seats: Vec<Option<i32>> =
        changes.tickets.iter().map(|issue| issue.seat.map(u32::cast_signed)).collect();
    let areas: Vec<Option<i16>> =
        changes.tickets.iter().map(|issue| issue.area.map(u16::cast_signed)).collect();
    let holds: Vec<Uuid> = changes.tickets.iter().map(|issue| issue.hold.as_uuid()).collect();
    let orders: Vec<Uuid> = changes.tickets.iter().map(|issue| issue.order.as_uuid()).collect();
    run(connection, ISSUE_TICKETS, &[&ids, &events, &seats, &areas, &holds, &orders]).await
}

async fn write_facts(connection: &Object, facts: &outbox::Facts) -> Result<(), tokio_postgres::Error> {
    let client: &deadpool_postgres::Client = connection;
    facts.write(client).await
}
