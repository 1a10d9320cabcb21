//! What a batch tells the other services: one fact of each kind per event.

use std::collections::BTreeMap;

use livehouse_contract::fact::tickets::{
    AreaUnits, ChangedHold, EndedHold, HoldEnd, HoldsChanged, HoldsEnded, HoldsPlaced, HoldsSold,
    IssuedTicket, PlacedHold, RefusedSale, SalesRefused, SoldHold,
};
use livehouse_contract::id::HoldId;
use livehouse_platform::bus::outbox::Facts;

use crate::catalogue::{Catalogue, Event};
use crate::domain::hold::{EventNumber, Hold, State};
use crate::domain::world::World;

/// Holds, seats and tickets that one fact lists: at a hundred bytes each a third of what the broker carries in one
/// message by default.
const FACT_ENTRIES_MAX: usize = 3_000;

/// Everything that happened to one event.
#[derive(Default)]
struct Told {
    placed: Vec<PlacedHold>,
    changed: Vec<ChangedHold>,
    ended: Vec<EndedHold>,
    sold: Vec<SoldHold>,
    refused: Vec<RefusedSale>,
}

/// The facts of a decided world.
pub(super) fn of(catalogue: &Catalogue, world: &World) -> anyhow::Result<Facts> {
    let mut told: BTreeMap<EventNumber, Told> = BTreeMap::new();
    for hold in world.changes.placed.iter().filter_map(|id| world.holds.get(id)) {
        let event = named(catalogue, hold.event)?;
        told.entry(hold.event).or_default().placed.push(placed(&event, hold));
    }
    for hold in world.changes.changed.keys().filter_map(|id| world.holds.get(id)) {
        let event = named(catalogue, hold.event)?;
        let told = told.entry(hold.event).or_default();
        match (hold.state, hold.order) {
            (State::Active, order) => told.changed.push(ChangedHold {
                hold: hold.id,
                order,
                seats: seats(&event, hold),
                areas: areas(&event, hold),
                expires_at: hold.expires_at,
                version: hold.version,
            }),
            (State::Sold, Some(order)) => told.sold.push(SoldHold {
                hold: hold.id,
                order,
                tickets: tickets(&event, world, hold.id),
                version: hold.version,
            }),
            (State::Sold, None) => anyhow::bail!("hold {} was sold without an order", hold.id),
            (State::Released | State::Expired, order) => told.ended.push(EndedHold {
                hold: hold.id,
                order,
                reason: if hold.state == State::Released { HoldEnd::Released } else { HoldEnd::Expired },
                version: hold.version,
            }),
        }
    }
    for (event, hold, order) in &world.changes.refused_sales {
        told.entry(*event).or_default().refused.push(RefusedSale { hold: *hold, order: *order });
    }
    write(catalogue, told)
}

fn write(catalogue: &Catalogue, told: BTreeMap<EventNumber, Told>) -> anyhow::Result<Facts> {
    let mut facts = Facts::default();
    for (number, told) in told {
        let event = named(catalogue, number)?.row.id;
        for holds in parts(told.placed, |hold| hold.seats.len() + hold.areas.len()) {
            facts.push(&HoldsPlaced { event, holds })?;
        }
        for holds in parts(told.changed, |hold| hold.seats.len() + hold.areas.len()) {
            facts.push(&HoldsChanged { event, holds })?;
        }
        for holds in parts(told.ended, |_| 0) {
            facts.push(&HoldsEnded { event, holds })?;
        }
        for sales in parts(told.sold, |sale| sale.tickets.len()) {
            facts.push(&HoldsSold { event, sales })?;
        }
        for sales in parts(told.refused, |_| 0) {
            facts.push(&SalesRefused { event, sales })?;
        }
    }
    Ok(facts)
}

/// Splits a list so that each part fits into one message, by what each entry lists in turn. An entry is never split.
fn parts<T>(list: Vec<T>, listed: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
    let mut parts: Vec<Vec<T>> = Vec::new();
    let mut weight = usize::MAX;
    for entry in list {
        let own = 1 + listed(&entry);
        if weight.saturating_add(own) > FACT_ENTRIES_MAX {
            parts.push(Vec::new());
            weight = 0;
        }
        weight += own;
        if let Some(part) = parts.last_mut() {
            part.push(entry);
        }
    }
    parts
}

fn named(catalogue: &Catalogue, number: EventNumber) -> anyhow::Result<std::sync::Arc<Event>> {
    catalogue
        .numbered(number)
        .ok_or_else(|| anyhow::anyhow!("event number {number} is not in the catalogue yet"))
}

fn placed(event: &Event, hold: &Hold) -> PlacedHold {
    PlacedHold {
        hold: hold.id,
        buyer: hold.buyer,
        seats: seats(event, hold),
        areas: areas(event, hold),
        expires_at: hold.expires_at,
        version: hold.version,
    }
}

fn seats(event: &Event, hold: &Hold) -> Vec<String> {
    let id = |seat| event.layout.index.seat_id(seat).unwrap_or_default().to_owned();
    hold.seats.iter().map(|item| id(item.seat)).collect()
}

fn areas(event: &Event, hold: &Hold) -> Vec<AreaUnits> {
    let units = |area| event.layout.section_id(area).to_owned();
    hold.areas.iter().map(|item| AreaUnits { area: units(item.area), quantity: item.units }).collect()
}

fn tickets(event: &Event, world: &World, hold: HoldId) -> Vec<IssuedTicket> {
    let issued = world.changes.tickets.iter().filter(|issue| issue.hold == hold);
    issued
        .map(|issue| IssuedTicket {
            ticket: issue.ticket,
            seat: issue.seat.and_then(|seat| event.layout.index.seat_id(seat)).map(str::to_owned),
            area: issue.area.map(|area| event.layout.section_id(area).to_owned()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_split_where_a_message_would_grow_too_large_and_nothing_is_lost() {
        assert_eq!(parts(Vec::<u32>::new(), |_| 0), Vec::<Vec<u32>>::new());
        assert_eq!(parts(vec![1, 2, 3], |_| 10), [[1, 2, 3]]);
        let each = FACT_ENTRIES_MAX / 2 - 1;
        assert_eq!(parts(vec![1, 2, 3, 4, 5], |_| each), [vec![1, 2], vec![3, 4], vec![5]]);
        assert_eq!(parts(vec![1, 2], |_| 10 * FACT_ENTRIES_MAX), [[1], [2]], "an entry is never split");
    }
}
