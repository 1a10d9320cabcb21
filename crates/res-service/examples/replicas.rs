//! Several processes, one truth: run this three times against a NATS server with JetStream, and kill any of them.
//! `http://localhost:8080/api/clock/of/kitchen` (or any other room) tells who owns the room's clock and how long it
//! has been running; a subscribed client sees another owner take over within two seconds.

use std::time::{Duration, Instant};

use res_service::{Access, Builder, Get, Grant, KvLease, Model, Resource};
use serde::Serialize;

mod nats;

/// Rooms are spread over so many keys, each owned by one replica at a time.
const SHARDS: u32 = 16;
/// How long a replica that says nothing keeps what it owns.
const TIME_TO_LIVE: Duration = Duration::from_secs(2);
/// How often the clocks are looked at.
const TICK: Duration = Duration::from_secs(1);

#[derive(Serialize)]
struct Clock<'a> {
    owner: &'a str,
    running_seconds: u64,
}

#[tokio::main]
async fn main() -> Result<(), res_service::BoxError> {
    let client = async_nats::connect(nats::url()).await?;
    let jetstream = async_nats::jetstream::new(client.clone());
    let lease = KvLease::new(&jetstream, "clock_owners", TIME_TO_LIVE).await?;

    // Only the owner of a room is ever asked for its clock, whichever replica the gateway's question reached.
    let began = Instant::now();
    let clock = Resource::model("of.$room", move |get: Get| async move {
        let running_seconds = began.elapsed().as_secs();
        Model::from_serialize(&Clock { owner: get.service().replica(), running_seconds })
    })
    .owned_by_name(SHARDS)
    .access(|_: Access| async { Ok(Grant::get()) });
    let service = Builder::new("clock").lease(lease).resource(clock).start(client).await?;

    let stop = tokio::signal::ctrl_c();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            stopped = &mut stop => break stopped?,
            () = tokio::time::sleep(TICK) => {
                // Every replica says that time has passed; only the owner publishes it.
                for room in ["kitchen", "hall", "attic"] {
                    service.try_refresh(format!("clock.of.{room}"))?;
                }
            }
        }
    }
    // What this replica owned is handed over before it leaves.
    service.stop(Duration::from_secs(10)).await?;
    Ok(())
}
