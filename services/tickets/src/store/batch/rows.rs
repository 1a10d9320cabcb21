//! Rows as domain values.

use std::collections::HashMap;

use anyhow::Context;
use bytes::{BufMut, BytesMut};
use jiff::Timestamp;
use livehouse_contract::id::{BuyerId, HoldId, OrderId};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};

use crate::domain::hold::{AreaItem, Hold, SeatItem, State};
use crate::domain::sale::{Rules, Set};
use crate::domain::world::{Seat, SeatKey, SectionKey};

/// Where a row is, as the system column `ctid` has it: valid while the row is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    page: u32,
    item: u16,
}

impl<'a> FromSql<'a> for Place {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        let [a, b, c, d, e, f] = *raw else { return Err("a row's place has six bytes".into()) };
        Ok(Self { page: u32::from_be_bytes([a, b, c, d]), item: u16::from_be_bytes([e, f]) })
    }

    accepts!(TID);
}

impl ToSql for Place {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        out.put_u32(self.page);
        out.put_u16(self.item);
        Ok(IsNull::No)
    }

    accepts!(TID);
    to_sql_checked!();
}

/// Where the rows are that a batch has read under its locks, and so may write.
#[derive(Debug, Default)]
pub(super) struct Places {
    seats: HashMap<SeatKey, Place>,
    sections: HashMap<SectionKey, Place>,
}

impl Places {
    /// Notes where a section is.
    pub(super) fn note_section(&mut self, key: SectionKey, row: &Row) {
        self.sections.insert(key, row.get("place"));
    }

    /// Notes where a seat is.
    pub(super) fn note_seat(&mut self, key: SeatKey, row: &Row) {
        self.seats.insert(key, row.get("place"));
    }

    /// Where a section is. Nothing is written that was not read.
    pub(super) fn section(&self, key: &SectionKey) -> anyhow::Result<Place> {
        self.sections
            .get(key)
            .copied()
            .with_context(|| format!("section {} of event {} was not read", key.1, key.0))
    }

    /// Where a seat is. Nothing is written that was not read.
    pub(super) fn seat(&self, key: &SeatKey) -> anyhow::Result<Place> {
        self.seats
            .get(key)
            .copied()
            .with_context(|| format!("seat {} of event {} was not read", key.1, key.0))
    }
}

/// A hold, from any statement that selects all its columns.
pub(in crate::store) fn hold(row: &Row) -> anyhow::Result<Hold> {
    let letter: i8 = row.get("state");
    let state =
        State::from_letter(letter).ok_or_else(|| anyhow::anyhow!("a hold has the unknown state {letter}"))?;
    let seats: Vec<i32> = row.get("seats");
    let seat_sections: Vec<i16> = row.get("seat_sections");
    let seat_prices: Vec<i64> = row.get("seat_prices");
    let areas: Vec<i16> = row.get("areas");
    let area_units: Vec<i32> = row.get("area_units");
    let area_prices: Vec<i64> = row.get("area_prices");
    let seats = seats.iter().zip(&seat_sections).zip(&seat_prices).map(|((seat, section), price)| SeatItem {
        seat: seat.cast_unsigned(),
        section: section.cast_unsigned(),
        price: *price,
    });
    let areas = areas.iter().zip(&area_units).zip(&area_prices).map(|((area, units), price)| AreaItem {
        area: area.cast_unsigned(),
        units: units.cast_unsigned(),
        price: *price,
    });
    Ok(Hold {
        id: HoldId::from_uuid(row.get("id")),
        event: row.get("event"),
        buyer: BuyerId::from_uuid(row.get("buyer")),
        state,
        seats: seats.collect(),
        areas: areas.collect(),
        created_at: row.get::<_, Timestamp>("created_at"),
        expires_at: row.get("expires_at"),
        hard_deadline: row.get("hard_deadline"),
        order: row.get::<_, Option<uuid::Uuid>>("order_id").map(OrderId::from_uuid),
        version: row.get("version"),
    })
}

/// A seat's state.
pub(super) fn seat(row: &Row) -> anyhow::Result<Seat> {
    let letter: i8 = row.get("state");
    let hold = row.get::<_, Option<uuid::Uuid>>("hold").map(HoldId::from_uuid);
    match (letter.cast_unsigned(), hold) {
        (b'f', None) => Ok(Seat::Free),
        (b'h', Some(hold)) => Ok(Seat::Held(hold)),
        (b's', Some(hold)) => Ok(Seat::Sold(hold)),
        (b'b', None) => Ok(Seat::Blocked),
        _ => Err(anyhow::anyhow!("a seat has the unknown state {letter} with hold {hold:?}")),
    }
}

/// The rules of an event's sale.
pub(super) fn rules(row: &Row) -> anyhow::Result<Rules> {
    let status: String = row.get("status");
    let number = |column: &str| -> anyhow::Result<u32> { Ok(u32::try_from(row.get::<_, i32>(column))?) };
    Ok(Rules {
        set: Set::from_word(&status).ok_or_else(|| anyhow::anyhow!("'{status}' is no event status"))?,
        on_sale_at: row.get("on_sale_at"),
        off_sale_at: row.get("off_sale_at"),
        starts_at: row.get("starts_at"),
        hold_seconds: number("hold_seconds")?,
        hold_seconds_max: number("hold_seconds_max")?,
        seats_per_hold_max: number("seats_per_hold_max")?,
        seats_per_buyer_max: number("seats_per_buyer_max")?,
        version: row.get("version"),
    })
}
