//! The servers that everything stands on, killed in the middle of a running sale.

use livehouse_testkit::wait_until;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::sale::Sale;
use super::stage::{PATIENCE, Stage};

/// How a part is, by the first replica.
async fn condition(stage: &Stage, part: &str) -> (bool, String) {
    let (_, body) = stage.replicas[0].get("/readyz").await.unwrap();
    let readiness: Value = serde_json::from_str(&body).unwrap();
    (readiness["ready"] == true, readiness["parts"][part].as_str().unwrap_or_default().to_owned())
}

async fn until(stage: &Stage, part: &str, expected: (bool, &str)) {
    wait_until(&format!("{part} to be {expected:?}"), PATIENCE, || async {
        let (ready, now) = condition(stage, part).await;
        if (ready, now.as_str()) == expected { Ok(()) } else { Err(format!("ready {ready}, {now}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h08_h12_h14_invariant_21_keydb_killed_emptied_and_brought_back_changes_nothing() {
    let sale = Sale::open().await;
    let keydb = sale.stage.world.keydb();
    keydb.kill().await;
    until(&sale.stage, "keydb", (true, "degraded")).await;
    sale.goes_on("without KeyDB").await;
    keydb.restart().await.unwrap();
    until(&sale.stage, "keydb", (true, "up")).await;
    let mut connection = tokio::net::TcpStream::connect(keydb.address()).await.unwrap();
    connection.write_all(b"FLUSHALL\r\n").await.unwrap();
    let mut answer = [0; 5];
    connection.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"+OK\r\n");
    sale.goes_on("after KeyDB was emptied").await;
    keydb.pause();
    until(&sale.stage, "keydb", (true, "degraded")).await;
    sale.goes_on("while KeyDB does not answer").await;
    keydb.resume();
    until(&sale.stage, "keydb", (true, "up")).await;
    sale.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h37_h49_invariant_21_a_broker_killed_in_mid_sale_loses_no_fact() {
    let sale = Sale::open().await;
    for _ in 0..2 {
        sale.stage.world.nats().kill().await;
        until(&sale.stage, "nats", (false, "down")).await;
        sale.stage.world.nats().restart().await.unwrap();
        sale.start_gateway_again().await;
        sale.goes_on("after the broker was killed").await;
    }
    sale.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h49_invariant_21_a_gateway_killed_in_mid_sale_leaves_nobody_with_an_old_picture() {
    let sale = Sale::open().await;
    for _ in 0..2 {
        sale.stage.world.resgate().kill().await;
        sale.goes_on("without a gateway").await;
        sale.start_gateway_again().await;
    }
    sale.goes_on("with the gateway again").await;
    sale.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h12_invariant_21_a_database_killed_in_mid_sale_keeps_every_promise() {
    let sale = Sale::open().await;
    for _ in 0..2 {
        sale.stage.world.postgres().kill().await;
        until(&sale.stage, "postgres", (false, "down")).await;
        sale.stage.world.postgres().restart().await.unwrap();
        sale.goes_on("after the database was killed").await;
    }
    sale.close().await;
}
