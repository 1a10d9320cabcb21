//! `call.orders.new`: an order from a hold.

use livehouse_contract::id::{HoldId, OrderId};
use livehouse_contract::path;
use livehouse_contract::token::Token;
use res_service::{Access, Call, Error, Grant, Reply, Resource};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::error;
use crate::checkout::Checkout;
use crate::store::order::NewOrder;

/// The longest request key.
const KEY_CHARS_MAX: usize = 128;
/// The longest address of a mail, as SMTP has it.
const EMAIL_CHARS_MAX: usize = 254;
/// Letters of an order's number: none that are misread, no vowels that make words.
const NUMBER_ALPHABET: &[u8; 24] = b"23456789BCDFGHJKMNPQRSTV";
/// 24^8 numbers: a guess hits one of a million orders once in a hundred thousand tries.
const NUMBER_CHARS: usize = 8;

/// Parameters of the call.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Params {
    hold: HoldId,
    #[serde(default)]
    email: Option<String>,
    key: String,
}

pub(super) fn resource(checkout: &Checkout) -> Resource {
    let checkout = checkout.clone();
    Resource::new("")
        .access(|request: Access| async move {
            let token: Option<Token> = request.token()?;
            Ok(if token.is_some() { Grant::none().call(["new"]) } else { Grant::none() })
        })
        // The database says who was first.
        .calls_side_by_side()
        .call("new", move |call: Call| {
            let checkout = checkout.clone();
            async move { new(&checkout, &call).await }
        })
}

async fn new(checkout: &Checkout, call: &Call) -> Result<Reply, Error> {
    let token: Token = call.token()?.ok_or(Error::ACCESS_DENIED)?;
    let params: Params = call.params()?;
    let key = &params.key;
    if key.is_empty() || key.chars().count() > KEY_CHARS_MAX || key.chars().any(char::is_control) {
        return Err(error::invalid(format!(
            "key: 1 to {KEY_CHARS_MAX} characters are expected, none of them a control character"
        )));
    }
    let email = params.email.map(|email| email.trim().to_owned()).filter(|email| !email.is_empty());
    if email.as_deref().is_some_and(|email| !is_address(email)) {
        return Err(error::invalid("email: this does not look like an address such as name@example.org"));
    }
    let order = NewOrder {
        id: OrderId::generate(),
        number: number(),
        buyer: token.buyer,
        hold: params.hold,
        fingerprint: fingerprint(params.hold, email.as_deref()),
        email,
        key: params.key,
    };
    let order = checkout.place(&order).await.map_err(error::of)?;
    Reply::resource(path::order(order.id))
}

/// Only what is certainly no address is refused; whether mail arrives there, mail tells.
fn is_address(email: &str) -> bool {
    let plain = email.chars().all(|char| !char.is_control() && !char.is_whitespace());
    let parts = email
        .rsplit_once('@')
        .is_some_and(|(name, host)| !name.is_empty() && host.len() > 2 && !host.starts_with('.'));
    plain && parts && email.chars().count() <= EMAIL_CHARS_MAX
}

fn fingerprint(hold: HoldId, email: Option<&str>) -> Uuid {
    let digest = Sha256::digest(json!({"hold": hold, "email": email}).to_string().as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    Uuid::from_bytes(bytes)
}

fn number() -> String {
    (0..NUMBER_CHARS)
        .map(|_| char::from(NUMBER_ALPHABET[rand::random_range(0..NUMBER_ALPHABET.len())]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_what_is_none() {
        for good in ["a@b.de", "first.last+tag@sub.example.org"] {
            assert!(is_address(good), "{good}");
        }
        for bad in ["", "a", "@b.de", "a@", "a b@c.de", "a@b\n.de", "a@.de"] {
            assert!(!is_address(bad), "{bad}");
        }
    }
}
