//! Putting a seating plan on sale from a file.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::Context;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Zoned};
use livehouse_contract::money::Currency;
use livehouse_platform::postgres;
use livehouse_seating::import::{self as plan, Imported};
use livehouse_seating::{Layout, Refused};
use serde_json::json;

use crate::options::Import;
use crate::store::import::{self as store, NewEvent, NewVenue};

/// The cheapest category costs this part of the dearest.
const CHEAPEST_PART: f64 = 1.0 / 3.0;
/// Prices are rounded to this many minor units.
const PRICE_STEP: i64 = 100;

/// Reads a plan, says what was repaired, and puts it on sale; or says what is wrong with it and changes nothing.
pub async fn import(options: Import) -> anyhow::Result<ExitCode> {
    let bytes =
        std::fs::read(&options.file).with_context(|| format!("cannot read {}", options.file.display()))?;
    let imported = match plan::parse(&bytes) {
        Ok(imported) => imported,
        Err(refused) => {
            tell_refused(&options, &refused)?;
            return Ok(ExitCode::FAILURE);
        }
    };
    let pool = postgres::pool_of_command(&options.database, "tickets-import")?;
    let event = event_of(&options, &imported.layout)?;
    let mut slug = event.slug.clone();
    let mut copy = 2;
    while store::exists(&pool, &slug).await? {
        slug = format!("{}-{copy}", event.slug);
        copy += 1;
    }
    let event = NewEvent { slug, ..event };
    let id = store::publish(&pool, &imported.layout, &event).await?;
    tell_imported(&options, &imported, &event, id)?;
    Ok(ExitCode::SUCCESS)
}

fn tell_refused(options: &Import, refused: &Refused) -> anyhow::Result<()> {
    use std::io::Write;
    if options.json {
        let problems: Vec<_> =
            refused.problems.iter().map(|it| json!({"place": it.place, "what": it.what})).collect();
        writeln!(std::io::stdout(), "{}", json!({"refused": problems}))?;
        return Ok(());
    }
    writeln!(std::io::stderr(), "{} is refused; nothing was changed:", options.file.display())?;
    for problem in &refused.problems {
        writeln!(std::io::stderr(), "  {problem}")?;
    }
    Ok(())
}

fn tell_imported(
    options: &Import,
    imported: &Imported,
    event: &NewEvent,
    id: livehouse_contract::id::EventId,
) -> anyhow::Result<()> {
    use std::io::Write;
    let layout = &imported.layout;
    let (seats, units) = (layout.seat_count(), layout.unit_count());
    let mut out = std::io::stdout();
    if options.json {
        let repairs: Vec<_> =
            imported.repairs.iter().map(|it| json!({"place": it.place, "what": it.what})).collect();
        let told = json!({
            "event": id, "slug": event.slug, "layout": layout.hash(), "sections": layout.sections.len(),
            "seats": seats, "units": units, "repairs": repairs
        });
        writeln!(out, "{told}")?;
        return Ok(());
    }
    for repair in &imported.repairs {
        writeln!(out, "repaired  {repair}")?;
    }
    writeln!(
        out,
        "{} is on sale as /events/{}: {seats} seats in {} sections",
        event.name,
        event.slug,
        layout.sections.len()
    )?;
    Ok(())
}

fn event_of(options: &Import, layout: &Layout) -> anyhow::Result<NewEvent> {
    let name = options.name.clone().unwrap_or_else(|| layout.name.clone());
    let currency = Currency::from_code(&options.currency)
        .with_context(|| format!("--currency: '{}' is no ISO 4217 code", options.currency))?;
    Ok(NewEvent {
        slug: slug(&name),
        description: "Choose your seat on a map that is true while you look at it.".to_owned(),
        venue: NewVenue { name: layout.name.clone(), ..NewVenue::default() },
        starts_at: evening(options.days, &options.time_zone, 20)?,
        time_zone: options.time_zone.clone(),
        prices: price_ladder(layout, options.price),
        currency,
        name,
        on_sale_at: Timestamp::now(),
        hold_seconds: 15 * 60,
        hold_seconds_max: 2 * 60 * 60,
        seats_per_hold_max: 10,
        seats_per_buyer_max: 20,
    })
}

/// `hour` o'clock in `time_zone`, so many days from today.
pub fn evening(days: i32, time_zone: &str, hour: i8) -> anyhow::Result<Timestamp> {
    let zone = TimeZone::get(time_zone).with_context(|| format!("'{time_zone}' is no IANA time zone"))?;
    let day = Zoned::now().with_time_zone(zone.clone()).date().checked_add(Span::new().days(days))?;
    Ok(day.to_datetime(Time::constant(hour, 0, 0, 0)).to_zoned(zone)?.timestamp())
}

/// A price for every category, the first being the dearest.
#[must_use]
pub fn price_ladder(layout: &Layout, dearest: i64) -> BTreeMap<String, i64> {
    let steps = layout.categories.len().saturating_sub(1).max(1) as f64;
    let price = |position: usize| {
        let part = (1.0 - CHEAPEST_PART).mul_add(-(position as f64 / steps), 1.0);
        (dearest as f64 * part / PRICE_STEP as f64).round() as i64 * PRICE_STEP
    };
    layout
        .categories
        .iter()
        .enumerate()
        .map(|(position, category)| (category.id.clone(), price(position)))
        .collect()
}

/// A name as part of an address: `Plan 9, live!` is `plan-9-live`.
#[must_use]
pub fn slug(name: &str) -> String {
    let words: Vec<String> = name
        .to_lowercase()
        .split(|char: char| !char.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    let slug: String = words.join("-").chars().take(80).collect();
    if slug.is_empty() { "event".to_owned() } else { slug.trim_end_matches('-').to_owned() }
}
