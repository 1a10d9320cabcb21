//! `fanout`: from the call of a hold to the frame that shows it at each of many viewers of one section.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::caller::Caller;
use crate::report::{Latencies, Report, Row};
use crate::socket::Socket;
use crate::theatre::{Programme, Theatre, call_payload, hold_params, nth_seat};

/// Writes per second, each changing one seat in each of four rows.
const WRITES_PER_SECOND: u64 = 10;

/// Runs the measurement for 1,000 and for 3,000 viewers.
pub(crate) async fn measure(seconds: u64) -> anyhow::Result<Report> {
    let mut rows = Vec::new();
    let mut violations = 0;
    for viewers in [1_000, 3_000] {
        let programme = Programme { events: 1, seats: 1_000, hold_seconds: 900, gateway: true, replicas: 1 };
        let theatre = Theatre::open(&programme).await?;
        let (latencies, frames) = watch(&theatre, viewers, Duration::from_secs(seconds)).await?;
        rows.push(Row::latencies(format!("call of a hold -> frame, {viewers} viewers"), &latencies));
        rows.push(Row::value(
            format!("frames received, {viewers} viewers"),
            frames as f64 / seconds as f64,
            "per second",
        ));
        violations += theatre.audit().await?;
    }
    Ok(Report { name: "fanout", rows, violations })
}

/// When the call went out that led to a `seq`; the first frame with at least this `seq` shows it.
type Sent = Arc<Mutex<HashMap<u64, Instant>>>;

async fn watch(theatre: &Theatre, viewers: usize, duration: Duration) -> anyhow::Result<(Latencies, u64)> {
    let event = theatre.events[0];
    let section = format!("tickets.event.{event}.section.s0");
    let url = theatre.world.resgate().live_url();
    let sent: Sent = Arc::default();
    let mut watching = tokio::task::JoinSet::new();
    let over = tokio_util::sync::CancellationToken::new();
    for _ in 0..viewers {
        let mut socket = Socket::connect(&url, None).await?;
        socket.request(&format!("subscribe.{section}"), None).await?;
        let (sent, over) = (sent.clone(), over.clone());
        watching.spawn(async move {
            let mut latencies = Latencies::default();
            loop {
                let frame = tokio::select! {
                    () = over.cancelled() => return anyhow::Ok(latencies),
                    frame = socket.next() => frame?,
                };
                let arrived = Instant::now();
                let Some(seq) = seq_of(&frame) else { continue };
                let went = sent.lock().unwrap_or_else(PoisonError::into_inner).get(&seq).copied();
                if let Some(went) = went {
                    latencies.record(arrived - went);
                }
            }
        });
    }
    write(theatre, &sent, duration).await?;
    // The slowest viewer has as long as the bar for all of them, many times over.
    tokio::time::sleep(Duration::from_secs(2)).await;
    over.cancel();
    let mut latencies = Latencies::default();
    while let Some(watched) = watching.join_next().await {
        latencies.add(&watched??);
    }
    let frames = latencies.count();
    Ok((latencies, frames))
}

async fn write(theatre: &Theatre, sent: &Sent, duration: Duration) -> anyhow::Result<()> {
    let caller = Caller::new(theatre.client().await?).await?;
    let subject = format!("call.tickets.event.{}.hold", theatre.events[0]);
    let mut ticks = tokio::time::interval(Duration::from_millis(1_000 / WRITES_PER_SECOND));
    let started = Instant::now();
    for turn in 0_u64.. {
        ticks.tick().await;
        if started.elapsed() > duration {
            return Ok(());
        }
        // One seat in each of four rows; 250 turns fill the section.
        let place = usize::try_from(turn)?;
        let seats: Vec<String> =
            (0..4).map(|row| nth_seat(((place / 50) * 4 + row) * 50 + place % 50)).collect();
        sent.lock().unwrap_or_else(PoisonError::into_inner).insert(turn + 1, Instant::now());
        let answer = caller.ask(subject.clone(), call_payload(&hold_params(&seats))).await?;
        anyhow::ensure!(answer.starts_with(b"{\"result\""), "a hold was refused: {answer:?}");
    }
    Ok(())
}

/// The `seq` in a change frame.
fn seq_of(frame: &str) -> Option<u64> {
    let (_, rest) = frame.split_once("\"seq\":")?;
    let end = rest.find(|char: char| !char.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}
