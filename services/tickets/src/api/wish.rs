//! What a buyer wishes to hold: from the parameters of a call to a priced command.

use std::collections::BTreeMap;

use livehouse_contract::code::tickets as code;
use livehouse_contract::id::{BuyerId, HoldId};
use res_service::Error;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::error::invalid;
use crate::catalogue::Event;
use crate::domain::command::Place;
use crate::domain::hold::{AreaItem, SeatItem};

/// The longest request key.
pub const KEY_CHARS_MAX: usize = 128;
/// More units of one area than any layout has.
const UNITS_MAX: u32 = 1_000_000;

/// Parameters of `call.tickets.event.$event.hold`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Wish {
    /// Ids of seats.
    #[serde(default)]
    seats: Vec<String>,
    /// Units of areas.
    #[serde(default)]
    areas: Vec<AreaWish>,
    /// The buyer's key for this request: the same key does nothing twice.
    key: String,
    /// The buyer's own hold whose content this wish replaces.
    #[serde(default)]
    replaces: Option<HoldId>,
}

/// Units of one area.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AreaWish {
    area: String,
    quantity: u32,
}

impl Wish {
    /// The wish as a command, in the event's numbers and at its prices.
    pub fn into_command(self, event: &Event, buyer: BuyerId) -> Result<Place, Error> {
        if self.key.is_empty()
            || self.key.chars().count() > KEY_CHARS_MAX
            || self.key.chars().any(char::is_control)
        {
            return Err(invalid(format!(
                "key: 1 to {KEY_CHARS_MAX} characters are expected, none of them a control character"
            )));
        }
        if self.seats.is_empty() && self.areas.is_empty() {
            return Err(invalid("seats, areas: at least one seat or one area is needed"));
        }
        let max = event.row.rules.seats_per_hold_max;
        if self.seats.len() + self.areas.len() > max as usize {
            return Err(super::error::refusal(
                &crate::domain::command::Refusal::TooMany { max },
                Some(event),
            ));
        }
        let fingerprint = self.fingerprint(event);
        let (seats, areas) = self.numbers(event)?;
        Ok(Place {
            hold: HoldId::generate(),
            event: event.row.number,
            event_version: event.row.rules.version,
            buyer,
            key: self.key,
            fingerprint,
            seats,
            areas,
            replaces: self.replaces,
        })
    }

    fn numbers(&self, event: &Event) -> Result<(Vec<SeatItem>, Vec<AreaItem>), Error> {
        let layout = &event.layout;
        let mut unknown_seats = Vec::new();
        let mut unknown_areas = Vec::new();
        let mut seats = BTreeMap::new();
        for id in &self.seats {
            let known = layout.index.ordinal(id).and_then(|seat| {
                let place = layout.index.seat(seat)?;
                Some(SeatItem { seat, section: place.section, price: event.price(place.category)? })
            });
            match known {
                None => unknown_seats.push(id),
                Some(item) if seats.insert(item.seat, item).is_some() => {
                    return Err(invalid(format!("seats: '{id}' is named twice")));
                }
                Some(_) => {}
            }
        }
        let mut areas = BTreeMap::new();
        for wish in &self.areas {
            if wish.quantity == 0 || wish.quantity > UNITS_MAX {
                return Err(invalid(format!(
                    "areas: the quantity of '{}' must be 1 to {UNITS_MAX}",
                    wish.area
                )));
            }
            let known = layout.area_number(&wish.area).and_then(|area| {
                Some(AreaItem { area, units: wish.quantity, price: event.price(layout.area_category(area))? })
            });
            match known {
                None => unknown_areas.push(&wish.area),
                Some(item) if areas.insert(item.area, item).is_some() => {
                    return Err(invalid(format!("areas: '{}' is named twice", wish.area)));
                }
                Some(_) => {}
            }
        }
        if !unknown_seats.is_empty() || !unknown_areas.is_empty() {
            return Err(Error::custom(code::UNKNOWN_SEAT, "This event has no such seat or area")
                .with_data(&json!({"seats": unknown_seats, "areas": unknown_areas})));
        }
        Ok((seats.into_values().collect(), areas.into_values().collect()))
    }

    /// Digest of everything that the wish asks for, in whatever order it was written.
    fn fingerprint(&self, event: &Event) -> Uuid {
        let mut seats: Vec<&str> = self.seats.iter().map(String::as_str).collect();
        seats.sort_unstable();
        let mut areas: Vec<(&str, u32)> =
            self.areas.iter().map(|wish| (wish.area.as_str(), wish.quantity)).collect();
        areas.sort_unstable();
        let text = json!({"event": event.row.id, "seats": seats, "areas": areas, "replaces": self.replaces})
            .to_string();
        let digest = Sha256::digest(text.as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        Uuid::from_bytes(bytes)
    }
}

/// Prices a command by a newer version of its event. Answers whether the event still sells all of it.
pub fn price(event: &Event, place: &mut Place) -> bool {
    let layout = &event.layout;
    place.event_version = event.row.rules.version;
    let seats = place
        .seats
        .iter_mut()
        .all(|item| event.price(layout.seat_category(item.seat)).map(|price| item.price = price).is_some());
    let areas = place
        .areas
        .iter_mut()
        .all(|item| event.price(layout.area_category(item.area)).map(|price| item.price = price).is_some());
    seats && areas
}
