//! The guest session: a signed cookie that says which buyer a browser is.
//!
//! `site` signs it on the first visit, `identity` verifies it for Resgate. It carries nothing but the buyer's id
//! and when it was made, so nothing has to be stored for it; a wrong signature is no session at all.
//!
//! Value: `<buyer id>.<seconds since 1970>.<HMAC-SHA256 of the former, base64url without padding>`.

use std::path::Path;

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use jiff::Timestamp;
use livehouse_contract::id::BuyerId;
use sha2::Sha256;

/// Name of the cookie.
pub const COOKIE: &str = "livehouse_session";
/// How long a session is good for, in seconds: 180 days, so that orders of a past event can still be seen.
pub const AGE_SECONDS_MAX: i64 = 180 * 24 * 60 * 60;
/// A session made this far in the future of this host's clock is accepted: clocks differ.
const CLOCK_SKEW_SECONDS_MAX: i64 = 600;
/// The shortest key that is accepted.
const KEY_BYTES_MIN: usize = 32;

/// The key that signs sessions. Never shown, not even in a debug print.
#[derive(Clone)]
pub struct Key(Vec<u8>);

impl std::fmt::Debug for Key {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Key(hidden)")
    }
}

impl Key {
    /// Reads the key from its file; at least 32 bytes.
    pub fn from_file(file: &Path) -> anyhow::Result<Self> {
        let bytes = std::fs::read(file)
            .with_context(|| format!("cannot read the session key from {}", file.display()))?;
        Self::from_bytes(bytes).with_context(|| format!("the session key in {}", file.display()))
    }

    /// A key of these bytes; at least 32.
    pub fn from_bytes(bytes: Vec<u8>) -> anyhow::Result<Self> {
        anyhow::ensure!(bytes.len() >= KEY_BYTES_MIN, "is shorter than {KEY_BYTES_MIN} bytes");
        Ok(Self(bytes))
    }

    fn code(&self, message: &str) -> Hmac<Sha256> {
        let mut code = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        code.update(message.as_bytes());
        code
    }

    /// The cookie's value for `buyer`, made at `now`.
    #[must_use]
    pub fn sign(&self, buyer: BuyerId, now: Timestamp) -> String {
        let message = format!("{buyer}.{}", now.as_second());
        let signature = URL_SAFE_NO_PAD.encode(self.code(&message).finalize().into_bytes());
        format!("{message}.{signature}")
    }

    /// Whose session `value` is, if it is one that was signed with this key and is not too old.
    #[must_use]
    pub fn verify(&self, value: &str, now: Timestamp) -> Option<BuyerId> {
        let (message, signature) = value.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        self.code(message).verify_slice(&signature).ok()?;
        let (buyer, made_at) = message.split_once('.')?;
        let age_seconds = now.as_second().checked_sub(made_at.parse::<i64>().ok()?)?;
        let current = (-CLOCK_SKEW_SECONDS_MAX..=AGE_SECONDS_MAX).contains(&age_seconds);
        buyer.parse().ok().filter(|_| current)
    }

    /// Whose session the `Cookie` headers carry, if any.
    pub fn buyer_of<'a>(
        &self,
        headers: impl IntoIterator<Item = &'a str>,
        now: Timestamp,
    ) -> Option<BuyerId> {
        headers
            .into_iter()
            .flat_map(|header| header.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(name, _)| *name == COOKIE)
            .find_map(|(_, value)| self.verify(value, now))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn key(byte: u8) -> Key {
        Key::from_bytes(vec![byte; 32]).unwrap()
    }

    #[test]
    fn a_signed_session_names_its_buyer() {
        let (buyer, now) = (BuyerId::generate(), Timestamp::now());
        let value = key(1).sign(buyer, now);
        assert_eq!(key(1).verify(&value, now), Some(buyer));
        let header = format!("theme=dark; {COOKIE}={value}");
        assert_eq!(key(1).buyer_of([header.as_str()], now), Some(buyer));
    }

    #[test]
    fn a_session_signed_by_another_key_or_changed_in_any_place_is_none() {
        let (buyer, now) = (BuyerId::generate(), Timestamp::now());
        let value = key(1).sign(buyer, now);
        assert_eq!(key(2).verify(&value, now), None);
        for place in 0..value.len() {
            let mut bytes = value.clone().into_bytes();
            bytes[place] = if bytes[place] == b'0' { b'1' } else { b'0' };
            let changed = String::from_utf8(bytes).unwrap();
            // The last base64 character has unused bits; only a change of meaning must be refused.
            if place < value.len() - 1 {
                assert_eq!(key(1).verify(&changed, now), None, "place {place}");
            }
        }
        for nonsense in ["", ".", "..", "a.b.c", "buy_.1."] {
            assert_eq!(key(1).verify(nonsense, now), None);
        }
    }

    #[test]
    fn a_session_grows_too_old() {
        let (buyer, now) = (BuyerId::generate(), Timestamp::now());
        let old = now - jiff::SignedDuration::from_secs(AGE_SECONDS_MAX + 1);
        assert_eq!(key(1).verify(&key(1).sign(buyer, old), now), None);
    }

    #[test]
    fn a_short_key_is_refused_and_a_key_is_never_printed() {
        assert!(Key::from_bytes(vec![7; 31]).is_err());
        assert_eq!(format!("{:?}", key(7)), "Key(hidden)");
    }
}
