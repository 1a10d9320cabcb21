//! Refusals as errors of the public surface: the one place where they are mapped.

use livehouse_contract::code::orders as code;
use res_service::Error;

use crate::checkout;

/// Too much is waiting.
pub(super) fn busy() -> Error {
    Error::custom(
        code::BUSY,
        "Too many people are asking at this moment. Try again in a second with the same key.",
    )
}

/// Something broke here; the reason is logged and not told.
pub(super) fn internal(cause: anyhow::Error) -> Error {
    Error::internal(Box::<dyn std::error::Error + Send + Sync>::from(cause))
}

/// Parameters that fit their types but not the rules.
pub(super) fn invalid(message: impl Into<String>) -> Error {
    Error::INVALID_PARAMS.with_message(message.into())
}

/// What the checkout refused.
pub(super) fn of(error: checkout::Error) -> Error {
    match error {
        checkout::Error::HoldNotActive => {
            Error::custom(code::HOLD_NOT_ACTIVE, "The hold has ended, is not yours, or was ordered already")
        }
        checkout::Error::KeyReused => {
            invalid("key: this key was used for another request: make a new key for every new request")
        }
        checkout::Error::NotCancellable(state) => {
            Error::custom(code::NOT_CANCELLABLE, "Only an order that awaits its payment can be cancelled")
                .with_data(&serde_json::json!({"state": state}))
        }
        checkout::Error::Busy => busy(),
        checkout::Error::NotFound => Error::NOT_FOUND,
        checkout::Error::Internal(cause) => internal(cause),
    }
}
