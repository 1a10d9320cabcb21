//! `gateway`: two-seat holds through Resgate, from WebSocket clients with a guest session each.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use livehouse_contract::id::{BuyerId, EventId};
use livehouse_platform::session::{COOKIE, Key};

use crate::baseline;
use crate::holds::Pairs;
use crate::report::{Latencies, Report, Row};
use crate::socket::Socket;
use crate::theatre::{Programme, Theatre, hold_params};

/// Clients at once in the main row.
const CONCURRENT: usize = 64;

/// Runs the measurement.
pub(crate) async fn measure(seconds: u64, replicas: u8) -> anyhow::Result<Report> {
    let programme = Programme { events: 12, seats: 40_000, hold_seconds: 900, gateway: true, replicas };
    let theatre = Theatre::open(&programme).await?;
    let duration = Duration::from_secs(seconds);
    let url = theatre.world.resgate().live_url();
    let responder = baseline::responder(&theatre.world.nats().url()).await?;
    let mut rows = vec![baseline::gateway_echo(&url, CONCURRENT, duration / 2).await?];
    drop(responder);
    let mut pairs = Pairs::of(&theatre);
    for (concurrent, duration, is_shown) in
        [(CONCURRENT, Duration::from_secs(2), false), (16, duration / 2, true), (CONCURRENT, duration, true)]
    {
        let (latencies, elapsed) = run(&theatre, &url, &pairs, concurrent, duration).await?;
        pairs.skip(latencies.count() as usize + concurrent);
        if is_shown {
            rows.push(Row::rate(
                format!("two-seat holds through Resgate, c={concurrent}"),
                &latencies,
                elapsed,
            ));
        }
    }
    let violations = theatre.audit().await?;
    Ok(Report { name: "gateway", rows, violations })
}

async fn run(
    theatre: &Theatre,
    url: &str,
    pairs: &Pairs,
    concurrent: usize,
    duration: Duration,
) -> anyhow::Result<(Latencies, Duration)> {
    let key = Key::from_file(theatre.world.session_key_file())?;
    let over = Arc::new(AtomicBool::new(false));
    let next = Arc::new(AtomicUsize::new(0));
    let pairs = Arc::new(pairs.again());
    let mut clients = Vec::new();
    for _ in 0..concurrent {
        let mut socket = look_at(&theatre.events, &key, url).await?;
        let (over, next, pairs) = (over.clone(), next.clone(), pairs.clone());
        clients.push(tokio::spawn(async move {
            let mut latencies = Latencies::default();
            while !over.load(Ordering::Relaxed) {
                let Some((subject, seats)) = pairs.pair(next.fetch_add(1, Ordering::Relaxed)) else { break };
                let asked = Instant::now();
                // The method of a request is spelled as the subject of the call.
                socket.request(&subject, Some(&hold_params(&seats))).await?;
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
    Ok((latencies, elapsed))
}

/// Another guest, looking at the events as a page does: access is asked once and remembered by Resgate.
async fn look_at(events: &[EventId], key: &Key, url: &str) -> anyhow::Result<Socket> {
    let cookie = format!("{COOKIE}={}", key.sign(BuyerId::generate(), Timestamp::now()));
    let mut socket = Socket::connect(url, Some(&cookie)).await?;
    for event in events {
        socket.request(&format!("subscribe.tickets.event.{event}"), None).await?;
    }
    Ok(socket)
}
