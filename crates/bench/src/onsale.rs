//! `onsale`: 20,000 buyers for 5,000 seats, over NATS. Everybody wants two seats side by side and tries a few times.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::Rng;

use crate::caller::Caller;
use crate::report::{Latencies, Report, Row};
use crate::theatre::{Programme, Theatre, call_payload, hold_params, nth_seat};

const BUYERS: usize = 20_000;
const SEATS: usize = 5_000;
/// The doors open, and everybody has come within this time.
const ARRIVAL: Duration = Duration::from_secs(5);
/// A buyer tries this often for another pair.
const TRIES_MAX: usize = 4;

#[derive(Default)]
struct Experience {
    held: Latencies,
    rejected: Latencies,
    busy: u64,
    winners: u64,
}

/// Runs the measurement.
pub(crate) async fn measure(replicas: u8) -> anyhow::Result<Report> {
    let programme = Programme { events: 1, seats: SEATS, hold_seconds: 900, gateway: false, replicas };
    let theatre = Theatre::open(&programme).await?;
    let caller = Caller::new(theatre.client().await?).await?;
    let subject = Arc::new(format!("call.tickets.event.{}.hold", theatre.events[0]));
    let started = Instant::now();
    let mut buyers = tokio::task::JoinSet::new();
    for number in 0..BUYERS {
        let arrives = started + ARRIVAL.mul_f64(number as f64 / BUYERS as f64);
        let (caller, subject) = (caller.clone(), subject.clone());
        buyers.spawn(async move {
            tokio::time::sleep_until(arrives.into()).await;
            buy(&caller, &subject).await
        });
    }
    let mut all = Experience::default();
    while let Some(experience) = buyers.join_next().await {
        let one = experience??;
        all.held.add(&one.held);
        all.rejected.add(&one.rejected);
        all.busy += one.busy;
        all.winners += one.winners;
    }
    let elapsed = started.elapsed();
    let violations = theatre.audit().await?;
    let rows = vec![
        Row::rate("rejected holds", &all.rejected, elapsed),
        Row::rate("successful holds", &all.held, elapsed),
        Row::value("buyers with two seats", all.winners as f64, "of 20,000"),
        Row::value("answers 'busy'", all.busy as f64, "answers"),
        Row::value("from the first to the last answer", elapsed.as_secs_f64(), "s"),
    ];
    Ok(Report { name: "onsale", rows, violations })
}

async fn buy(caller: &Caller, subject: &str) -> anyhow::Result<Experience> {
    let mut experience = Experience::default();
    for _ in 0..TRIES_MAX {
        let pair = rand::rng().random_range(0..SEATS / 2);
        let params = hold_params(&[nth_seat(2 * pair), nth_seat(2 * pair + 1)]);
        let asked = Instant::now();
        let answer = caller.ask(subject.to_owned(), call_payload(&params)).await?;
        let took = asked.elapsed();
        let text = std::str::from_utf8(&answer)?;
        if text.starts_with("{\"result\"") {
            experience.held.record(took);
            experience.winners = 1;
            return Ok(experience);
        }
        if text.contains("tickets.busy") {
            experience.busy += 1;
        } else {
            anyhow::ensure!(text.contains("tickets.seatTaken"), "an unexpected answer: {text}");
            experience.rejected.record(took);
        }
    }
    Ok(experience)
}
