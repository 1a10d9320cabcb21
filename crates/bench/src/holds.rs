//! `holds`: two-seat holds per second, from the NATS call to the durable commit.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::baseline;
use crate::caller::Caller;
use crate::report::{Latencies, Report, Row};
use crate::theatre::{Programme, Theatre, call_payload, hold_params, nth_seat};

/// Seats of an event: as many as a stadium.
const EVENT_SEATS: usize = 40_000;
/// Askers at once in the main row.
const CONCURRENT: usize = 64;

/// Asks from `concurrent` tasks for `duration`; each asks again when it has its answer. The work gets a number that
/// rises by one with every call, and answers whether to go on.
pub(crate) async fn load<W, F>(
    concurrent: usize,
    duration: Duration,
    work: W,
) -> anyhow::Result<(Latencies, Duration)>
where
    W: Fn(usize) -> F + Clone + Send + 'static,
    F: Future<Output = anyhow::Result<bool>> + Send,
{
    let over = Arc::new(AtomicBool::new(false));
    let next = Arc::new(AtomicUsize::new(0));
    let started = Instant::now();
    let mut tasks = Vec::with_capacity(concurrent);
    for _ in 0..concurrent {
        let (over, next, work) = (over.clone(), next.clone(), work.clone());
        tasks.push(tokio::spawn(async move {
            let mut latencies = Latencies::default();
            while !over.load(Ordering::Relaxed) {
                let asked = Instant::now();
                if !work(next.fetch_add(1, Ordering::Relaxed)).await? {
                    break;
                }
                latencies.record(asked.elapsed());
            }
            anyhow::Ok(latencies)
        }));
    }
    tokio::time::sleep(duration).await;
    over.store(true, Ordering::Relaxed);
    let elapsed = started.elapsed();
    let mut latencies = Latencies::default();
    for task in tasks {
        latencies.add(&task.await??);
    }
    Ok((latencies, elapsed))
}

/// Holds pairs of seats that nobody else wants, over all events in turn.
pub(crate) struct Pairs {
    subjects: Arc<Vec<String>>,
    first: usize,
}

impl Pairs {
    pub(crate) fn of(theatre: &Theatre) -> Self {
        let subjects = theatre.events.iter().map(|event| format!("call.tickets.event.{event}.hold"));
        Self { subjects: Arc::new(subjects.collect()), first: 0 }
    }

    /// The same pairs, for another task.
    pub(crate) fn again(&self) -> Self {
        Self { subjects: self.subjects.clone(), first: self.first }
    }

    /// The next `count` pairs are used up.
    pub(crate) fn skip(&mut self, count: usize) {
        self.first += count;
    }

    /// Subject and seats of a pair; nothing when all seats are gone. Neighbouring pairs lie in different events and
    /// different sections, as buyers do.
    pub(crate) fn pair(&self, number: usize) -> Option<(String, Vec<String>)> {
        let number = number + self.first;
        let (event, pair) = (number % self.subjects.len(), number / self.subjects.len());
        let pairs = EVENT_SEATS / 2;
        if pair >= pairs {
            return None;
        }
        // A step that shares no factor with the number of pairs visits each of them once.
        let place = (pair * 7_919) % pairs;
        Some((self.subjects[event].clone(), vec![nth_seat(2 * place), nth_seat(2 * place + 1)]))
    }
}

/// Runs the measurement.
pub(crate) async fn measure(seconds: u64, replicas: u8) -> anyhow::Result<Report> {
    let programme = Programme { events: 12, seats: EVENT_SEATS, hold_seconds: 900, gateway: false, replicas };
    let theatre = Theatre::open(&programme).await?;
    let duration = Duration::from_secs(seconds);
    let client = theatre.client().await?;
    let responder = baseline::responder(&theatre.world.nats().url()).await?;
    let mut rows = vec![baseline::echo(&client, CONCURRENT, duration / 2).await?];
    drop(responder);
    rows.push(baseline::postgres_batch(&theatre.pool, duration / 2).await?);
    let caller = Caller::new(client).await?;
    let mut pairs = Pairs::of(&theatre);
    // Connections, plans and caches are warm in a running sale.
    let (warm, _) = run(&caller, &pairs, CONCURRENT, Duration::from_secs(2)).await?;
    pairs.skip(warm.count() as usize + CONCURRENT);
    for concurrent in [1, 16, CONCURRENT, 256] {
        let duration = if concurrent == CONCURRENT { duration } else { duration / 2 };
        let (latencies, elapsed) = run(&caller, &pairs, concurrent, duration).await?;
        pairs.skip(latencies.count() as usize + concurrent);
        rows.push(Row::rate(format!("two-seat holds, c={concurrent}"), &latencies, elapsed));
    }
    let holds = rows.iter().filter(|row| row.what.starts_with("two-seat"));
    let peak = holds.filter_map(|row| row.per_second).fold(0.0_f64, f64::max);
    rows.push(paced(&caller, &pairs, peak / 2.0, duration / 2).await?);
    let violations = theatre.audit().await?;
    Ok(Report { name: "holds", rows, violations })
}

async fn run(
    caller: &Caller,
    pairs: &Pairs,
    concurrent: usize,
    duration: Duration,
) -> anyhow::Result<(Latencies, Duration)> {
    let pairs = Arc::new(pairs.again());
    let caller = caller.clone();
    load(concurrent, duration, move |number| {
        let (caller, pairs) = (caller.clone(), pairs.clone());
        async move { hold(&caller, &pairs, number).await }
    })
    .await
}

async fn hold(caller: &Caller, pairs: &Pairs, number: usize) -> anyhow::Result<bool> {
    let Some((subject, seats)) = pairs.pair(number) else { return Ok(false) };
    let answer = caller.ask(subject, call_payload(&hold_params(&seats))).await?;
    anyhow::ensure!(answer.starts_with(b"{\"result\""), "a hold was refused: {answer:?}");
    Ok(true)
}

/// Holds at a steady rate, whether or not the former are answered: what people feel well below the peak.
async fn paced(caller: &Caller, pairs: &Pairs, per_second: f64, duration: Duration) -> anyhow::Result<Row> {
    let mut latencies = Latencies::default();
    let started = Instant::now();
    let mut waiting = tokio::task::JoinSet::new();
    let pairs = Arc::new(pairs.again());
    let mut sent = 0_usize;
    while started.elapsed() < duration {
        let due = (started.elapsed().as_secs_f64() * per_second) as usize;
        while sent < due {
            let (caller, pairs, number) = (caller.clone(), pairs.clone(), sent);
            let asked = Instant::now();
            waiting.spawn(async move { hold(&caller, &pairs, number).await.map(|_| asked.elapsed()) });
            sent += 1;
        }
        while let Some(answered) = waiting.try_join_next() {
            latencies.record(answered??);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let elapsed = started.elapsed();
    while let Some(answered) = waiting.join_next().await {
        latencies.record(answered??);
    }
    Ok(Row::rate("two-seat holds at half the peak rate", &latencies, elapsed))
}
