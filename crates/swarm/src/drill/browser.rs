//! People with browsers.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context;
use livehouse_testkit::{Browser, Page};

use crate::{
    certificate::DOMAIN,
    network,
    sale::{self, EVENT, Sale},
    site,
    swarm::Swarm,
};

const SEEN: Duration = Duration::from_secs(20);

/// A browser that goes in by the door of a node.
pub(super) async fn start(swarm: &Swarm, folder: &Path, node: u8) -> anyhow::Result<Browser> {
    // A profile of an earlier run tells of a browser that is gone.
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    std::fs::create_dir_all(folder)?;
    let address = network::address(node);
    let fingerprint = swarm.certificate.fingerprint().await?;
    let switches = [
        format!("--host-resolver-rules=MAP {DOMAIN} {address}, MAP *.{DOMAIN} {address}"),
        format!("--ignore-certificate-errors-spki-list={fingerprint}"),
    ];
    Browser::start_with(folder, &switches).await
}

/// Two people with browsers of their own; one holds a seat, the other sees it happen.
pub(super) async fn a_seat_is_held_and_seen_live_by_browsers_over_tls(
    swarm: &Swarm,
) -> anyhow::Result<String> {
    let sale = Sale::of(swarm).await?;
    let folder = site::folder(&swarm.workspace).join("browser");
    let mut browsers = Vec::new();
    let mut pages = Vec::new();
    // By the doors of two nodes.
    for node in [1, 2] {
        let browser = start(swarm, &folder.join(node.to_string()), node).await?;
        let page = browser.person().await?;
        page.resize(1280, 900, false).await?;
        page.open(&format!("https://{DOMAIN}/events/{EVENT}")).await?;
        browsers.push(browser);
        pages.push(page);
    }
    for page in &pages {
        page.wait_for(
            "the page to be live",
            "window.livehouse?.link === 'online' && !!window.livehouse.availability",
            SEEN,
        )
        .await;
        open_section(page).await?;
    }
    let free = "document.querySelector('[data-testid=\"list-seat\"][aria-pressed=\"false\"]:not([aria-disabled=\"true\"]):not([disabled])')?.dataset.seat";
    let seat = pages[0].wait_for("a free seat", free, SEEN).await;
    let seat = seat.as_str().context("the page names no seat")?.to_string();
    let selector = format!("[data-testid=\"list-seat\"][data-seat={seat:?}]");
    let started = Instant::now();
    pages[0].click(&selector).await?;
    let in_basket = format!("!!document.querySelector('[data-testid=\"basket\"] [data-seat={seat:?}]')");
    pages[0].wait_for("the seat in the basket", &in_basket, SEEN).await;
    let gone = is_held(&seat)?;
    pages[1].wait_for("the other browser to show the seat held", &gone, SEEN).await;
    let took = started.elapsed();
    pages[0].screenshot(&folder.join("holder.png")).await?;
    pages[1].screenshot(&folder.join("viewer.png")).await?;
    let secure = pages[1].evaluate("location.protocol + ' ' + window.isSecureContext").await?;
    anyhow::ensure!(secure == "https: true", "the page is not secure: {secure}");
    for page in &pages {
        anyhow::ensure!(page.complaints().is_empty(), "the console complained: {:?}", page.complaints());
    }
    sale::audit(swarm).await?;
    Ok(format!(
        "event {}, seat {seat}: seen in the other browser {} ms after the click",
        sale.event,
        took.as_millis()
    ))
}

/// The list of seats of the first section: what a person without a mouse uses.
async fn open_section(page: &Page) -> anyhow::Result<()> {
    page.click("[data-testid=\"view-list\"]").await?;
    page.click("[data-testid=\"list-section-button\"]").await?;
    page.wait_for(
        "the seats of the section",
        "!!document.querySelector('[data-testid=\"list-seat\"]')",
        SEEN,
    )
    .await;
    Ok(())
}

/// Whether the page knows that the seat is held: by what it draws from.
fn is_held(seat: &str) -> anyhow::Result<String> {
    let layout = livehouse_seating::generate::concert_hall();
    for section in &layout.sections {
        for row in &section.rows {
            if let Some(position) = row.seats.iter().position(|known| known.id == seat) {
                let (section, row) = (&section.id, &row.id);
                return Ok(format!(
                    "window.livehouse.sections[{section:?}]?.rows[{row:?}]?.[{position}] === 'h'"
                ));
            }
        }
    }
    anyhow::bail!("the plan has no seat {seat}")
}
