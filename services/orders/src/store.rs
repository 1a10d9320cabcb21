//! How orders are kept: the only SQL of this service, one statement a file.

pub mod audit;
pub mod order;

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// Brings the database to the newest migration.
pub async fn migrate(pool: &deadpool_postgres::Pool) -> anyhow::Result<()> {
    livehouse_platform::postgres::migrate(pool, migrations()).await
}

/// All migrations of the service.
#[must_use]
pub fn migrations() -> refinery::Runner {
    embedded::migrations::runner()
}
