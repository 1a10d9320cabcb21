//! How much a call and a get through this library cost over a bare responder on the same connection.
//!
//! `cargo run --release -p res-service --example overhead -- nats://127.0.0.1:4222`
//!
//! The variants take turns, so that whatever else the machine does falls on all of them alike.

use std::error::Error;
use std::time::{Duration, Instant};

use async_nats::Client;
use bytes::Bytes;
use futures::StreamExt;
use res_service::{Access, Builder, Call, Get, Grant, Model, Reply, Resource};
use serde::{Deserialize, Serialize};

const CONCURRENCY: usize = 64;
const TURNS: usize = 5;
const TURN_TIME: Duration = Duration::from_secs(2);

#[derive(Deserialize, Serialize)]
struct Hold {
    seats: Vec<String>,
}

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "nats://127.0.0.1:4222".to_owned());
    let raw = async_nats::connect(&url).await?;
    let mut requests = raw.queue_subscribe("raw.echo", "raw".to_owned()).await?;
    tokio::spawn(async move {
        while let Some(message) = requests.next().await {
            if let Some(reply) = message.reply {
                let _ = raw.publish(reply, Bytes::from_static(b"{\"result\":[\"A-1\",\"A-2\"]}")).await;
            }
        }
    });
    let _service = Builder::new("bench")
        .resource(
            Resource::model("event.$event", |_: Get| async {
                Model::from_serialize(&serde_json::json!({"seq": 1}))
            })
            .owned_by("event.$event")
            .access(|_: Access| async { Ok(Grant::all()) })
            .call("hold", |call: Call| async move {
                let hold: Hold = call.params()?;
                Reply::result(&hold.seats)
            }),
        )
        .start(async_nats::connect(&url).await?)
        .await?;
    let client = async_nats::connect(&url).await?;
    let payload = r#"{"params":{"seats":["A-1","A-2"]},"token":{"user":"u1","roles":["buyer"]},"cid":"dc01kttqmd2t5ig81fsg"}"#;
    let variants = [
        ("raw responder", "raw.echo".to_owned(), payload),
        ("call", "call.bench.event.evt_1.hold".to_owned(), payload),
        ("access", "access.bench.event.evt_1".to_owned(), payload),
        ("get of one resource", "get.bench.event.evt_1".to_owned(), ""),
    ];
    let mut rates = vec![Vec::new(); variants.len()];
    for _ in 0..TURNS {
        for (index, (_, subject, payload)) in variants.iter().enumerate() {
            rates[index].push(rate(&client, subject, payload).await?);
        }
    }
    let median = |rates: &[f64]| {
        let mut rates = rates.to_vec();
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    };
    let base = median(&rates[0]);
    for ((name, _, _), rates) in variants.iter().zip(&rates) {
        let rate = median(rates);
        writeln(&format!(
            "{name:>20}: {rate:>9.0} requests/s, {:>5.1} % of the raw responder",
            rate / base * 100.0
        ));
    }
    Ok(())
}

fn writeln(line: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Requests per second with a constant number under way.
async fn rate(client: &Client, subject: &str, payload: &'static str) -> Result<f64, Failure> {
    let started = Instant::now();
    let workers = (0..CONCURRENCY).map(|_| {
        let (client, subject) = (client.clone(), async_nats::Subject::from(subject));
        tokio::spawn(async move {
            let mut done = 0_u64;
            while started.elapsed() < TURN_TIME {
                client.request(subject.clone(), Bytes::from_static(payload.as_bytes())).await?;
                done += 1;
            }
            Ok::<u64, async_nats::RequestError>(done)
        })
    });
    let mut total = 0;
    for worker in workers.collect::<Vec<_>>() {
        total += worker.await??;
    }
    Ok(total as f64 / started.elapsed().as_secs_f64())
}
