//! Single holds, and those whose time is over.

use deadpool_postgres::Pool;
use livehouse_contract::id::{BuyerId, HoldId};

use super::batch::read_hold;
use crate::domain::hold::Hold;

/// A hold as it is now.
pub async fn load(pool: &Pool, id: HoldId) -> anyhow::Result<Option<Hold>> {
    let connection = pool.get().await?;
    let statement = connection.prepare_cached(include_str!("hold/load.sql")).await?;
    connection.query_opt(&statement, &[&id.as_uuid()]).await?.as_ref().map(read_hold).transpose()
}

/// Whose hold it is.
pub async fn buyer(pool: &Pool, id: HoldId) -> anyhow::Result<Option<BuyerId>> {
    let connection = pool.get().await?;
    let statement = connection.prepare_cached("select buyer from hold where id = $1").await?;
    let row = connection.query_opt(&statement, &[&id.as_uuid()]).await?;
    Ok(row.map(|row| BuyerId::from_uuid(row.get(0))))
}

/// Up to `limit` holds whose time is over by the database's clock, in an order that differs by `seed`.
pub async fn overdue(pool: &Pool, seed: i64, limit: usize) -> anyhow::Result<Vec<HoldId>> {
    let connection = pool.get().await?;
    let statement = connection.prepare_cached(include_str!("hold/overdue.sql")).await?;
    let rows = connection.query(&statement, &[&seed, &i64::try_from(limit)?]).await?;
    Ok(rows.iter().map(|row| HoldId::from_uuid(row.get(0))).collect())
}
