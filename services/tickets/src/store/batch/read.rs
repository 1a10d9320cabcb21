//! Reading the world of a batch: one flight of statements behind the section locks.

use std::collections::{BTreeSet, HashMap};

use deadpool_postgres::Object;
use futures::future::try_join_all;
use livehouse_contract::id::{BuyerId, HoldId};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};
use uuid::Uuid;

use super::rows::Places;
use super::{Error, rows};
use crate::domain::command::{Command, Place};
use crate::domain::hold::Hold;
use crate::domain::world::{Claim, Request, Seat, Section, SectionKey, World};
use crate::guard::Guard;

/// The statements of a batch, prepared once a connection.
struct Statements {
    lock_sections: Statement,
    read_seats: Statement,
    read_holds: Statement,
    read_requests: Statement,
    read_allowances: Statement,
    read_events: Statement,
    read_overdue: Statement,
}

impl Statements {
    async fn prepare(connection: &Object) -> Result<Self, tokio_postgres::Error> {
        Ok(Self {
            lock_sections: connection.prepare_cached(include_str!("lock_sections.sql")).await?,
            read_seats: connection.prepare_cached(include_str!("read_seats.sql")).await?,
            read_holds: connection.prepare_cached(include_str!("read_holds.sql")).await?,
            read_requests: connection.prepare_cached(include_str!("read_requests.sql")).await?,
            read_allowances: connection.prepare_cached(include_str!("read_allowances.sql")).await?,
            read_events: connection.prepare_cached(include_str!("read_events.sql")).await?,
            read_overdue: connection.prepare_cached(include_str!("read_overdue.sql")).await?,
        })
    }
}

/// The holds of these ids, as they are now and without a lock.
pub(super) async fn holds(connection: &Object, ids: &BTreeSet<HoldId>) -> Result<Vec<Hold>, Error> {
    let statement = connection.prepare_cached(include_str!("read_holds.sql")).await?;
    let ids: Vec<Uuid> = ids.iter().map(HoldId::as_uuid).collect();
    Ok(connection.query(&statement, &[&ids]).await?.iter().map(rows::hold).collect::<Result<_, _>>()?)
}

/// What the statements ask for, as columns.
struct Wanted {
    section_events: Vec<i32>,
    section_numbers: Vec<i16>,
    seat_events: Vec<i32>,
    seats: Vec<i32>,
    holds: Vec<Uuid>,
    buyers: Vec<Uuid>,
    keys: Vec<String>,
    allowance_events: Vec<i32>,
    allowance_buyers: Vec<Uuid>,
    events: Vec<i32>,
    area_events: Vec<i32>,
}

impl Wanted {
    fn collect(
        commands: &[&Command],
        named: &BTreeSet<HoldId>,
        sections: &BTreeSet<SectionKey>,
        held: &[Hold],
    ) -> Self {
        let places: Vec<&Place> = commands
            .iter()
            .filter_map(|command| match command {
                Command::Place(place) => Some(place),
                _ => None,
            })
            .collect();
        let placed = places.iter().flat_map(|place| place.seats.iter().map(|item| (place.event, item.seat)));
        let kept = held.iter().flat_map(|hold| hold.seats.iter().map(|item| (hold.event, item.seat)));
        let seats: BTreeSet<(i32, u32)> = placed.chain(kept).collect();
        let requests: BTreeSet<(Uuid, &str)> =
            places.iter().map(|place| (place.buyer.as_uuid(), place.key.as_str())).collect();
        let buyers = places.iter().map(|place| (place.event, place.buyer.as_uuid()));
        let allowances: BTreeSet<(i32, Uuid)> =
            buyers.chain(held.iter().map(|hold| (hold.event, hold.buyer.as_uuid()))).collect();
        let events: BTreeSet<i32> =
            places.iter().map(|place| place.event).chain(held.iter().map(|hold| hold.event)).collect();
        let area_places = places.iter().filter(|place| !place.areas.is_empty()).map(|place| place.event);
        let area_holds = held.iter().filter(|hold| !hold.areas.is_empty()).map(|hold| hold.event);
        let area_events: BTreeSet<i32> = area_places.chain(area_holds).collect();
        Self {
            section_events: sections.iter().map(|key| key.0).collect(),
            section_numbers: sections.iter().map(|key| key.1.cast_signed()).collect(),
            seat_events: seats.iter().map(|key| key.0).collect(),
            seats: seats.iter().map(|key| key.1.cast_signed()).collect(),
            holds: named.iter().map(HoldId::as_uuid).collect(),
            buyers: requests.iter().map(|key| key.0).collect(),
            keys: requests.iter().map(|key| key.1.to_owned()).collect(),
            allowance_events: allowances.iter().map(|key| key.0).collect(),
            allowance_buyers: allowances.iter().map(|key| key.1).collect(),
            events: events.into_iter().collect(),
            area_events: area_events.into_iter().collect(),
        }
    }
}

