//! Events and layouts as they are read: definitions that change rarely, kept in memory by [`crate::catalogue`].

use std::collections::BTreeMap;

use deadpool_postgres::Pool;
use jiff::Timestamp;
use livehouse_contract::id::EventId;
use livehouse_contract::money::Currency;
use livehouse_seating::Layout;
use tokio_postgres::Row;

use crate::domain::hold::EventNumber;
use crate::domain::sale::{Rules, Set};

/// An event as the database has it.
#[derive(Debug, Clone)]
pub struct EventRow {
    /// Its number within this database.
    pub number: EventNumber,
    /// Its id.
    pub id: EventId,
    /// Its name in addresses of pages.
    pub slug: String,
    /// What it is called.
    pub name: String,
    /// What it is about.
    pub description: String,
    /// Name of the place.
    pub venue: String,
    /// Street and number.
    pub address: String,
    /// City.
    pub city: String,
    /// Country.
    pub country: String,
    /// Content hash of its layout.
    pub layout: String,
    /// IANA time zone of the place.
    pub time_zone: String,
    /// Currency of all its prices.
    pub currency: Currency,
    /// Price category -> minor units.
    pub prices: BTreeMap<String, i64>,
    /// The rules of its sale.
    pub rules: Rules,
}

/// The database's clock, and the version of every event.
pub async fn versions(pool: &Pool) -> anyhow::Result<(Timestamp, Vec<(EventNumber, i64)>)> {
    let connection = pool.get().await?;
    let statement = connection.prepare_cached(include_str!("catalogue/versions.sql")).await?;
    let row = connection.query_one(&statement, &[]).await?;
    let numbers: Vec<i32> = row.get("numbers");
    let versions: Vec<i64> = row.get("versions");
    Ok((row.get("now"), numbers.into_iter().zip(versions).collect()))
}

/// The events of these numbers.
pub async fn events(pool: &Pool, numbers: &[EventNumber]) -> anyhow::Result<Vec<EventRow>> {
    let connection = pool.get().await?;
    let statement = connection.prepare_cached(include_str!("catalogue/load_events.sql")).await?;
    connection.query(&statement, &[&numbers]).await?.iter().map(read_event).collect()
}

/// A layout by its hash.
pub async fn layout(pool: &Pool, hash: &str) -> anyhow::Result<Layout> {
    Ok(serde_json::from_slice(&layout_document(pool, hash).await?)?)
}

/// The bytes of `/layouts/<hash>.json`.
pub async fn layout_document(pool: &Pool, hash: &str) -> anyhow::Result<Vec<u8>> {
    let connection = pool.get().await?;
    let statement = connection.prepare_cached(include_str!("catalogue/load_layout.sql")).await?;
    Ok(connection.query_one(&statement, &[&hash]).await?.get(0))
}

fn read_event(row: &Row) -> anyhow::Result<EventRow> {
    let currency: String = row.get("currency");
    let status: String = row.get("status");
    let seconds = |column: &str| -> anyhow::Result<u32> { Ok(u32::try_from(row.get::<_, i32>(column))?) };
    let prices: serde_json::Value = row.get("prices");
    Ok(EventRow {
        number: row.get("number"),
        id: EventId::from_uuid(row.get("id")),
        slug: row.get("slug"),
        name: row.get("name"),
        description: row.get("description"),
        venue: row.get("venue_name"),
        address: row.get("address"),
        city: row.get("city"),
        country: row.get("country"),
        layout: row.get("layout"),
        time_zone: row.get("time_zone"),
        currency: Currency::from_code(&currency)
            .ok_or_else(|| anyhow::anyhow!("'{currency}' is no ISO 4217 code"))?,
        prices: serde_json::from_value(prices)?,
        rules: Rules {
            set: Set::from_word(&status).ok_or_else(|| anyhow::anyhow!("'{status}' is no event status"))?,
            on_sale_at: row.get("on_sale_at"),
            off_sale_at: row.get("off_sale_at"),
            starts_at: row.get("starts_at"),
            hold_seconds: seconds("hold_seconds")?,
            hold_seconds_max: seconds("hold_seconds_max")?,
            seats_per_hold_max: seconds("seats_per_hold_max")?,
            seats_per_buyer_max: seconds("seats_per_buyer_max")?,
            version: row.get("version"),
        },
    })
}
