//! The example sale: four venues, each with something to look at.

use livehouse_contract::money::Currency;
use livehouse_platform::options::Database;
use livehouse_platform::postgres;
use livehouse_seating::{Layout, generate};

use crate::publish::{evening, price_ladder};
use crate::store::import::{self as store, NewEvent, NewVenue};

/// One example event.
struct Example {
    slug: &'static str,
    name: &'static str,
    description: &'static str,
    layout: fn() -> Layout,
    venue: [&'static str; 4],
    time_zone: &'static str,
    currency: Currency,
    /// Days from today, and the hour it begins.
    begins: (i32, i8),
    /// Minor units of the dearest category.
    price: i64,
    seats_per_hold_max: i32,
}

const EXAMPLES: [Example; 6] = [
    Example {
        slug: "night-trains",
        name: "Night Trains: Music for Departures",
        description: "Four composers wrote for the hour when the last train leaves. An evening of new chamber music, \
                      played in the round of the great hall.",
        layout: generate::concert_hall,
        venue: ["Lindenhalle", "Uferstraße 12", "Berlin", "Germany"],
        time_zone: "Europe/Berlin",
        currency: Currency::EUR,
        begins: (21, 20),
        price: 8_900,
        seats_per_hold_max: 8,
    },
    Example {
        slug: "the-long-winter",
        name: "The Long Winter: A Symphony of Weather",
        description: "Ninety musicians, one storm. The orchestra's most asked-for programme comes back for one night.",
        layout: generate::concert_hall,
        venue: ["Lindenhalle", "Uferstraße 12", "Berlin", "Germany"],
        time_zone: "Europe/Berlin",
        currency: Currency::EUR,
        begins: (48, 19),
        price: 12_500,
        seats_per_hold_max: 8,
    },
    Example {
        slug: "aurora-lines",
        name: "Aurora Lines: The Wide Open Tour",
        description: "Two hours, twelve thousand voices, one light show that follows the crowd.",
        layout: generate::arena,
        venue: ["Harbour Arena", "1 Quay Road", "Rotterdam", "Netherlands"],
        time_zone: "Europe/Amsterdam",
        currency: Currency::EUR,
        begins: (62, 20),
        price: 14_900,
        seats_per_hold_max: 10,
    },
    Example {
        slug: "low-ceiling",
        name: "Low Ceiling: Three Bands, One Room",
        description: "Loud, close and over before midnight. Standing only.",
        layout: generate::club,
        venue: ["Kellerwerk", "Hinterhof 3", "Vienna", "Austria"],
        time_zone: "Europe/Vienna",
        currency: Currency::EUR,
        begins: (9, 21),
        price: 2_400,
        seats_per_hold_max: 6,
    },
    Example {
        slug: "open-rehearsal",
        name: "Open Rehearsal: Quartet at Work",
        description: "Watch a string quartet argue about a single page. Free of charge, and worth being early.",
        layout: generate::studio,
        venue: ["Studio Nord", "Alte Fabrik 7", "Copenhagen", "Denmark"],
        time_zone: "Europe/Copenhagen",
        currency: Currency::DKK,
        begins: (14, 18),
        price: 0,
        seats_per_hold_max: 4,
    },
    Example {
        slug: "small-hours",
        name: "Small Hours: Late Club Night",
        description: "A DJ, a trumpet and whoever is still awake. Standing only.",
        layout: generate::club,
        venue: ["Kellerwerk", "Hinterhof 3", "Vienna", "Austria"],
        time_zone: "Europe/Vienna",
        currency: Currency::EUR,
        begins: (30, 23),
        price: 1_800,
        seats_per_hold_max: 6,
    },
];

/// Puts the examples on sale that are not there yet.
pub async fn run(options: &Database) -> anyhow::Result<()> {
    let pool = postgres::pool_of_command(options, "tickets-seed")?;
    for example in &EXAMPLES {
        if store::exists(&pool, example.slug).await? {
            continue;
        }
        let layout = (example.layout)();
        let event = store::publish(&pool, &layout, &new_event(example, &layout)?).await?;
        tracing::info!(event.id = %event, event.name = example.name, seats = layout.unit_count(), "example event is on sale");
    }
    Ok(())
}

fn new_event(example: &Example, layout: &Layout) -> anyhow::Result<NewEvent> {
    let [name, address, city, country] = example.venue.map(str::to_owned);
    Ok(NewEvent {
        slug: example.slug.to_owned(),
        name: example.name.to_owned(),
        description: example.description.to_owned(),
        venue: NewVenue { name, address, city, country },
        starts_at: evening(example.begins.0, example.time_zone, example.begins.1)?,
        time_zone: example.time_zone.to_owned(),
        currency: example.currency,
        prices: price_ladder(layout, example.price),
        on_sale_at: jiff::Timestamp::now(),
        hold_seconds: 15 * 60,
        hold_seconds_max: 2 * 60 * 60,
        seats_per_hold_max: example.seats_per_hold_max,
        seats_per_buyer_max: 4 * example.seats_per_hold_max,
    })
}
