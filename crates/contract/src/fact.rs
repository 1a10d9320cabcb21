//! Facts: what services tell each other, exactly as it happened, through the outbox and JetStream.
//!
//! A fact is a versioned type. Its subject is `fact.<service>.<name>.v<version>`; its JSON never changes once
//! released, a new shape gets a new version. `examples/` keeps one JSON document of each, which every build
//! decodes. Facts may arrive twice and in any order; those about one hold carry its `version`, which rises with
//! every change of it.

pub mod orders;
pub mod tickets;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// One kind of fact.
pub trait Fact: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The subject it is published on.
    const SUBJECT: &'static str;
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn reads_back<F: Fact>(example: &str) {
        let fact: F = serde_json::from_str(example).unwrap_or_else(|error| panic!("{}: {error}", F::SUBJECT));
        let again: serde_json::Value = serde_json::to_value(&fact).unwrap();
        let stored: serde_json::Value = serde_json::from_str(example).unwrap();
        assert_eq!(again, stored, "{} is not written as it was read", F::SUBJECT);
    }

    #[test]
    fn every_stored_example_still_decodes_to_the_same_document() {
        reads_back::<tickets::HoldsPlaced>(include_str!("../examples/tickets.holds_placed.v1.json"));
        reads_back::<tickets::HoldsChanged>(include_str!("../examples/tickets.holds_changed.v1.json"));
        reads_back::<tickets::HoldsEnded>(include_str!("../examples/tickets.holds_ended.v1.json"));
        reads_back::<tickets::HoldsSold>(include_str!("../examples/tickets.holds_sold.v1.json"));
        reads_back::<tickets::SalesRefused>(include_str!("../examples/tickets.sales_refused.v1.json"));
        reads_back::<orders::OrderPaid>(include_str!("../examples/orders.order_paid.v1.json"));
        reads_back::<orders::OrderClosed>(include_str!("../examples/orders.order_closed.v1.json"));
    }
}
