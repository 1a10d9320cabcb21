//! A counter for everybody: start nats-server and Resgate, run this, and look at
//! `http://localhost:8080/api/example/counter`. `NATS_URL` names a NATS server elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use res_service::{Access, Builder, Call, Get, Grant, Model, Reply, Resource};
use serde::{Deserialize, Serialize};

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
    let count = Arc::new(AtomicU64::new(0));
    let read = Arc::clone(&count);

    let service = Builder::new("example")
        .resource(
            Resource::model("counter", move |_: Get| {
                let count = read.load(Ordering::Relaxed);
                async move { Model::from_serialize(&Counter { count }) }
            })
            .owned_by_name(1)
            .access(|_: Access| async { Ok(Grant::get().call(["add"])) })
            .call("add", move |call: Call| {
                let count = Arc::clone(&count);
                async move {
                    let add: Add = call.params()?;
                    let now = count.fetch_add(add.by, Ordering::Relaxed) + add.by;
                    call.service().refresh(call.name()).await?;
                    Reply::result(&now)
                }
            }),
        )
        .start(async_nats::connect(nats_url()).await?)
        .await?;

    tokio::signal::ctrl_c().await?;
    service.stop(Duration::from_secs(10)).await?;
    Ok(())
}

fn nats_url() -> String {
    std::env::var("NATS_URL").unwrap_or_else(|_| "127.0.0.1:4222".to_owned())
}
