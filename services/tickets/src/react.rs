//! What happens because another service told a fact. Every reaction survives duplicates and any order: selling to an
//! order twice is selling once, and letting go what is let go changes nothing.

mod order_closed;
mod order_paid;

use async_nats::jetstream;
use livehouse_platform::bus::consumer::{NotNow, consume};
use livehouse_platform::stop::Tasks;

use crate::domain::command::{Command, Outcome};
use crate::inventory::{Inventory, Unavailable};

/// Starts all reactions; they end with the process.
pub fn start(jetstream: &jetstream::Context, inventory: &Inventory, tasks: &Tasks) {
    let paid = inventory.clone();
    let consumed = consume(jetstream.clone(), "tickets-order_paid", tasks.stop().clone(), move |delivered| {
        let inventory = paid.clone();
        async move { order_paid::react(&inventory, delivered.fact).await }
    });
    tasks.spawn("tickets-order_paid", consumed);
    let closed = inventory.clone();
    let consumed =
        consume(jetstream.clone(), "tickets-order_closed", tasks.stop().clone(), move |delivered| {
            let inventory = closed.clone();
            async move { order_closed::react(&inventory, delivered.fact).await }
        });
    tasks.spawn("tickets-order_closed", consumed);
}

/// Asks the inventory. That it is busy says nothing against the fact: it comes again, however often.
async fn ask(inventory: &Inventory, command: Command) -> anyhow::Result<Outcome> {
    match inventory.ask(command).await {
        Ok(outcome) => Ok(outcome),
        Err(Unavailable::Busy) => Err(NotNow::because(Unavailable::Busy).into()),
        Err(error) => Err(error.into()),
    }
}
