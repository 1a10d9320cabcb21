//! Priced lines, frozen when a hold is made: what is charged later is what was shown then.

use serde::{Deserialize, Serialize};

use crate::money::Money;

/// One seat, or a number of units of one general-admission area, with its price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Line {
    /// The seat, if the line is for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seat: Option<String>,
    /// The area, if the line is for units of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub area: Option<String>,
    /// For people: `Stalls left, row C, seat 14`.
    pub label: String,
    /// Price category of the layout.
    pub category: String,
    /// 1 for a seat; the number of units for an area.
    pub quantity: u32,
    /// Price of one.
    pub unit_price: Money,
    /// `quantity` times `unit_price`.
    pub price: Money,
}
