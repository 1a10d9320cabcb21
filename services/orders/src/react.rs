//! What happens because the tickets service told a fact. Every effect is written together with its line in the inbox,
//! so it happens once; the table of transitions makes any order safe.

mod holds_changed;
mod holds_ended;
mod holds_sold;
mod sales_refused;

use async_nats::jetstream;
use deadpool_postgres::Transaction;
use livehouse_contract::fact::Fact;
use livehouse_contract::id::OrderId;
use livehouse_platform::bus::consumer::{Delivered, consume};
use livehouse_platform::bus::inbox;
use livehouse_platform::stop::Tasks;

use crate::checkout::Checkout;
use crate::store::order::{self as store, Order};

/// What a reaction does: writes in the transaction, and answers the orders that changed.
trait Reaction: Fact {
    /// The durable position of this reaction.
    const CONSUMER: &'static str;

    /// The orders that the fact is about.
    fn orders(&self) -> Vec<OrderId>;

    fn react(
        self,
        checkout: &Checkout,
        transaction: &Transaction<'_>,
    ) -> impl Future<Output = anyhow::Result<Vec<Order>>> + Send;
}

/// Starts all reactions; they end with `stop`.
pub fn start(jetstream: &jetstream::Context, checkout: &Checkout, tasks: &Tasks) {
    spawn::<livehouse_contract::fact::tickets::HoldsEnded>(jetstream, checkout, tasks);
    spawn::<livehouse_contract::fact::tickets::HoldsChanged>(jetstream, checkout, tasks);
    spawn::<livehouse_contract::fact::tickets::HoldsSold>(jetstream, checkout, tasks);
    spawn::<livehouse_contract::fact::tickets::SalesRefused>(jetstream, checkout, tasks);
}

fn spawn<F: Reaction>(jetstream: &jetstream::Context, checkout: &Checkout, tasks: &Tasks) {
    let checkout = checkout.clone();
    let (jetstream, stop) = (jetstream.clone(), tasks.stop().clone());
    tasks.spawn(F::CONSUMER, async move {
        let handler = |delivered: Delivered<F>| once(&checkout, delivered);
        consume(jetstream, F::CONSUMER, stop, handler).await;
    });
}

async fn once<F: Reaction>(checkout: &Checkout, delivered: Delivered<F>) -> anyhow::Result<()> {
    let mut connection = checkout.pool.get().await?;
    let transaction = connection.transaction().await?;
    if !inbox::is_first(&*transaction, F::CONSUMER, delivered.id).await? {
        drop(transaction);
        drop(connection);
        return announce_again(checkout, &delivered.fact.orders()).await;
    }
    let changed = delivered.fact.react(checkout, &transaction).await?;
    transaction.commit().await?;
    drop(connection);
    for order in &changed {
        checkout.changed(order).await;
    }
    Ok(())
}

/// The fact took effect before, but whoever did it may have died before it told the live view.
async fn announce_again(checkout: &Checkout, orders: &[OrderId]) -> anyhow::Result<()> {
    for order in orders {
        if let Some(order) = store::load(&checkout.pool, *order).await? {
            checkout.changed(&order).await;
        }
    }
    Ok(())
}
