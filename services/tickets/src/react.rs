//! What happens because another service told a fact. Every reaction survives duplicates and any order: selling to an
//! order twice is selling once, and letting go what is let go changes nothing.

mod order_closed;
mod order_paid;

use async_nats::jetstream;
use livehouse_platform::bus::consumer::consume;
use tokio_util::sync::CancellationToken;

use crate::inventory::Inventory;

/// Starts all reactions; they end with `stop`.
pub fn start(jetstream: &jetstream::Context, inventory: &Inventory, stop: &CancellationToken) {
    let paid = inventory.clone();
    tokio::spawn(consume(jetstream.clone(), "tickets-order_paid", stop.clone(), move |delivered| {
        let inventory = paid.clone();
        async move { order_paid::react(&inventory, delivered.fact).await }
    }));
    let closed = inventory.clone();
    tokio::spawn(consume(jetstream.clone(), "tickets-order_closed", stop.clone(), move |delivered| {
        let inventory = closed.clone();
        async move { order_closed::react(&inventory, delivered.fact).await }
    }));
}
