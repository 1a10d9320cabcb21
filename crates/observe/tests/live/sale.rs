//! The sale that is watched: tickets, orders and identity behind a gateway, and somebody who buys.

use std::path::PathBuf;

use jiff::Timestamp;
use livehouse_contract::id::{BuyerId, EventId};
use livehouse_contract::path;
use livehouse_platform::session::{COOKIE, Key};
use livehouse_seating::generate;
use livehouse_testkit::parts::{PortLease, ResgateOptions};
use livehouse_testkit::{ConnectOptions, ResClient, Service, World, wait_until};
use serde_json::{Value, json};

use super::observatory::{Observatory, PATIENCE};

/// A running sale.
pub(crate) struct Sale {
    pub(crate) tickets: Service,
    pub(crate) orders: Service,
    pub(crate) identity: Service,
    pub(crate) site: Service,
    port: PortLease,
    pub(crate) observatory: Observatory,
    pub(crate) world: World,
    event: EventId,
    seats: Vec<String>,
}

impl Sale {
    pub(crate) async fn open() -> Self {
        let builder = World::builder().nats().keydb().postgres("tickets").postgres("orders");
        let world = builder.resgate_with(ResgateOptions::default()).start().await.unwrap();
        let observatory = Observatory::open(world.folder()).await;
        for package in ["livehouse-tickets", "livehouse-orders"] {
            world.service(package).argument("migrate").run().await.unwrap();
        }
        let plan = world.folder().join("theatre.json");
        std::fs::write(&plan, generate::studio().canonical_json()).unwrap();
        let import = world.service("livehouse-tickets").argument("import").argument(plan.to_str().unwrap());
        let import = import.argument("--json").argument("--name").argument("Rehearsal");
        let said = import.argument("--price").argument("0").run().await.unwrap();
        let said: Value = serde_json::from_str(&said).unwrap();
        let event = said["event"].as_str().unwrap().parse().unwrap();
        let start = async |package: &str| {
            let service = world
                .service(package)
                .environment("OTEL_EXPORTER_OTLP_ENDPOINT", observatory.endpoint())
                .environment("OTEL_METRIC_EXPORT_INTERVAL", "1000")
                .environment("LIVEHOUSE_LOKI_URL", observatory.loki_url());
            service.start().await.unwrap()
        };
        let (tickets, orders) = (start("livehouse-tickets").await, start("livehouse-orders").await);
        let identity = start("livehouse-identity").await;
        let port = PortLease::any().unwrap();
        let site = world
            .service("livehouse-site")
            .environment("OTEL_EXPORTER_OTLP_ENDPOINT", observatory.endpoint())
            .environment("OTEL_METRIC_EXPORT_INTERVAL", "1000")
            .environment("LIVEHOUSE_SITE_BIND", format!("127.0.0.1:{}", port.port()))
            .environment("LIVEHOUSE_WEB_DIST", client(&world));
        let site = site.start().await.unwrap();
        let rows = generate::studio().sections.into_iter().flat_map(|section| section.rows);
        let seats = rows.flat_map(|row| row.seats).map(|seat| seat.id).collect();
        Self { tickets, orders, identity, site, port, observatory, world, event, seats }
    }

    /// Somebody holds a seat and orders it; it costs nothing, so that tickets come at once. Answers when they are there.
    pub(crate) async fn buy(&self, seat: usize) {
        let buyer = BuyerId::generate();
        let key = Key::from_file(self.world.session_key_file()).unwrap();
        let cookie = format!("{COOKIE}={}", key.sign(buyer, Timestamp::now()));
        let url = self.world.resgate().live_url();
        let browser = ResClient::connect_with(&url, ConnectOptions::cookie(cookie)).await.unwrap();
        browser.subscribe(&path::availability(self.event)).await.unwrap();
        let wish = json!({"seats": [self.seats[seat]], "key": buyer});
        let held = wait_until("a hold", PATIENCE, || async {
            let asked = browser.call(&path::event(self.event), "hold", wish.clone()).await;
            asked.map_err(|error| error.to_string())
        })
        .await;
        let wish = json!({"hold": held["hold"], "email": "somebody@example.org", "key": "order"});
        let order = browser.call_for_resource("orders", "new", wish).await.unwrap();
        browser.wait_for_model(&order, "a paid order", PATIENCE, |model| model["state"] == "paid").await;
    }

    /// Somebody looks at the page of all events. Answers the status.
    pub(crate) async fn look(&self) -> Result<u16, String> {
        let asked = reqwest::get(format!("http://127.0.0.1:{}/", self.port.port())).await;
        asked.map(|answer| answer.status().as_u16()).map_err(|error| error.to_string())
    }

    /// Publishes a fact that nobody can read, as a part of the trace `trace`.
    pub(crate) async fn poison(&self, trace: &str) {
        let client = async_nats::connect(self.world.nats().url()).await.unwrap();
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("traceparent", format!("00-{trace}-00f067aa0ba902b7-01").as_str());
        client.publish_with_headers("fact.tickets.holds_ended.v1", headers, "no JSON".into()).await.unwrap();
        client.flush().await.unwrap();
    }
}

/// A client as small as the site takes it: its pages are made, and nobody runs their scripts.
fn client(world: &World) -> PathBuf {
    let folder = world.folder().join("client");
    std::fs::create_dir_all(folder.join("assets")).unwrap();
    std::fs::write(folder.join("assets/entry-0001.js"), "export {};\n").unwrap();
    let names = ["styles/site.css", "pages/events.ts", "pages/event.ts", "pages/orders.ts", "pages/order.ts"];
    let entry = |name: &str| (format!("src/{name}"), json!({"file": "assets/entry-0001.js"}));
    let manifest: serde_json::Map<String, Value> = names.into_iter().map(entry).collect();
    std::fs::write(folder.join("manifest.json"), Value::from(manifest).to_string()).unwrap();
    folder
}
