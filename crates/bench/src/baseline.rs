//! What the parts can do by themselves, in the same run: the measure of what we add.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use deadpool_postgres::Pool;
use futures::StreamExt;
use tokio::process::{Child, Command};

use crate::report::{Latencies, Row};

/// Subjects of the echo: the first over NATS alone, the others as Resgate asks.
const ECHO: &str = "bench.echo";
const CALL: &str = "call.bench.echo.ping";
const ACCESS: &str = "access.bench.echo";
/// Seats of one statement in the bare database batch.
const BATCH_SEATS: i32 = 200;

/// Answers echoes until killed.
pub(crate) async fn respond(broker: &str) -> anyhow::Result<()> {
    let client = async_nats::connect(broker).await?;
    let echo = client.subscribe(ECHO).await?;
    let call = client.subscribe(CALL).await?;
    let access = client.subscribe(ACCESS).await?;
    client.flush().await?;
    let mut requests = futures::stream::select(echo, futures::stream::select(call, access));
    while let Some(request) = requests.next().await {
        let Some(reply) = request.reply else { continue };
        let answer = match request.subject.as_str() {
            CALL => r#"{"result":{"ok":true}}"#,
            ACCESS => r#"{"result":{"get":true,"call":"*"}}"#,
            _ => r#"{"ok":true}"#,
        };
        client.publish(reply, answer.into()).await?;
    }
    Ok(())
}

/// This program as a responder on `broker`; ended when dropped.
pub(crate) async fn responder(broker: &str) -> anyhow::Result<Child> {
    let program = std::env::current_exe()?;
    let child = Command::new(program)
        .args(["--respond-on", broker])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("cannot start the responder")?;
    let client = async_nats::connect(broker).await?;
    let deadline = Instant::now() + Duration::from_secs(10);
    while client.request(ECHO, "x".into()).await.is_err() {
        anyhow::ensure!(Instant::now() < deadline, "the responder did not answer within ten seconds");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(child)
}

/// Requests per second that a plain responder answers to `concurrent` askers.
pub(crate) async fn echo(
    client: &async_nats::Client,
    concurrent: usize,
    duration: Duration,
) -> anyhow::Result<Row> {
    let payload = vec![b'x'; 220];
    let client = client.clone();
    let (latencies, elapsed) = crate::holds::load(concurrent, duration, move |_| {
        let (client, payload) = (client.clone(), payload.clone());
        async move { client.request(ECHO, payload.into()).await.map(|_| true).map_err(Into::into) }
    })
    .await?;
    Ok(Row::rate(format!("baseline: raw NATS echo, c={concurrent}"), &latencies, elapsed))
}

/// Seats per second that one connection takes with a bare conditional statement, 200 at a time.
pub(crate) async fn postgres_batch(pool: &Pool, duration: Duration) -> anyhow::Result<Row> {
    let connection = pool.get().await?;
    let setup = "create table bare (event int, seat int, state text not null default 'f', primary key (event, seat)) with (fillfactor = 60);
         insert into bare select 1, seat from generate_series(1, 200000) as seat; vacuum analyze bare; checkpoint";
    for statement in setup.split(';') {
        connection.batch_execute(statement).await?;
    }
    let take = connection
        .prepare("update bare set state = 'h' from unnest($1::int[]) as wanted (seat) where bare.event = 1 and bare.seat = wanted.seat and bare.state = 'f'")
        .await?;
    connection.batch_execute("set enable_hashjoin = off; set enable_mergejoin = off").await?;
    let mut latencies = Latencies::default();
    let mut seats = 0_u64;
    let started = Instant::now();
    let mut first = 1;
    while started.elapsed() < duration && first + BATCH_SEATS < 200_000 {
        let wanted: Vec<i32> = (first..first + BATCH_SEATS).collect();
        let asked = Instant::now();
        seats += connection.execute(&take, &[&wanted]).await?;
        latencies.record(asked.elapsed());
        first += BATCH_SEATS;
    }
    let elapsed = started.elapsed();
    connection.batch_execute("drop table bare").await?;
    let mut row = Row::latencies("baseline: bare Postgres, 200 seats a statement (seats/s)", &latencies);
    row.per_second = Some(seats as f64 / elapsed.as_secs_f64());
    Ok(row)
}

/// Calls per second that Resgate hands to the same responder from as many WebSockets.
pub(crate) async fn gateway_echo(url: &str, concurrent: usize, duration: Duration) -> anyhow::Result<Row> {
    let over = Arc::new(AtomicBool::new(false));
    let mut clients = Vec::new();
    for _ in 0..concurrent {
        let mut socket = crate::socket::Socket::connect(url, None).await?;
        socket.request("subscribe.bench.echo", None).await.ok();
        let over = over.clone();
        clients.push(tokio::spawn(async move {
            let mut latencies = Latencies::default();
            while !over.load(Ordering::Relaxed) {
                let asked = Instant::now();
                socket.request("call.bench.echo.ping", None).await?;
                latencies.record(asked.elapsed());
            }
            anyhow::Ok(latencies)
        }));
    }
    let started = Instant::now();
    tokio::time::sleep(duration).await;
    over.store(true, Ordering::Relaxed);
    let elapsed = started.elapsed();
    let mut latencies = Latencies::default();
    for client in clients {
        latencies.add(&client.await??);
    }
    Ok(Row::rate(format!("baseline: raw gateway echo, c={concurrent}"), &latencies, elapsed))
}
