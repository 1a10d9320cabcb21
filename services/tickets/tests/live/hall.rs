//! A hall of many small sections, in which everybody meets everybody, and what the database says of it.

use std::collections::BTreeMap;

use deadpool_postgres::Pool;
use livehouse_contract::id::EventId;
use livehouse_contract::path;
use livehouse_seating::{Area, Category, Layout, Row, Seat, Section};
use serde_json::{Map, Value, json};

/// Sections of seats.
pub(crate) const SECTIONS: usize = 40;
/// Rows of a section.
pub(crate) const ROWS: usize = 2;
/// Seats of a row.
pub(crate) const SEATS: usize = 10;
/// Areas without seats.
pub(crate) const AREAS: usize = 3;
/// Units of an area.
pub(crate) const CAPACITY: u32 = 200;

/// The layout: 40 sections of 2 rows with 10 seats, and 3 areas.
pub(crate) fn layout() -> Layout {
    let mut sections: Vec<Section> = (0..SECTIONS).map(section).collect();
    sections.push(Section {
        id: "standing".to_owned(),
        name: "Standing".to_owned(),
        polygon: None,
        rows: Vec::new(),
        areas: (0..AREAS).map(area).collect(),
    });
    Layout {
        id: String::new(),
        name: "Test Hall".to_owned(),
        size: [4_000.0, 12_000.0],
        sections,
        categories: vec![Category {
            id: "cat-1".to_owned(),
            name: "All".to_owned(),
            color: "#3355aa".to_owned(),
        }],
        shapes: Vec::new(),
    }
    .sealed()
}

/// Id of a seat: `s7-1-3` is the fourth seat in the second row of section `s7`.
pub(crate) fn seat(section: usize, row: usize, place: usize) -> String {
    format!("s{section}-{row}-{place}")
}

/// Id of a seat by its place in the layout.
pub(crate) fn seat_at(ordinal: usize) -> String {
    let (section, rest) = (ordinal / (ROWS * SEATS), ordinal % (ROWS * SEATS));
    seat(section, rest / SEATS, rest % SEATS)
}

fn section(number: usize) -> Section {
    let row = |row: usize| Row {
        id: format!("s{number}-{row}"),
        label: format!("{}", row + 1),
        seats: (0..SEATS)
            .map(|place| Seat {
                id: seat(number, row, place),
                label: format!("{}", place + 1),
                x: 100.0 + 50.0 * place as f64,
                y: 100.0 + 250.0 * number as f64 + 90.0 * row as f64,
                category: "cat-1".to_owned(),
                attributes: Vec::new(),
            })
            .collect(),
    };
    Section {
        id: format!("s{number}"),
        name: format!("Section {number}"),
        polygon: None,
        rows: (0..ROWS).map(row).collect(),
        areas: Vec::new(),
    }
}

fn area(number: usize) -> Area {
    Area {
        id: format!("a{number}"),
        name: format!("Area {number}"),
        capacity: CAPACITY,
        polygon: None,
        category: "cat-1".to_owned(),
    }
}

/// Names of all live resources of an event in this hall.
pub(crate) fn resources(event: EventId) -> Vec<String> {
    let sections = (0..SECTIONS).map(|number| path::section(event, &format!("s{number}")));
    let areas = (0..AREAS).map(|number| path::area(event, &format!("a{number}")));
    sections.chain(areas).chain([path::availability(event)]).collect()
}

/// Every live resource of an event as the database has it, built from nothing but its rows.
pub(crate) async fn truth(pool: &Pool, event: EventId) -> BTreeMap<String, Map<String, Value>> {
    let mut connection = pool.get().await.unwrap();
    let transaction = connection
        .build_transaction()
        .isolation_level(tokio_postgres::IsolationLevel::RepeatableRead)
        .start()
        .await
        .unwrap();
    let seats = transaction
        .query(
            "select seat.state from seat join event on event.number = seat.event where event.id = $1 order by seat.seat",
            &[&event.as_uuid()],
        )
        .await
        .unwrap();
    let letters: Vec<char> =
        seats.iter().map(|row| char::from(row.get::<_, i8>(0).cast_unsigned())).collect();
    assert_eq!(letters.len(), SECTIONS * ROWS * SEATS);
    let counted = transaction
        .query(
            "select section.id, section.kind, section.seq, section.capacity, section.held, section.sold, section.blocked \
             from section join event on event.number = section.event where event.id = $1",
            &[&event.as_uuid()],
        )
        .await
        .unwrap();
    let mut truth = BTreeMap::new();
    let mut availability = Map::new();
    let mut sums = (0, 0);
    for row in counted {
        let (id, seq): (String, i64) = (row.get("id"), row.get("seq"));
        let number = |name: &str| row.get::<_, i32>(name);
        let free = number("capacity") - number("held") - number("sold") - number("blocked");
        if row.get::<_, i8>("kind").cast_unsigned() == b'a' {
            let area = json!({
                "seq": seq, "capacity": number("capacity"), "free": free, "held": number("held"), "sold": number("sold")
            });
            truth.insert(path::area(event, &id), area.as_object().unwrap().clone());
        } else if let Some(place) = id.strip_prefix('s').and_then(|place| place.parse::<usize>().ok()) {
            let mut model = Map::from_iter([("seq".to_owned(), seq.into())]);
            for (row, letters) in letters[place * ROWS * SEATS..][..ROWS * SEATS].chunks(SEATS).enumerate() {
                model.insert(format!("row:s{place}-{row}"), letters.iter().collect::<String>().into());
            }
            truth.insert(path::section(event, &id), model);
        }
        if number("capacity") > 0 {
            availability.insert(id, free.into());
            sums = (sums.0 + free, sums.1 + number("capacity"));
        }
    }
    availability.insert("free".to_owned(), sums.0.into());
    availability.insert("total".to_owned(), sums.1.into());
    truth.insert(path::availability(event), availability);
    truth
}
