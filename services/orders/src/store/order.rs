//! Orders and their rows.

use deadpool_postgres::{GenericClient, Pool};
use jiff::Timestamp;
use livehouse_contract::fact::tickets::IssuedTicket;
use livehouse_contract::id::{BuyerId, EventId, HoldId, OrderId};
use livehouse_contract::line::Line;
use livehouse_contract::money::{Currency, Money};
use livehouse_contract::request::ClaimedHold;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::domain::State;

/// An order as the database has it.
#[derive(Debug, Clone)]
pub struct Order {
    /// Its id.
    pub id: OrderId,
    /// What people call it.
    pub number: String,
    /// Whose it is.
    pub buyer: BuyerId,
    /// The hold it is made from.
    pub hold: HoldId,
    /// Where it is in its life.
    pub state: State,
    /// The event; known once the hold is bound.
    pub event: Option<EventId>,
    /// The event's name.
    pub event_name: String,
    /// Where to write to.
    pub email: Option<String>,
    /// What is bought, at frozen prices.
    pub lines: Vec<Line>,
    /// Sum of the lines; known once the hold is bound.
    pub total: Option<Money>,
    /// The tickets, once issued.
    pub tickets: Vec<IssuedTicket>,
    /// Digest of what was asked for.
    pub fingerprint: Uuid,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it runs out.
    pub expires_at: Option<Timestamp>,
}

/// An order to be made.
#[derive(Debug, Clone)]
pub struct NewOrder {
    /// Its id.
    pub id: OrderId,
    /// What people will call it.
    pub number: String,
    /// Who asks.
    pub buyer: BuyerId,
    /// From which hold.
    pub hold: HoldId,
    /// Where to write to.
    pub email: Option<String>,
    /// The buyer's key for this request.
    pub key: String,
    /// Digest of what is asked for.
    pub fingerprint: Uuid,
}

fn read(row: &Row) -> anyhow::Result<Order> {
    let state: String = row.get("state");
    let currency: Option<String> = row.get("currency");
    let currency = currency.as_deref().and_then(Currency::from_code);
    Ok(Order {
        id: OrderId::from_uuid(row.get("id")),
        number: row.get("number"),
        buyer: BuyerId::from_uuid(row.get("buyer")),
        hold: HoldId::from_uuid(row.get("hold")),
        state: State::from_word(&state)
            .ok_or_else(|| anyhow::anyhow!("'{state}' is no state of an order"))?,
        event: row.get::<_, Option<Uuid>>("event").map(EventId::from_uuid),
        event_name: row.get("event_name"),
        email: row.get("email"),
        lines: serde_json::from_value(row.get("lines"))?,
        total: currency.map(|currency| Money::new(row.get("total"), currency)),
        tickets: serde_json::from_value(row.get("tickets"))?,
        fingerprint: row.get("fingerprint"),
        created_at: row.get("created_at"),
        expires_at: row.get("expires_at"),
    })
}

async fn run(
    client: &impl GenericClient,
    statement: &str,
    values: &[&(dyn ToSql + Sync)],
) -> anyhow::Result<u64> {
    let statement = client.prepare_cached(statement).await?;
    Ok(client.execute(&statement, values).await?)
}

async fn find(
    client: &impl GenericClient,
    statement: &str,
    values: &[&(dyn ToSql + Sync)],
) -> anyhow::Result<Option<Order>> {
    let statement = client.prepare_cached(statement).await?;
    client.query_opt(&statement, values).await?.as_ref().map(read).transpose()
}

/// Keeps a new order, or finds the one that was made with the same key.
pub async fn insert(pool: &Pool, order: &NewOrder) -> anyhow::Result<Order> {
    let connection = pool.get().await?;
    let values: [&(dyn ToSql + Sync); 7] = [
        &order.id.as_uuid(),
        &order.number,
        &order.buyer.as_uuid(),
        &order.hold.as_uuid(),
        &order.email,
        &order.key,
        &order.fingerprint,
    ];
    run(&connection, include_str!("order/insert.sql"), &values).await?;
    let found =
        find(&connection, include_str!("order/by_key.sql"), &[&order.buyer.as_uuid(), &order.key]).await?;
    found.ok_or_else(|| anyhow::anyhow!("order {} vanished after it was written", order.id))
}

/// An order as it is now.
pub async fn load(pool: &Pool, id: OrderId) -> anyhow::Result<Option<Order>> {
    find(&pool.get().await?, include_str!("order/load.sql"), &[&id.as_uuid()]).await
}

