//! An order is paid: its hold becomes tickets.

use livehouse_contract::fact::orders::OrderPaid;

use crate::domain::command::{Command, Outcome, Refusal};
use crate::inventory::Inventory;

pub(super) async fn react(inventory: &Inventory, fact: OrderPaid) -> anyhow::Result<()> {
    match super::ask(inventory, Command::Sell { hold: fact.hold, order: fact.order }).await? {
        // When the seats are gone by now, the batch told so in a fact of its own and the order is refunded.
        Outcome::Done(_) | Outcome::Refused(Refusal::SoldToOthers) => Ok(()),
        Outcome::Refused(refusal) => {
            anyhow::bail!(
                "order {} is paid but hold {} cannot be sold to it: {refusal:?}",
                fact.order,
                fact.hold
            )
        }
    }
}
