//! What a connection's RES token says. `identity` makes it, every service reads it, no browser sees it.

use serde::{Deserialize, Serialize};

use crate::id::BuyerId;

/// Who is behind a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Token {
    /// The person, or the guest session that stands for one.
    pub buyer: BuyerId,
    /// What the person may do besides buying.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<Role>,
}

/// A right beyond buying, given in the identity provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// Runs events.
    Organizer,
    /// Lets people in.
    Gate,
    /// Runs the platform.
    Admin,
}

impl Token {
    /// The token of a guest.
    #[must_use]
    pub const fn guest(buyer: BuyerId) -> Self {
        Self { buyer, roles: Vec::new() }
    }
}
