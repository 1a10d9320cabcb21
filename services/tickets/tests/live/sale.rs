//! A whole sale at full speed, for faults to happen in, and everything that must be true after it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use livehouse_contract::id::OrderId;
use livehouse_platform::postgres;
use livehouse_testkit::parts::Workspace;
use livehouse_testkit::{ResClient, Service, wait_until};

use super::facts::Told;
use super::hall;
use super::load::{Crowd, Load};
use super::stage::{PATIENCE, Rules, Setup, Stage};
use super::viewers::differences;

/// The speed that faults are to meet.
const HOLDS_PER_SECOND: u64 = 500;
/// The least that is a sale at all, on a machine that is busy with something else.
const HOLDS_PER_SECOND_MIN: u64 = 100;
/// How long the sale may take to get to its speed; after that, the least will do.
const WARM_UP: Duration = Duration::from_secs(6);
/// How long the view may take to catch up after the last fault: gateways fetch again within four seconds.
const CATCH_UP: Duration = Duration::from_secs(15);

/// Two replicas of tickets, all other services, a Postgres that waits for its disk, a crowd, and somebody who watches.
pub(crate) struct Sale {
    load: Load,
    /// What it must do again after every fault.
    holds_per_second: u64,
    viewer: ResClient,
    pub(crate) orders: Service,
    pub(crate) identity: Service,
    pub(crate) site: Service,
    pub(crate) stage: Stage,
}

impl Sale {
    /// Opens the doors, and waits until the sale is at full speed.
    pub(crate) async fn open() -> Self {
        // Free of charge, so that an order is paid at once and becomes tickets.
        let rules = Rules { hold_seconds: 2, price: 0, ..Rules::default() };
        let stage =
            Stage::with(Setup { replicas: 2, durable: true, events: 8, rules, ..Setup::default() }).await;
        let orders = stage.service("livehouse-orders").await;
        let identity = stage.service("livehouse-identity").await;
        let site =
            stage.world.service("livehouse-site").environment("LIVEHOUSE_WEB_DIST", built_client(&stage));
        let site = site.environment("LIVEHOUSE_SITE_BIND", "127.0.0.1:0").start().await.unwrap();
        let viewer = stage.browser(None).await;
        for resource in stage.events.iter().flat_map(|event| hall::resources(*event)) {
            viewer.subscribe(&resource).await.unwrap();
        }
        let load = Load::start(&stage, &stage.events, Crowd { ordering: 2, ..Crowd::default() }).await;
        let mut reached = load.best_rate(HOLDS_PER_SECOND, WARM_UP).await;
        if reached < HOLDS_PER_SECOND_MIN {
            reached = load.until_running(HOLDS_PER_SECOND_MIN).await;
        }
        println!("{reached} holds a second before anything happens");
        let holds_per_second = reached.min(HOLDS_PER_SECOND) * 2 / 3;
        Self { load, holds_per_second, viewer, orders, identity, site, stage }
    }

    /// The sale is at its speed again, but for what a machine's other work may take of it.
    pub(crate) async fn goes_on(&self, when: &str) {
        let rate = self.load.until_running(self.holds_per_second).await;
        println!("{rate} holds a second {when}");
    }

    /// The gateway ends when it loses NATS; whoever watches over it starts it again.
    pub(crate) async fn start_gateway_again(&self) {
        self.stage.world.resgate().restart().await.unwrap();
    }

