//! Refusals as errors of the public surface: the one place where they are mapped.

use livehouse_contract::code::tickets as code;
use res_service::Error;
use serde_json::json;

use crate::catalogue::Event;
use crate::domain::command::Refusal;
use crate::inventory::Unavailable;

/// Too much is waiting.
#[must_use]
pub fn busy() -> Error {
    Error::custom(
        code::BUSY,
        "Too many people are asking at this moment. Try again in a second with the same key.",
    )
}

/// Something broke here; the reason is logged and not told.
pub fn internal(cause: anyhow::Error) -> Error {
    Error::internal(Box::<dyn std::error::Error + Send + Sync>::from(cause))
}

/// No outcome.
#[must_use]
pub fn unavailable(why: Unavailable) -> Error {
    match why {
        Unavailable::Busy => busy(),
        Unavailable::Failed => Error::INTERNAL_ERROR,
    }
}

/// Parameters that fit their types but not the rules.
pub fn invalid(message: impl Into<String>) -> Error {
    Error::INVALID_PARAMS.with_message(message.into())
}

/// A refusal, told in terms of `event`'s own ids.
#[must_use]
pub fn refusal(refusal: &Refusal, event: Option<&Event>) -> Error {
    match refusal {
        Refusal::Taken { seats, areas } => {
            let layout = event.map(|event| &event.layout);
            let seats: Vec<&str> = seats
                .iter()
                .filter_map(|seat| layout.and_then(|layout| layout.index.seat_id(*seat)))
                .collect();
            let areas: Vec<&str> =
                areas.iter().filter_map(|area| layout.map(|layout| layout.section_id(*area))).collect();
            Error::custom(code::SEAT_TAKEN, "Somebody else was faster")
                .with_data(&json!({"seats": seats, "areas": areas}))
        }
        Refusal::TooMany { max } => Error::custom(code::TOO_MANY_SEATS, format!("At most {max} at a time"))
            .with_data(&json!({"max": max})),
        Refusal::LimitReached { max } => {
            Error::custom(code::LIMIT_REACHED, format!("At most {max} for one buyer"))
                .with_data(&json!({"max": max}))
        }
        Refusal::NotOnSale { status } => Error::custom(code::NOT_ON_SALE, "This event is not on sale now")
            .with_data(&json!({"status": status})),
        Refusal::HoldNotActive | Refusal::SoldToOthers => {
            Error::custom(code::HOLD_NOT_ACTIVE, "The hold has ended or is not yours")
        }
        Refusal::HardDeadline { expires_at } => {
            Error::custom(code::HARD_DEADLINE, "The hold cannot be kept any longer")
                .with_data(&json!({"expiresAt": expires_at}))
        }
        Refusal::KeyReused => {
            invalid("this key was used for another request: make a new key for every new request")
        }
    }
}
