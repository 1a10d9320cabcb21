//! Rows as domain values.

use jiff::Timestamp;
use livehouse_contract::id::{BuyerId, HoldId, OrderId};
use tokio_postgres::Row;

use crate::domain::hold::{AreaItem, Hold, SeatItem, State};
use crate::domain::sale::{Rules, Set};
use crate::domain::world::Seat;

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