    /// Ends the sale and looks through everything: promises, invariants, facts, orders, and what the viewer sees.
    pub(crate) async fn close(self) {
        let Self { load, viewer, orders, identity, site, stage, .. } = self;
        let promises = load.stop().await;
        println!(
            "{} holds, {} releases and {} orders were confirmed; other answers: {:?}",
            promises.held.len(),
            promises.released.len(),
            promises.ordered.len(),
            promises.others
        );
        stage.until_all_is_over().await;
        promises.are_kept(&stage.pool).await;
        orders_have_their_tickets(&stage, &promises.ordered).await;
        Told::read(&stage.client).await.fits_the_database(&stage).await;
        stage.audit().await;
        stage.world.service("livehouse-orders").argument("audit").argument("--json").run().await.unwrap();
        if !viewer.is_connected().await {
            viewer.reconnect().await.unwrap();
        }
        let mut truth = BTreeMap::new();
        for event in &stage.events {
            truth.extend(hall::truth(&stage.pool, *event).await);
        }
        let differing = differences(&viewer, &truth, CATCH_UP).await;
        assert!(differing.is_empty(), "{} of {} differ: {differing:#?}", differing.len(), truth.len());
        assert!(viewer.violations().is_empty(), "{:#?}", viewer.violations());
        for (name, ready) in [
            ("orders", orders.ready().await),
            ("identity", identity.ready().await),
            ("site", site.ready().await),
        ] {
            assert!(ready.is_ok(), "{name}: {ready:?}");
        }
    }
}

/// Every confirmed order is there, every paid one has its tickets in both services, and no other has any (invariants
/// 5 and 14). An order whose hold ran out while a service was away is answered as what it became: expired.
async fn orders_have_their_tickets(stage: &Stage, ordered: &[OrderId]) {
    let pool = postgres::pool_of(&stage.world.postgres_url("orders"), 2, "test", "").unwrap();
    let orders = wait_until("tickets of every paid order", PATIENCE, || async {
        let connection = pool.get().await.map_err(|error| error.to_string())?;
        let asked =
            "select id, state, jsonb_array_length(tickets)::bigint from orders where state <> 'created'";
        let rows = connection.query(asked, &[]).await.map_err(|error| error.to_string())?;
        let orders: BTreeMap<OrderId, (String, i64)> =
            rows.iter().map(|row| (OrderId::from_uuid(row.get(0)), (row.get(1), row.get(2)))).collect();
        let waiting = orders.values().filter(|(state, tickets)| state == "paid" && *tickets == 0).count();
        if waiting == 0 {
            Ok(orders)
        } else {
            Err(format!("{waiting} of {} paid orders have no tickets", orders.len()))
        }
    })
    .await;
    let missing: Vec<_> = ordered.iter().filter(|order| !orders.contains_key(order)).collect();
    assert!(missing.is_empty(), "of {} confirmed orders these are gone: {missing:?}", ordered.len());
    let connection = stage.pool.get().await.unwrap();
    let rows =
        connection.query("select order_id, count(*) from ticket group by order_id", &[]).await.unwrap();
    let issued: BTreeMap<OrderId, i64> =
        rows.iter().map(|row| (OrderId::from_uuid(row.get(0)), row.get(1))).collect();
    let expected: BTreeMap<OrderId, i64> = orders
        .into_iter()
        .filter(|(_, (state, _))| state == "paid")
        .map(|(order, (_, tickets))| (order, tickets))
        .collect();
    assert!(!expected.is_empty(), "not one order was paid");
    assert_eq!(issued, expected, "tickets and orders do not agree");
}

/// The built client, or the least that the site takes for one: its pages are not looked at here.
fn built_client(stage: &Stage) -> PathBuf {
    let built = Workspace::find().root().join("web/dist");
    if built.join("manifest.json").is_file() {
        return built;
    }
    let folder = stage.world.folder().join("client");
    std::fs::create_dir_all(folder.join("assets")).unwrap();
    let entries =
        ["styles/site.css", "pages/events.ts", "pages/event.ts", "pages/orders.ts", "pages/order.ts"];
    let manifest: serde_json::Map<String, serde_json::Value> = entries
        .iter()
        .map(|entry| (format!("src/{entry}"), serde_json::json!({"file": "assets/entry.js"})))
        .collect();
    std::fs::write(folder.join("manifest.json"), serde_json::Value::from(manifest).to_string()).unwrap();
    folder
}
