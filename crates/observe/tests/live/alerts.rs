//! Rules that fire when something is broken, and are quiet again when it is mended.

use livehouse_testkit::wait_until;
use serde_json::Value;

use super::observatory::PATIENCE;
use super::sale::Sale;

impl Sale {
    /// The labels of what fires under this name.
    async fn firing(&self, alert: &str) -> Result<Vec<Value>, String> {
        let alerts = self.observatory.prometheus("alerts", &[]).await?;
        let firing = alerts["alerts"].as_array().into_iter().flatten();
        let firing =
            firing.filter(|found| found["state"] == "firing" && found["labels"]["alertname"] == alert);
        Ok(firing.map(|found| found["labels"].clone()).collect())
    }

    async fn until_firing(&self, alert: &str, label: &str, value: &str) {
        wait_until(&format!("{alert} fires for {value}"), PATIENCE, || async {
            let firing = self.firing(alert).await?;
            let hit = firing.iter().any(|labels| labels[label] == value);
            if hit { Ok(()) } else { Err(format!("{firing:?}")) }
        })
        .await;
    }

    async fn until_quiet(&self, alert: &str) {
        wait_until(&format!("{alert} is quiet"), PATIENCE, || async {
            let firing = self.firing(alert).await?;
            if firing.is_empty() { Ok(()) } else { Err(format!("{firing:?}")) }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the collector, Loki and Prometheus, whose first build takes some minutes: see src/lib.rs"]
async fn rules_fire_when_their_fault_is_made_and_are_quiet_after_it() {
    let sale = Sale::open().await;
    sale.buy(0).await;
    sale.until_firing("AlwaysFiring", "severity", "none").await;
    assert!(sale.firing("PartDown").await.unwrap().is_empty(), "something fires in a healthy sale");

    // The broker goes away, and comes back.
    sale.world.nats().kill().await;
    sale.until_firing("PartDown", "part", "nats").await;
    sale.world.nats().restart().await.unwrap();
    // Resgate ends when it loses NATS, on purpose; in the swarm it is started again.
    sale.world.resgate().restart().await.unwrap();
    sale.until_quiet("PartDown").await;

    // A fact that nobody can read.
    sale.poison("4bf92f3577b34da6a3ce929d0e0e4736").await;
    sale.until_firing("DeadLetters", "service_name", "orders").await;
    sale.buy(1).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the collector, whose first build takes some minutes: see src/lib.rs"]
async fn a_sale_goes_on_without_whoever_watches_it_and_says_what_was_lost() {
    let sale = Sale::open().await;
    sale.observatory.close();
    for seat in 0..3 {
        sale.buy(seat).await;
    }
    wait_until("what was lost", PATIENCE, || async {
        let page = sale.tickets.get("/metrics").await?.1;
        let lost = |signal: &str| {
            let start = format!(r#"livehouse_telemetry_lost_total{{signal="{signal}"}} "#);
            page.lines().find_map(|line| line.strip_prefix(&start)?.parse::<u64>().ok()).unwrap_or_default()
        };
        if lost("span") > 0 { Ok(()) } else { Err(page.clone()) }
    })
    .await;
    // And a stop is not kept waiting for it.
    let began = std::time::Instant::now();
    assert!(sale.identity.stop().await.success());
    assert!(began.elapsed() < std::time::Duration::from_secs(9), "{:?}", began.elapsed());
}
