//! Services come up by themselves, whatever starts first.

use livehouse_testkit::wait_until;

use super::hall::seat;
use super::stage::{PATIENCE, Setup, Stage};

#[tokio::test(flavor = "multi_thread")]
async fn h40_a_service_started_before_its_servers_comes_up_by_itself_when_they_are_there() {
    let mut stage = Stage::without_replicas(&Setup { durable: true, ..Setup::default() }).await;
    for missing in ["postgres", "nats", "both"] {
        if missing != "nats" {
            stage.world.postgres().stop().await;
        }
        if missing != "postgres" {
            stage.world.nats().stop().await;
        }
        let replica = stage.replica(&format!("without-{missing}"), "").await;
        wait_until("a service that says that it is not ready", PATIENCE, || async {
            match replica.get("/readyz").await {
                Ok((503, body)) => Ok(body),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
        assert_eq!(
            replica.get("/healthz").await.unwrap().0,
            200,
            "without {missing} it is alive, only not ready"
        );
        if missing != "nats" {
            stage.world.postgres().restart().await.unwrap();
        }
        if missing != "postgres" {
            stage.world.nats().restart().await.unwrap();
        }
        replica.until_ready(PATIENCE).await.unwrap();
        stage.replicas = vec![replica];
        stage.until_owned().await;
        let section = usize::from(missing == "nats") + 2 * usize::from(missing == "both");
        stage.hold(&[seat(section, 0, 0)]).await;
    }
    stage.settled().await;
    stage.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h40_a_service_started_before_its_migrations_waits_for_them() {
    let stage = Stage::without_replicas(&Setup { events: 0, ..Setup::default() }).await;
    let orders = stage.world.service("livehouse-orders").spawn().await.unwrap();
    wait_until("an orders service that waits", PATIENCE, || async {
        let waits = orders.log().contains("waiting for the database and its migrations");
        if waits { Ok(()) } else { Err("it has not said so".to_owned()) }
    })
    .await;
    assert_eq!(orders.get("/readyz").await.unwrap().0, 503);
    stage.world.service("livehouse-orders").argument("migrate").run().await.unwrap();
    orders.ready().await.unwrap();
}
