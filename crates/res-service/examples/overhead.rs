//! How much a call and a get through this library cost over two bare responders on connections like its own: one that
//! sends the same bytes to whatever comes, and one that reads and writes the JSON of the call, as any service must.
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

/// What a gateway sends with a call.
#[derive(Deserialize)]
struct Request {
    params: Hold,
    #[serde(rename = "token")]
    _token: Box<serde_json::value::RawValue>,
    #[serde(rename = "cid")]
    _cid: String,
}

#[derive(Serialize)]
struct Answer<'a> {
    result: &'a [String],
}

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "nats://127.0.0.1:4222".to_owned());
    let raw = async_nats::connect(&url).await?;
    respond(&raw, "raw.echo", |_| Some(Bytes::from_static(b"{\"result\":[\"A-1\",\"A-2\"]}"))).await?;
    respond(&raw, "raw.json", |payload| {
        let request: Request = serde_json::from_slice(payload).ok()?;
        serde_json::to_vec(&Answer { result: &request.params.seats }).ok().map(Bytes::from)
    })
    .await?;
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
        ("raw, reading JSON", "raw.json".to_owned(), payload),
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
    let (bare, reading) = (median(&rates[0]), median(&rates[1]));
    for ((name, _, _), rates) in variants.iter().zip(&rates) {
        let rate = median(rates);
        let (of_bare, of_reading) = (rate / bare * 100.0, rate / reading * 100.0);
        writeln(&format!(
            "{name:>20}: {rate:>9.0} requests/s, {of_bare:>5.1} % of the raw responder, {of_reading:>5.1} % of the one that reads JSON",
        ));
    }
    Ok(())
}

/// Answers everything on `subject` with what `answer` makes of it.
async fn respond(
    client: &Client,
    subject: &'static str,
    answer: impl Fn(&[u8]) -> Option<Bytes> + Send + 'static,
) -> Result<(), Failure> {
    let mut requests = client.queue_subscribe(subject, "raw".to_owned()).await?;
    let client = client.clone();
    tokio::spawn(async move {
        while let Some(message) = requests.next().await {
            if let (Some(reply), Some(payload)) = (message.reply, answer(&message.payload)) {
                let _ = client.publish(reply, payload).await;
            }
        }
    });
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
