//! The inbox: which facts a consumer has taken effect of, written in the same transaction as the effect.
//!
//! The service's migration makes the table:
//!
//! ```sql
//! create table inbox (
//!     consumer text not null,
//!     fact uuid not null,
//!     handled_at timestamptz not null default now(),
//!     constraint inbox_pkey primary key (consumer, fact)
//! );
//! ```

use livehouse_contract::id::FactId;
use tokio_postgres::GenericClient;

const RECORD: &str = "insert into inbox (consumer, fact) values ($1, $2) on conflict do nothing";
const FORGET: &str = "delete from inbox where handled_at < now() - interval '40 days'";

/// Notes the fact as handled by `consumer`, in the caller's transaction. Answers whether it is the first time;
/// if not, the caller does nothing more.
pub async fn is_first(
    client: &impl GenericClient,
    consumer: &str,
    fact: FactId,
) -> Result<bool, tokio_postgres::Error> {
    Ok(client.execute(RECORD, &[&consumer, &fact.as_uuid()]).await? == 1)
}

/// Forgets what is older than the stream keeps facts: it cannot arrive again.
pub async fn forget_old(client: &impl GenericClient) -> Result<u64, tokio_postgres::Error> {
    client.execute(FORGET, &[]).await
}
