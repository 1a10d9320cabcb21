//! Typed ids: a UUIDv7 behind a prefix, written in 26 lower-case Crockford base32 characters.
//!
//! `evt_01jd3m…` sorts by its time of making, survives a double click, and cannot be passed where another
//! kind of id is wanted. To everybody outside, ids are opaque strings.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// Crockford's alphabet leaves out i, l, o and u, which people misread.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// 128 bits in groups of five need 26 characters.
const ENCODED_LENGTH: usize = 26;

/// A string that is not an id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{given}' is not a valid id: expected '{prefix}_' and {ENCODED_LENGTH} characters of 0-9 a-z without i l o u"
)]
pub struct Invalid {
    /// What was given, cut to 64 characters.
    given: String,
    /// The prefix that was expected.
    prefix: &'static str,
}

fn encode(value: Uuid, out: &mut String) {
    let bits = value.as_u128();
    for position in (0..ENCODED_LENGTH).rev() {
        let group = (bits >> (position * 5)) & 0x1f;
        out.push(char::from(ALPHABET[group as usize]));
    }
}

fn decode(text: &str) -> Option<Uuid> {
    if text.len() != ENCODED_LENGTH {
        return None;
    }
    let mut bits: u128 = 0;
    for (position, byte) in text.bytes().enumerate() {
        let group = ALPHABET.iter().position(|candidate| *candidate == byte)? as u128;
        // 26 groups carry 130 bits: the first may only use its three lowest.
        if position == 0 && group > 7 {
            return None;
        }
        bits = (bits << 5) | group;
    }
    Some(Uuid::from_u128(bits))
}

macro_rules! typed_id {
    ($(#[$documentation:meta])* $name:ident, $prefix:literal) => {
        $(#[$documentation])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// The prefix that every id of this kind begins with, without the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// A new id, later than all made before it on this machine.
            #[must_use]
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }

            /// The id that stands for `value` in a database column.
            #[must_use]
            pub const fn from_uuid(value: Uuid) -> Self {
                Self(value)
            }

            /// The value to keep in a database column.
            #[must_use]
            pub const fn as_uuid(&self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut text = String::with_capacity(Self::PREFIX.len() + 1 + ENCODED_LENGTH);
                text.push_str(concat!($prefix, "_"));
                encode(self.0, &mut text);
                formatter.pad(&text)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, formatter)
            }
        }

        impl FromStr for $name {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<Self, Invalid> {
                text.strip_prefix(concat!($prefix, "_"))
                    .and_then(decode)
                    .map(Self)
                    .ok_or_else(|| Invalid { given: text.chars().take(64).collect(), prefix: $prefix })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

typed_id!(
    /// A concert: one layout at one time.
    EventId, "evt"
);
typed_id!(
    /// A place with an address; it has layouts.
    VenueId, "ven"
);
typed_id!(
    /// Seats and units kept for one buyer for a while.
    HoldId, "hold"
);
typed_id!(
    /// What a buyer pays for.
    OrderId, "ord"
);
typed_id!(
    /// The right to one seat or unit.
    TicketId, "tkt"
);
typed_id!(
    /// A person who buys, signed in or a guest.
    BuyerId, "buy"
);
typed_id!(
    /// One thing that happened, told once.
    FactId, "fact"
);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_id_reads_back_as_itself(bits: u128) {
            let id = HoldId::from_uuid(Uuid::from_u128(bits));
            prop_assert_eq!(id.to_string().parse::<HoldId>().unwrap(), id);
        }

        #[test]
        fn no_text_makes_parsing_panic(text in ".{0,80}") {
            let _ = text.parse::<EventId>();
        }
    }

    #[test]
    fn an_id_of_another_kind_is_refused() {
        let hold = HoldId::generate().to_string();
        assert!(hold.parse::<EventId>().unwrap_err().to_string().contains("'evt_'"));
    }

    #[test]
    fn a_value_over_128_bits_is_refused() {
        assert!(format!("evt_{}", "z".repeat(26)).parse::<EventId>().is_err());
        assert!(format!("evt_7{}", "z".repeat(25)).parse::<EventId>().is_ok());
    }

    #[test]
    fn later_ids_sort_after_earlier_ones_as_text_too() {
        let (first, second) = (EventId::generate(), EventId::generate());
        assert!(first.to_string() < second.to_string());
    }
}
