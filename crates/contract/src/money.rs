//! Money: integer minor units of one ISO 4217 currency. There is no float anywhere near it.

use std::fmt;

pub use iso_currency::Currency;
use serde::{Deserialize, Serialize};

/// An amount in a currency's minor unit: `{"amount": 1999, "currency": "EUR"}` is 19.99 euros.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Money {
    /// Minor units (cents, öre; whole yen, as the yen has none).
    pub amount: i64,
    /// ISO 4217 code.
    pub currency: Currency,
}

/// Why two amounts could not be put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The currencies differ.
    #[error("amounts in {0} and {1} cannot be added")]
    Currencies(Currency, Currency),
    /// The result does not fit 64 bits.
    #[error("the amount is too large")]
    Overflow,
}

impl Money {
    /// `amount` minor units of `currency`.
    #[must_use]
    pub const fn new(amount: i64, currency: Currency) -> Self {
        Self { amount, currency }
    }

    /// Nothing, in `currency`.
    #[must_use]
    pub const fn zero(currency: Currency) -> Self {
        Self::new(0, currency)
    }

    /// The sum, if both are of one currency and it fits.
    pub fn plus(self, other: Self) -> Result<Self, Error> {
        if self.currency != other.currency {
            return Err(Error::Currencies(self.currency, other.currency));
        }
        let amount = self.amount.checked_add(other.amount).ok_or(Error::Overflow)?;
        Ok(Self { amount, ..self })
    }

    /// `quantity` times this amount.
    pub fn times(self, quantity: u32) -> Result<Self, Error> {
        let amount = self.amount.checked_mul(i64::from(quantity)).ok_or(Error::Overflow)?;
        Ok(Self { amount, ..self })
    }

    /// The sum of all, in `currency`.
    pub fn sum(currency: Currency, amounts: impl IntoIterator<Item = Self>) -> Result<Self, Error> {
        amounts.into_iter().try_fold(Self::zero(currency), Self::plus)
    }

    /// Is there nothing to pay?
    #[must_use]
    pub const fn is_zero(&self) -> bool {
        self.amount == 0
    }
}

impl fmt::Display for Money {
    /// `19.99 EUR`, with as many decimals as the currency has.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = u32::from(self.currency.exponent().unwrap_or(0));
        let unit = 10_u64.pow(digits);
        let sign = if self.amount < 0 { "-" } else { "" };
        let amount = self.amount.unsigned_abs();
        let code = self.currency.code();
        if digits == 0 {
            return write!(formatter, "{sign}{amount} {code}");
        }
        let width = digits as usize;
        write!(formatter, "{sign}{}.{:0width$} {code}", amount / unit, amount % unit)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn money_is_written_with_the_decimals_of_its_currency() {
        assert_eq!(Money::new(1999, Currency::EUR).to_string(), "19.99 EUR");
        assert_eq!(Money::new(5, Currency::EUR).to_string(), "0.05 EUR");
        assert_eq!(Money::new(-150, Currency::USD).to_string(), "-1.50 USD");
        assert_eq!(Money::new(1200, Currency::JPY).to_string(), "1200 JPY");
        assert_eq!(Money::new(1234, Currency::KWD).to_string(), "1.234 KWD");
    }

    #[test]
    fn amounts_of_two_currencies_are_never_added() {
        let euros = Money::new(1, Currency::EUR);
        let dollars = Money::new(1, Currency::USD);
        assert_eq!(euros.plus(dollars), Err(Error::Currencies(Currency::EUR, Currency::USD)));
    }

    #[test]
    fn an_overflow_is_an_error_not_a_wrap() {
        assert_eq!(Money::new(i64::MAX, Currency::EUR).times(2), Err(Error::Overflow));
        assert_eq!(
            Money::new(i64::MAX, Currency::EUR).plus(Money::new(1, Currency::EUR)),
            Err(Error::Overflow)
        );
    }

    #[test]
    fn money_on_the_wire_is_minor_units_and_a_code() {
        let text = serde_json::to_string(&Money::new(1999, Currency::EUR)).unwrap();
        assert_eq!(text, r#"{"amount":1999,"currency":"EUR"}"#);
        assert!(serde_json::from_str::<Money>(r#"{"amount":19.99,"currency":"EUR"}"#).is_err());
        assert!(serde_json::from_str::<Money>(r#"{"amount":1,"currency":"EUR","x":1}"#).is_err());
    }
}
