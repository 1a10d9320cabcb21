//! `kill -9` of every service in the middle of a running sale.

use super::sale::Sale;
use super::stage::PATIENCE;

#[tokio::test(flavor = "multi_thread")]
async fn h03_h49_invariant_21_a_replica_of_tickets_killed_in_mid_sale_costs_nothing() {
    let sale = Sale::open().await;
    for replica in &sale.stage.replicas {
        replica.kill().await;
        sale.goes_on(&format!("without {}", replica.name())).await;
        replica.again().await;
        sale.goes_on(&format!("with {} again", replica.name())).await;
    }
    // Both at once: for a moment nobody sells.
    for replica in &sale.stage.replicas {
        replica.kill().await;
    }
    for replica in &sale.stage.replicas {
        replica.again().await;
    }
    sale.goes_on("after nobody sold").await;
    sale.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invariants_14_21_orders_identity_and_site_killed_in_mid_sale_cost_nothing() {
    let sale = Sale::open().await;
    for _ in 0..2 {
        for service in [&sale.orders, &sale.identity, &sale.site] {
            service.kill().await;
            sale.goes_on(&format!("without {}", service.name())).await;
            service.restart().await.unwrap();
            service.until_ready(PATIENCE).await.unwrap();
        }
    }
    sale.goes_on("with everybody again").await;
    sale.close().await;
}