/// Locks `sections` and reads everything that `commands` are about. The statements go out together; each sees what
/// was committed before it ran, so all that follow the first see what its locks protect.
pub(super) async fn world(
    connection: &Object,
    commands: &[&Command],
    named: &BTreeSet<HoldId>,
    sections: &BTreeSet<SectionKey>,
    held: &[Hold],
) -> Result<(World, Places), Error> {
    let statements = Statements::prepare(connection).await?;
    let wanted = Wanted::collect(commands, named, sections, held);
    let queries: [(&Statement, &[&(dyn ToSql + Sync)]); 7] = [
        (&statements.lock_sections, &[&wanted.section_events, &wanted.section_numbers]),
        (&statements.read_events, &[&wanted.events]),
        (&statements.read_seats, &[&wanted.seat_events, &wanted.seats]),
        (&statements.read_holds, &[&wanted.holds]),
        (&statements.read_requests, &[&wanted.buyers, &wanted.keys]),
        (&statements.read_allowances, &[&wanted.allowance_events, &wanted.allowance_buyers]),
        (&statements.read_overdue, &[&wanted.area_events]),
    ];
    // Most batches name no holds and no areas: what has nothing to ask for is not sent.
    let is_asked = [true, true, true, !named.is_empty(), true, true, !wanted.area_events.is_empty()];
    // Polled in order the first time, which is the order in which they are sent.
    let reads =
        try_join_all(queries.into_iter().zip(is_asked).map(|((statement, values), is_asked)| async move {
            if is_asked { connection.query(statement, values).await } else { Ok(Vec::new()) }
        }));
    let ((), answers) = futures::future::try_join(connection.batch_execute("begin"), reads).await?;
    let (mut world, places) = assemble(&answers)?;
    let answered: BTreeSet<HoldId> = world.requests.values().map(|request| request.hold).collect();
    if !answered.is_empty() {
        // Requests that were made before are answered again, which is rare.
        world.holds.extend(holds(connection, &answered).await?.into_iter().map(|hold| (hold.id, hold)));
    }
    Ok((world, places))
}

fn assemble(answers: &[Vec<Row>]) -> anyhow::Result<(World, Places)> {
    let [sections, events, seats, named, requests, allowances, overdue] = answers else {
        anyhow::bail!("a batch got {} answers to its seven questions", answers.len());
    };
    let now =
        events.first().map(|row| row.get("now")).ok_or_else(|| anyhow::anyhow!("no clock in the answer"))?;
    let mut world = World { now, ..World::default() };
    let mut places = Places::default();
    for row in sections {
        let section = Section {
            seq: row.get("seq"),
            capacity: row.get("capacity"),
            held: row.get("held"),
            sold: row.get("sold"),
            blocked: row.get("blocked"),
        };
        let key = (row.get("event"), row.get::<_, i16>("number").cast_unsigned());
        world.sections.insert(key, section);
        places.note_section(key, row);
    }
    for row in seats {
        let state = if Guard::SeatsAreLookedAt.is_off() { Seat::Free } else { rows::seat(row)? };
        let key = (row.get("event"), row.get::<_, i32>("seat").cast_unsigned());
        world.seats.insert(key, state);
        places.note_seat(key, row);
        if let (Some(hold), Some(buyer)) = (row.get("hold"), row.get("buyer")) {
            let claim = Claim { buyer: BuyerId::from_uuid(buyer), expires_at: row.get("expires_at") };
            world.claims.insert(HoldId::from_uuid(hold), claim);
        }
    }
    for row in named {
        let hold = rows::hold(row)?;
        world.holds.insert(hold.id, hold);
    }
    for row in requests {
        let request =
            Request { fingerprint: row.get("fingerprint"), hold: HoldId::from_uuid(row.get("hold")) };
        world.requests.insert((BuyerId::from_uuid(row.get("buyer")), row.get("key")), request);
    }
    for row in allowances {
        world.allowances.insert((row.get("event"), BuyerId::from_uuid(row.get("buyer"))), row.get("units"));
    }
    for row in events.iter().filter(|row| row.get::<_, Option<i32>>("number").is_some()) {
        world.events.insert(row.get("number"), rows::rules(row)?);
    }
    let mut by_event: HashMap<i32, Vec<HoldId>> = HashMap::new();
    for row in overdue {
        by_event.entry(row.get("event")).or_default().push(HoldId::from_uuid(row.get("id")));
    }
    world.overdue = by_event;
    Ok((world, places))
}
