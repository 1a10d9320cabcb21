//! Requests by their keys, after their time.

use deadpool_postgres::Pool;

/// Forgets up to `limit` requests that are a week old. Answers how many it forgot.
pub async fn forget(pool: &Pool, limit: i64) -> anyhow::Result<u64> {
    let connection = pool.get().await?;
    let statement = connection.prepare_cached(include_str!("request/forget.sql")).await?;
    Ok(connection.execute(&statement, &[&limit]).await?)
}
