//! What the live view reads.

use std::ops::Range;

use deadpool_postgres::Pool;

use crate::domain::hold::{EventNumber, SectionNumber};
use crate::live::view::SectionState;

/// The sections and areas `numbers` of an event, whose seats lie in `seats`.
pub async fn load(
    pool: &Pool,
    event: EventNumber,
    numbers: &[SectionNumber],
    seats: Range<u32>,
) -> anyhow::Result<Vec<SectionState>> {
    let connection = pool.get().await?;
    let statement = connection.prepare_cached(include_str!("view/load.sql")).await?;
    let numbers: Vec<i16> = numbers.iter().map(|number| number.cast_signed()).collect();
    let (first, end) = (seats.start.cast_signed(), seats.end.cast_signed());
    let rows = connection.query(&statement, &[&event, &numbers, &first, &end]).await?;
    Ok(rows
        .iter()
        .map(|row| SectionState {
            number: row.get::<_, i16>("number").cast_unsigned(),
            seq: row.get("seq"),
            capacity: row.get("capacity"),
            held: row.get("held"),
            sold: row.get("sold"),
            blocked: row.get("blocked"),
            seats: row.get::<_, String>("letters").into_bytes(),
        })
        .collect())
}

/// The `seq` of every section and area of `events`.
pub async fn seqs(
    pool: &Pool,
    events: &[EventNumber],
) -> anyhow::Result<Vec<(EventNumber, SectionNumber, i64)>> {
    let connection = pool.get().await?;
    let statement = connection.prepare_cached(include_str!("view/seqs.sql")).await?;
    let rows = connection.query(&statement, &[&events]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get::<_, i16>(1).cast_unsigned(), row.get(2))).collect())
}
