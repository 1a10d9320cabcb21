//! A counter for everybody: start nats-server and Resgate, run this, and look at
//! `http://localhost:8080/api/example/counter`. `NATS_URL` names a NATS server elsewhere.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use res_service::{Access, Builder, Call, Get, Grant, Model, Reply, Resource};
use serde::{Deserialize, Serialize};

mod nats;

static COUNT: AtomicU64 = AtomicU64::new(0);

#[derive(Serialize)]
struct Counter {
    count: u64,
}

#[derive(Deserialize)]
struct Add {
    by: u64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let counter = Resource::model("counter", async |_: Get| {
        Model::from_serialize(&Counter { count: COUNT.load(Relaxed) })
    })
    .access(async |_: Access| Ok(Grant::get().call(["add"])))
    .call("add", async |call: Call| {
        let add: Add = call.params()?;
        let now = COUNT.fetch_add(add.by, Relaxed) + add.by;
        call.service().refresh(call.name()).await?;
        Reply::result(&now)
    });
    let client = async_nats::connect(nats::url()).await?;
    let service = Builder::new("example").resource(counter).start(client).await?;

    tokio::signal::ctrl_c().await?;
    service.stop(Duration::from_secs(10)).await?;
    Ok(())
}
