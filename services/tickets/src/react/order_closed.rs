//! An order ended unpaid: its hold is let go.

use livehouse_contract::fact::orders::OrderClosed;

use crate::domain::command::{Command, Holder, Outcome};
use crate::inventory::Inventory;

pub(super) async fn react(inventory: &Inventory, fact: OrderClosed) -> anyhow::Result<()> {
    let command = Command::Release { hold: fact.hold, by: Holder::Order(fact.order) };
    match super::ask(inventory, command).await? {
        // A hold that has ended otherwise keeps nothing that could be let go.
        Outcome::Done(_) | Outcome::Refused(_) => Ok(()),
    }
}
