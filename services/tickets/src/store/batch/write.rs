//! Writing what a batch decided, and its commit, in one flight. Every statement knows how many rows it must touch and
//! fails the transaction otherwise, so nothing surprising is ever committed.

use std::fmt::Write as _;

use deadpool_postgres::Object;
use futures::future::{BoxFuture, join_all};
use jiff::Timestamp;
use livehouse_contract::id::HoldId;
use livehouse_platform::bus::outbox;
use uuid::Uuid;

use super::{Error, facts};
use crate::catalogue::Catalogue;
use crate::domain::hold::Hold;
use crate::domain::world::{Changes, Seat, World};
use crate::guard::Guard;

type Written<'a> = BoxFuture<'a, Result<(), tokio_postgres::Error>>;

/// Writes everything in `world.changes` and commits.
pub(super) async fn changes(connection: &Object, catalogue: &Catalogue, world: &World) -> Result<(), Error> {
    let changes = &world.changes;
    let facts = facts::of(catalogue, world)?;
    let rows = HoldRows::placed(world);
    let next = HoldRows::changed(world);
    // Sections are locked already; then seats, holds, requests, allowances, tickets, outbox, always in this order.
    let writes: Vec<Written<'_>> = vec![
        Box::pin(free_seats(connection, changes)),
        Box::pin(take_seats(connection, changes)),
        Box::pin(sell_seats(connection, changes)),
        Box::pin(count_sections(connection, changes)),
        Box::pin(place_holds(connection, &rows, world.now)),
        Box::pin(change_holds(connection, &next)),
        Box::pin(remember_requests(connection, changes)),
        Box::pin(count_allowances(connection, changes)),
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

const STATEMENTS: [&str; 10] = [
    include_str!("free_seats.sql"),
    include_str!("take_seats.sql"),
    include_str!("sell_seats.sql"),
    include_str!("count_sections.sql"),
    include_str!("place_holds.sql"),
    include_str!("change_holds.sql"),
    include_str!("remember_requests.sql"),
    include_str!("count_allowances.sql"),
    include_str!("return_allowances.sql"),
    include_str!("issue_tickets.sql"),
];

/// Prepares what was not prepared on this connection before; afterwards no statement waits for another.
async fn prepare(connection: &Object) -> Result<(), tokio_postgres::Error> {
    for statement in STATEMENTS {
        connection.prepare_cached(statement).await?;
    }
    connection.prepare_cached(outbox::APPEND).await?;
    Ok(())
}

async fn run(
    connection: &Object,
    statement: &str,
    values: &[&(dyn tokio_postgres::types::ToSql + Sync)],
) -> Result<(), tokio_postgres::Error> {
    let statement = connection.prepare_cached(statement).await?;
    connection.query(&statement, values).await.map(drop)
}

/// Seats that end in one way, as columns: events, seats, holds.
fn seats_where(
    changes: &Changes,
    fits: impl Fn(Seat, Seat) -> Option<HoldId>,
) -> (Vec<i32>, Vec<i32>, Vec<Uuid>) {
    let mut columns = (Vec::new(), Vec::new(), Vec::new());
    for ((event, seat), (before, after)) in &changes.seats {
        if let Some(hold) = fits(*before, *after) {
            columns.0.push(*event);
            columns.1.push(seat.cast_signed());
            columns.2.push(hold.as_uuid());
        }
    }
    columns
}

async fn free_seats(connection: &Object, changes: &Changes) -> Result<(), tokio_postgres::Error> {
    let (events, seats, holds) = seats_where(changes, |before, after| match (before, after) {
        (Seat::Held(hold), Seat::Free) => Some(hold),
        _ => None,
    });
    if events.is_empty() {
        return Ok(());
    }
    run(connection, STATEMENTS[0], &[&events, &seats, &holds, &(events.len() as i64)]).await
}

async fn take_seats(connection: &Object, changes: &Changes) -> Result<(), tokio_postgres::Error> {
    let letters: Vec<&str> = changes
        .seats
        .values()
        .filter_map(|(before, after)| match (before, after) {
            (Seat::Free, Seat::Held(_)) => Some("h"),
            (Seat::Free, Seat::Sold(_)) => Some("s"),
            _ => None,
        })
        .collect();
    let (events, seats, holds) = seats_where(changes, |before, after| match (before, after) {
        (Seat::Free, Seat::Held(hold) | Seat::Sold(hold)) => Some(hold),
        _ => None,
    });
    if events.is_empty() {
        return Ok(());
    }
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
        [&events, &seats, &letters, &holds, &(events.len() as i64)];
    if Guard::OnlyFreeSeatsAreTaken.is_off() {
        return run(connection, &STATEMENTS[1].replace("and seat.state = 'f'", ""), &values).await;
    }
    run(connection, STATEMENTS[1], &values).await
}

async fn sell_seats(connection: &Object, changes: &Changes) -> Result<(), tokio_postgres::Error> {
    let (events, seats, holds) = seats_where(changes, |before, after| match (before, after) {
        (Seat::Held(_), Seat::Sold(hold)) => Some(hold),
        _ => None,
    });
    if events.is_empty() {
        return Ok(());
    }
    run(connection, STATEMENTS[2], &[&events, &seats, &holds, &(events.len() as i64)]).await
}

async fn count_sections(connection: &Object, changes: &Changes) -> Result<(), tokio_postgres::Error> {
    if changes.sections.is_empty() {
        return Ok(());
    }
    let events: Vec<i32> = changes.sections.keys().map(|key| key.0).collect();
    let numbers: Vec<i16> = changes.sections.keys().map(|key| key.1.cast_signed()).collect();
    let held: Vec<i32> = changes.sections.values().map(|by| by.held).collect();
    let sold: Vec<i32> = changes.sections.values().map(|by| by.sold).collect();
    run(connection, STATEMENTS[3], &[&events, &numbers, &held, &sold, &(events.len() as i64)]).await
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

async fn place_holds(
    connection: &Object,
    rows: &HoldRows,
    now: Timestamp,
) -> Result<(), tokio_postgres::Error> {
    if rows.ids.is_empty() {
        return Ok(());
    }
    run(
        connection,
        STATEMENTS[4],
        &[
            &rows.ids,
            &rows.events,
            &rows.buyers,
            &rows.seats,
            &rows.seat_sections,
            &rows.seat_prices,
            &rows.areas,
            &rows.area_units,
            &rows.area_prices,
            &now,
            &rows.expires_at,
            &rows.hard_deadlines,
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
        STATEMENTS[5],
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

async fn remember_requests(connection: &Object, changes: &Changes) -> Result<(), tokio_postgres::Error> {
    if changes.requests.is_empty() {
        return Ok(());
    }
    let buyers: Vec<Uuid> = changes.requests.keys().map(|key| key.0.as_uuid()).collect();
    let keys: Vec<&str> = changes.requests.keys().map(|key| key.1.as_str()).collect();
    let fingerprints: Vec<Uuid> = changes.requests.values().map(|request| request.fingerprint).collect();
    let holds: Vec<Uuid> = changes.requests.values().map(|request| request.hold.as_uuid()).collect();
    run(connection, STATEMENTS[6], &[&buyers, &keys, &fingerprints, &holds]).await
}

async fn count_allowances(connection: &Object, changes: &Changes) -> Result<(), tokio_postgres::Error> {
    let more = || changes.allowances.iter().filter(|(_, (by, _))| *by > 0);
    let events: Vec<i32> = more().map(|(key, _)| key.0).collect();
    if events.is_empty() {
        return Ok(());
    }
    let buyers: Vec<Uuid> = more().map(|(key, _)| key.1.as_uuid()).collect();
    let by: Vec<i32> = more().map(|(_, (by, _))| *by).collect();
    let max: Vec<i32> = more().map(|(_, (_, max))| max.cast_signed()).collect();
    run(connection, STATEMENTS[7], &[&events, &buyers, &by, &max]).await
}

async fn return_allowances(connection: &Object, changes: &Changes) -> Result<(), tokio_postgres::Error> {
    let less = || changes.allowances.iter().filter(|(_, (by, _))| *by < 0);
    let events: Vec<i32> = less().map(|(key, _)| key.0).collect();
    if events.is_empty() {
        return Ok(());
    }
    let buyers: Vec<Uuid> = less().map(|(key, _)| key.1.as_uuid()).collect();
    let by: Vec<i32> = less().map(|(_, (by, _))| -*by).collect();
    run(connection, STATEMENTS[8], &[&events, &buyers, &by, &(events.len() as i64)]).await
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
    run(connection, STATEMENTS[9], &[&ids, &events, &seats, &areas, &holds, &orders]).await
}

async fn write_facts(connection: &Object, facts: &outbox::Facts) -> Result<(), tokio_postgres::Error> {
    let client: &deadpool_postgres::Client = connection;
    facts.write(client).await
}
