//! `memory`: the tickets service with 20 events of 40,000 seats, every section of every event being watched.

use livehouse_testkit::ResClient;

use crate::report::{Report, Row};
use crate::theatre::{Programme, Theatre};

const EVENTS: usize = 20;
const SEATS: usize = 40_000;
const SECTION_SEATS: usize = 1_000;

/// Runs the measurement.
pub(crate) async fn measure() -> anyhow::Result<Report> {
    let programme = Programme { events: EVENTS, seats: SEATS, hold_seconds: 900, gateway: true, replicas: 1 };
    let theatre = Theatre::open(&programme).await?;
    let idle = theatre.tickets_megabytes()?;
    let viewer = ResClient::connect(&theatre.world.resgate().live_url()).await?;
    for event in &theatre.events {
        for section in 0..SEATS / SECTION_SEATS {
            let resource = format!("tickets.event.{event}.section.s{section}");
            viewer.subscribe(&resource).await.map_err(|error| anyhow::anyhow!("{resource}: {error:?}"))?;
        }
    }
    let watched = theatre.tickets_megabytes()?;
    let violations = theatre.audit().await?;
    let rows = vec![
        Row::value("resident, all views open", idle, "MB"),
        Row::value("resident, all 800 sections watched", watched, "MB"),
    ];
    Ok(Report { name: "memory", rows, violations })
}
