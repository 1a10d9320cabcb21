//! Dates and money as people write them, in English and exactly as the browser's `Intl` does, so that nothing jumps
//! when the page's script takes over.

use jiff::{Timestamp, Zoned};
use livehouse_contract::money::{Currency, Money};

/// Symbols that English readers expect before the amount; every other currency is written by its code.
const SYMBOLS: [(Currency, &str); 11] = [
    (Currency::EUR, "€"),
    (Currency::USD, "$"),
    (Currency::GBP, "£"),
    (Currency::JPY, "¥"),
    (Currency::KRW, "₩"),
    (Currency::INR, "₹"),
    (Currency::ILS, "₪"),
    (Currency::VND, "₫"),
    (Currency::CAD, "CA$"),
    (Currency::AUD, "A$"),
    (Currency::NZD, "NZ$"),
];

/// `€35`, `€35.50`, `DKK 120`; nothing to pay is `Free`.
#[must_use]
pub fn money(money: Money) -> String {
    if money.is_zero() {
        return "Free".to_owned();
    }
    let decimal = decimal(money);
    let amount = decimal.strip_suffix(".00").or_else(|| decimal.strip_suffix(".000")).unwrap_or(&decimal);
    let amount = grouped(amount);
    match SYMBOLS.iter().find(|(currency, _)| *currency == money.currency) {
        Some((_, symbol)) => format!("{symbol}{amount}"),
        // The space between code and amount never breaks a line.
        None => format!("{}\u{a0}{amount}", money.currency.code()),
    }
}

/// `35.00`: with all decimals of the currency, as schema.org wants it.
#[must_use]
pub fn decimal(money: Money) -> String {
    let text = money.to_string();
    text.split(' ').next().unwrap_or_default().to_owned()
}

/// Thousands set apart by commas.
fn grouped(amount: &str) -> String {
    let (whole, rest) = amount.split_once('.').map_or((amount, None), |(whole, rest)| (whole, Some(rest)));
    let mut text = String::new();
    for (position, digit) in whole.chars().enumerate() {
        if position > 0 && (whole.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    match rest {
        Some(rest) => format!("{text}.{rest}"),
        None => text,
    }
}

/// A moment at a place.
#[must_use]
pub fn local(moment: Timestamp, time_zone: &str) -> Zoned {
    moment.in_tz(time_zone).unwrap_or_else(|_| moment.to_zoned(jiff::tz::TimeZone::UTC))
}

/// `Saturday, 14 March 2026, 20:00`.
#[must_use]
pub fn date(moment: &Zoned) -> String {
    moment.strftime("%A, %-d %B %Y, %H:%M").to_string()
}

/// `Berlin time`, from `Europe/Berlin`.
#[must_use]
pub fn zone(time_zone: &str) -> String {
    let place = time_zone.rsplit('/').next().unwrap_or(time_zone).replace('_', " ");
    format!("{place} time")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn money_reads_as_people_write_it() {
        let cases = [
            (3_500, Currency::EUR, "€35"),
            (3_550, Currency::EUR, "€35.50"),
            (123_456_700, Currency::USD, "$1,234,567"),
            (3_500, Currency::JPY, "¥3,500"),
            (12_000, Currency::DKK, "DKK\u{a0}120"),
            (0, Currency::DKK, "Free"),
        ];
        for (amount, currency, text) in cases {
            assert_eq!(money(Money::new(amount, currency)), text);
        }
        assert_eq!(decimal(Money::new(3_500, Currency::EUR)), "35.00");
    }

    #[test]
    fn a_date_is_told_in_the_time_of_its_place() {
        let moment: Timestamp = "2026-03-14T19:00:00Z".parse().unwrap();
        assert_eq!(date(&local(moment, "Europe/Berlin")), "Saturday, 14 March 2026, 20:00");
        assert_eq!(zone("America/New_York"), "New York time");
        assert_eq!(date(&local(moment, "No/Where")), "Saturday, 14 March 2026, 19:00");
    }
}
