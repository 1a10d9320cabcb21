//! Putting a layout and an event into the inventory, all in one transaction.

use std::collections::BTreeMap;

use anyhow::Context;
use deadpool_postgres::Pool;
use jiff::Timestamp;
use livehouse_contract::id::{EventId, VenueId};
use livehouse_contract::money::Currency;
use livehouse_seating::Layout;

use crate::layout::IndexedLayout;

/// The place of an event.
#[derive(Debug, Clone, Default)]
pub struct NewVenue {
    /// What it is called; unique.
    pub name: String,
    /// Street and number.
    pub address: String,
    /// City.
    pub city: String,
    /// Country.
    pub country: String,
}

/// An event to be put on sale.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// Its name in addresses of pages; unique.
    pub slug: String,
    /// What it is called.
    pub name: String,
    /// What it is about.
    pub description: String,
    /// Its place.
    pub venue: NewVenue,
    /// When it begins.
    pub starts_at: Timestamp,
    /// IANA time zone of the place.
    pub time_zone: String,
    /// Currency of the prices.
    pub currency: Currency,
    /// Price category -> minor units; every category of the layout needs one.
    pub prices: BTreeMap<String, i64>,
    /// When the sale opens.
    pub on_sale_at: Timestamp,
    /// How long a hold keeps its seats.
    pub hold_seconds: i32,
    /// How long a hold may last with all its extensions.
    pub hold_seconds_max: i32,
    /// Seats and units of one hold.
    pub seats_per_hold_max: i32,
    /// Seats and units of one buyer.
    pub seats_per_buyer_max: i32,
}

/// Is there an event of this slug?
pub async fn exists(pool: &Pool, slug: &str) -> anyhow::Result<bool> {
    let connection = pool.get().await?;
    Ok(connection.query_opt("select 1 from event where slug = $1", &[&slug]).await?.is_some())
}

/// Puts `event` on sale in `layout`.
pub async fn publish(pool: &Pool, layout: &Layout, event: &NewEvent) -> anyhow::Result<EventId> {
    let indexed = IndexedLayout::new(layout)?;
    let missing: Vec<&str> = layout
        .categories
        .iter()
        .map(|category| category.id.as_str())
        .filter(|id| !event.prices.contains_key(*id))
        .collect();
    anyhow::ensure!(missing.is_empty(), "these price categories have no price: {}", missing.join(", "));
    let document = layout.clone().sealed().canonical_json();
    let mut connection = pool.get().await?;
    let transaction = connection.transaction().await?;
    transaction
        .execute(
            "insert into layout (hash, name, document) values ($1, $2, $3) on conflict (hash) do nothing",
            &[&indexed.hash, &layout.name, &document],
        )
        .await?;
    let venue = &event.venue;
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
        [&VenueId::generate().as_uuid(), &venue.name, &venue.address, &venue.city, &venue.country];
    let venue: uuid::Uuid = transaction.query_one(include_str!("import/venue.sql"), &values).await?.get(0);
    let id = EventId::generate();
    let number: i32 = transaction
        .query_one(
            include_str!("import/event.sql"),
            &[
                &id.as_uuid(),
                &event.slug,
                &event.name,
                &event.description,
                &venue,
                &indexed.hash,
                &event.starts_at,
                &event.time_zone,
                &event.currency.code(),
                &event.on_sale_at,
                &event.starts_at,
                &event.hold_seconds,
                &event.hold_seconds_max,
                &event.seats_per_hold_max,
                &event.seats_per_buyer_max,
                &serde_json::to_value(&event.prices)?,
            ],
        )
        .await
        .with_context(|| format!("the event '{}' could not be written", event.slug))?
        .get(0);
    insert_seats(&transaction, number, &indexed).await?;
    transaction.commit().await?;
    Ok(id)
}

async fn insert_seats(
    transaction: &deadpool_postgres::Transaction<'_>,
    event: i32,
    layout: &IndexedLayout,
) -> anyhow::Result<()> {
    let all: Vec<u16> = (0..layout.section_count()).collect();
    let numbers: Vec<i16> = all.iter().map(|number| number.cast_signed()).collect();
    let ids: Vec<&str> = all.iter().map(|number| layout.section_id(*number)).collect();
    let kinds: Vec<&str> = all.iter().map(|number| if layout.is_area(*number) { "a" } else { "s" }).collect();
    let capacities: Vec<i32> = all.iter().map(|number| layout.capacity(*number).cast_signed()).collect();
    transaction
        .execute(include_str!("import/sections.sql"), &[&event, &numbers, &ids, &kinds, &capacities])
        .await?;
    let seats: Vec<i32> = (0..layout.index.seat_count()).map(u32::cast_signed).collect();
    let section = |seat: u32| layout.index.seat(seat).map_or(0, |place| place.section).cast_signed();
    let sections: Vec<i16> = (0..layout.index.seat_count()).map(section).collect();
    transaction.execute(include_str!("import/seats.sql"), &[&event, &seats, &sections]).await?;
    Ok(())
}
