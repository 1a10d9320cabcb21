//! What the responders serve: models of the size of real ones.

use std::sync::atomic::AtomicU64;

use serde::{Deserialize, Serialize};

/// How many models there are: one for each outstanding request of the driver.
const ITEMS: usize = 1024;

/// A model; its reference and its nested value are of each responder's own types.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Item<R, D> {
    id: String,
    title: String,
    starts_at: String,
    venue: R,
    prices: D,
    currency: String,
    on_sale: bool,
    pub(crate) count: AtomicU64,
}

#[derive(Clone, Serialize)]
pub(crate) struct Price {
    category: &'static str,
    cents: u32,
}

/// Parameters of `sum`.
#[derive(Deserialize)]
pub(crate) struct SumParams {
    pub(crate) a: i64,
    pub(crate) b: i64,
    pub(crate) label: String,
}

/// Result of `sum`.
#[derive(Serialize)]
pub(crate) struct SumResult {
    pub(crate) sum: i64,
    pub(crate) label: String,
}

/// All models, with their reference made from a resource id and their nested value from a list of prices.
pub(crate) fn all<R, D>(reference: impl Fn(String) -> R, data: impl Fn(Vec<Price>) -> D) -> Vec<Item<R, D>> {
    let prices = [("A", 6200), ("B", 4800), ("C", 3100)];
    let prices = prices.map(|(category, cents)| Price { category, cents });
    let item = |number: usize| Item {
        id: format!("item-{number}"),
        title: "String quartet in the small hall, with an introduction".to_owned(),
        starts_at: "2027-03-14T19:30:00Z".to_owned(),
        venue: reference(format!("halls.hall.{}", number % 7)),
        prices: data(prices.to_vec()),
        currency: "EUR".to_owned(),
        on_sale: true,
        count: AtomicU64::new(0),
    };
    (0..ITEMS).map(item).collect()
}