/// An order, locked until the end of the transaction.
pub async fn lock(client: &impl GenericClient, id: OrderId) -> anyhow::Result<Option<Order>> {
    find(client, include_str!("order/lock.sql"), &[&id.as_uuid()]).await
}

/// Takes over what its hold says.
pub async fn claim(
    client: &impl GenericClient,
    id: OrderId,
    to: State,
    hold: &ClaimedHold,
) -> anyhow::Result<()> {
    let values: [&(dyn ToSql + Sync); 9] = [
        &id.as_uuid(),
        &to.word(),
        &hold.event.as_uuid(),
        &hold.event_name,
        &serde_json::to_value(&hold.lines)?,
        &hold.total.amount,
        &hold.total.currency.code(),
        &hold.expires_at,
        &hold.version,
    ];
    let changed = run(client, include_str!("order/claim.sql"), &values).await?;
    anyhow::ensure!(changed == 1, "order {id} was not waiting for its hold");
    Ok(())
}

/// Moves a locked order to its next state.
pub async fn move_to(client: &impl GenericClient, order: &Order, to: State) -> anyhow::Result<()> {
    let changed =
        run(client, include_str!("order/move.sql"), &[&order.id.as_uuid(), &to.word(), &order.state.word()])
            .await?;
    anyhow::ensure!(changed == 1, "order {} is not {} any more", order.id, order.state.word());
    Ok(())
}

/// Takes over the expiry of its hold, if `version` is newer than what is known.
pub async fn extend(
    client: &impl GenericClient,
    id: OrderId,
    expires_at: Timestamp,
    version: i64,
) -> anyhow::Result<bool> {
    Ok(run(client, include_str!("order/extend.sql"), &[&id.as_uuid(), &expires_at, &version]).await? == 1)
}

/// Keeps the tickets of an order, once.
pub async fn issue(
    client: &impl GenericClient,
    id: OrderId,
    tickets: &[IssuedTicket],
) -> anyhow::Result<bool> {
    Ok(run(client, include_str!("order/issue.sql"), &[&id.as_uuid(), &serde_json::to_value(tickets)?])
        .await?
        == 1)
}

/// Forgets an order whose hold was never bound to it.
pub async fn forget(pool: &Pool, id: OrderId) -> anyhow::Result<()> {
    run(&pool.get().await?, "delete from orders where id = $1 and state = 'created'", &[&id.as_uuid()])
        .await?;
    Ok(())
}

/// The newest orders of a buyer, newest first.
pub async fn of_buyer(pool: &Pool, buyer: BuyerId, limit: i64) -> anyhow::Result<Vec<OrderId>> {
    let connection = pool.get().await?;
    let statement = connection.prepare_cached(include_str!("order/of_buyer.sql")).await?;
    let rows = connection.query(&statement, &[&buyer.as_uuid(), &limit]).await?;
    Ok(rows.iter().map(|row| OrderId::from_uuid(row.get(0))).collect())
}

/// Orders that should have ended some seconds ago.
pub async fn overdue(pool: &Pool) -> anyhow::Result<Vec<OrderId>> {
    let connection = pool.get().await?;
    let statement = connection.prepare_cached(include_str!("order/overdue.sql")).await?;
    Ok(connection.query(&statement, &[]).await?.iter().map(|row| OrderId::from_uuid(row.get(0))).collect())
}

/// An order that changed, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The order.
    pub order: OrderId,
    /// Whose it is.
    pub buyer: BuyerId,
    /// When, by the database's clock.
    pub at: Timestamp,
}

/// The time of the database.
pub async fn now(pool: &Pool) -> anyhow::Result<Timestamp> {
    Ok(pool.get().await?.query_one("select clock_timestamp()", &[]).await?.get(0))
}

/// Orders that changed after a time, in the order of their last changes, at most `limit` of them.
pub async fn changed_after(pool: &Pool, after: Timestamp, limit: i64) -> anyhow::Result<Vec<Change>> {
    let connection = pool.get().await?;
    let statement = connection.prepare_cached(include_str!("order/changed.sql")).await?;
    let read = |row: &Row| Change {
        order: OrderId::from_uuid(row.get("id")),
        buyer: BuyerId::from_uuid(row.get("buyer")),
        at: row.get("changed_at"),
    };
    Ok(connection.query(&statement, &[&after, &limit]).await?.iter().map(read).collect())
}

/// Forgets orders that were never bound to a hold.
pub async fn forget_abandoned(pool: &Pool) -> anyhow::Result<u64> {
    run(&pool.get().await?, include_str!("order/forget_abandoned.sql"), &[]).await
}
