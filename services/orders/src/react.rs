//! What happens because the tickets service told a fact. Every effect is written together with its line in the inbox,
//! so it happens once; the table of transitions makes any order safe.

mod holds_changed;
mod holds_ended;
mod holds_sold;
mod sales_refused;

use async_nats::jetstream;
use deadpool_postgres::Transaction;
use livehouse_contract::fact::Fact;
use livehouse_platform::bus::consumer::{Delivered, consume};
use livehouse_platform::bus::inbox;
use tokio_util::sync::CancellationToken;

use crate::checkout::Checkout;
use crate::store::order::Order;

/// What a reaction does: writes in the transaction, and answers the orders that changed.
trait Reaction: Fact {
    /// The durable position of this reaction.
    const CONSUMER: &'static str;

    fn react(
        self,
        checkout: &Checkout,
        transaction: &Transaction<'_>,
    ) -> impl Future<Output = anyhow::Result<Vec<Order>>> + Send;
}

/// Starts all reactions; they end with `stop`.
pub fn start(jetstream: &jetstream::Context, checkout: &Checkout, stop: &CancellationToken) {
    spawn::<livehouse_contract::fact::tickets::HoldsEnded>(jetstream, checkout, stop);
    spawn::<livehouse_contract::fact::tickets::HoldsChanged>(jetstream, checkout, stop);
    spawn::<livehouse_contract::fact::tickets::HoldsSold>(jetstream, checkout, stop);
    spawn::<livehouse_contract::fact::tickets::SalesRefused>(jetstream, checkout, stop);
}

fn spawn<F: Reaction>(jetstream: &jetstream::Context, checkout: &Checkout, stop: &CancellationToken) {
    let checkout = checkout.clone();
    let (jetstream, stop) = (jetstream.clone(), stop.clone());
    tokio::spawn(async move {
        let handler = |delivered: Delivered<F>| once(&checkout, delivered);
        consume(jetstream, F::CONSUMER, stop, handler).await;
    });
}

async fn once<F: Reaction>(checkout: &Checkout, delivered: Delivered<F>) -> anyhow::Result<()> {
    let mut connection = checkout.pool.get().await?;
    let transaction = connection.transaction().await?;
    if !inbox::is_first(&*transaction, F::CONSUMER, delivered.id).await? {
        return Ok(());
    }
    let changed = delivered.fact.react(checkout, &transaction).await?;
    transaction.commit().await?;
    drop(connection);
    for order in &changed {
        checkout.changed(order).await;
    }
    Ok(())
}
