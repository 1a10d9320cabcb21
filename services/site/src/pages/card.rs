//! An event as the templates want it: every date and price a text already.

use std::collections::BTreeMap;

use minijinja::{Value, context};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::sale::{Availability, Event};
use crate::texts;

/// Names and colours of price categories by id.
#[derive(Debug, Default)]
pub(super) struct Categories(BTreeMap<String, Category>);

#[derive(Debug, Deserialize)]
struct Category {
    id: String,
    name: String,
    color: Option<String>,
}

/// The categories of a layout document.
pub(super) fn categories(document: &[u8]) -> Categories {
    #[derive(Deserialize)]
    struct Document {
        categories: Vec<Category>,
    }
    let categories =
        serde_json::from_slice::<Document>(document).map(|document| document.categories).unwrap_or_default();
    Categories(categories.into_iter().map(|category| (category.id.clone(), category)).collect())
}

/// An event in a list.
pub(super) fn card(event: &Event, availability: Option<&Availability>) -> Value {
    let begins = texts::local(event.starts_at, &event.time_zone);
    let opens = texts::local(event.on_sale_at, &event.time_zone);
    let cheapest = event.prices.values().min_by_key(|price| price.amount);
    let mut amounts: Vec<i64> = event.prices.values().map(|price| price.amount).collect();
    amounts.sort_unstable();
    amounts.dedup();
    let art = Sha256::digest(event.id.to_string().as_bytes());
    context! {
        id => event.id.to_string(),
        url => format!("/events/{}", event.slug),
        name => event.name.as_str(),
        venue => if event.city.is_empty() { event.venue.clone() } else { format!("{}, {}", event.venue, event.city) },
        art => art[..16].to_vec(),
        starts_at => event.starts_at.to_string(),
        starts_text => texts::date(&begins),
        zone_text => texts::zone(&event.time_zone),
        weekday => begins.strftime("%a").to_string(),
        day => begins.strftime("%-d").to_string(),
        month => begins.strftime("%b").to_string(),
        year => begins.strftime("%Y").to_string(),
        time => begins.strftime("%H:%M").to_string(),
        status => event.status.as_str(),
        on_sale_at => event.on_sale_at.to_string(),
        on_sale_text => texts::date(&opens),
        from_price_text => cheapest.map(|price| texts::money(*price)),
        price_count => amounts.len(),
        free => availability.map(|it| it.free),
        total => availability.map(|it| it.total),
    }
}

/// An event on its own page.
pub(super) fn page(
    event: &Event,
    availability: Option<&Availability>,
    layout: &str,
    categories: &Categories,
) -> Value {
    let mut priced: Vec<_> = event.prices.iter().collect();
    priced.sort_by_key(|(id, price)| (std::cmp::Reverse(price.amount), (*id).clone()));
    let prices: Vec<Value> = priced
        .iter()
        .map(|(id, price)| {
            let category = categories.0.get(*id);
            context! {
                category => id.as_str(),
                name => category.map_or(id.as_str(), |category| category.name.as_str()),
                color => category.and_then(|category| category.color.clone()),
                price_text => texts::money(**price),
                amount => price.amount,
                currency => event.currency.as_str(),
                decimal => texts::decimal(**price),
            }
        })
        .collect();
    let own = context! {
        time_zone => event.time_zone.as_str(),
        currency => event.currency.as_str(),
        layout => event.layout.as_str(),
        layout_url => layout,
        description => (!event.description.is_empty()).then_some(event.description.as_str()),
        prices => prices,
        price_low => priced.last().map(|(_, price)| texts::decimal(**price)),
        price_high => priced.first().map(|(_, price)| texts::decimal(**price)),
        seats_per_hold_max => event.seats_per_hold_max,
        hold_minutes => event.hold_seconds.div_ceil(60),
    };
    context! { ..own, ..card(event, availability) }
}
