//! A crowd that holds and lets go, and remembers everything it was promised.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use deadpool_postgres::Pool;
use livehouse_contract::id::{BuyerId, EventId, HoldId, OrderId};
use livehouse_contract::path;
use livehouse_testkit::{Stopwatch, wait_until};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::caller::{Answer, Caller, request};
use super::stage::{PATIENCE, Stage};

/// Longer than Resgate waits.
const ANSWER_DEADLINE: Duration = Duration::from_secs(4);

/// Pause of people who order, between two wishes: seats that are sold do not come back.
const ORDERING_PAUSE: Duration = Duration::from_millis(100);

/// How the crowd behaves.
#[derive(Clone, Copy)]
pub(crate) struct Crowd {
    /// People asking at the same time.
    pub(crate) people: usize,
    /// Of ten holds so many are let go at once; the others are left to run out.
    pub(crate) released_of_ten: u32,
    /// Pause of one person between two wishes.
    pub(crate) pause: Duration,
    /// More people, who order whatever they hold.
    pub(crate) ordering: usize,
}

impl Default for Crowd {
    fn default() -> Self {
        Self { people: 48, released_of_ten: 4, pause: Duration::ZERO, ordering: 0 }
    }
}

/// What everybody together has seen.
#[derive(Default)]
pub(crate) struct Seen {
    held: AtomicU64,
    refused: AtomicU64,
    unanswered: AtomicU64,
}

/// A crowd at work.
pub(crate) struct Load {
    seen: Arc<Seen>,
    stop: CancellationToken,
    people: JoinSet<Promises>,
}

/// What one person, or all of them, were promised.
#[derive(Default)]
pub(crate) struct Promises {
    /// Every hold that was confirmed, and its buyer.
    pub(crate) held: Vec<(HoldId, BuyerId)>,
    /// Every hold whose release was confirmed.
    pub(crate) released: Vec<HoldId>,
    /// Every order that was confirmed.
    pub(crate) ordered: Vec<OrderId>,
    /// How often each other answer came.
    pub(crate) others: BTreeMap<String, u64>,
}

/// What can be wished for.
#[derive(Clone)]
struct Offer {
    event: EventId,
    seats: Arc<Vec<String>>,
}

impl Load {
    /// A crowd in front of these events.
    pub(crate) async fn start(stage: &Stage, events: &[EventId], crowd: Crowd) -> Self {
        let mut offers = Vec::new();
        for event in events {
            offers.push(Offer { event: *event, seats: Arc::new(seats_of(&stage.pool, *event).await) });
        }
        let seed: u64 = rand::random();
        // Shown only when the test fails.
        println!("the crowd's seed is {seed}");
        let (seen, stop) = (Arc::new(Seen::default()), CancellationToken::new());
        let mut people = JoinSet::new();
        for number in 0..(crowd.people + crowd.ordering) as u64 {
            let person = Person {
                caller: stage.caller.clone(),
                offers: offers.clone(),
                crowd,
                orders: number >= crowd.people as u64,
                random: StdRng::seed_from_u64(seed ^ number),
                seen: seen.clone(),
                stop: stop.clone(),
                promises: Promises::default(),
            };
            people.spawn(person.live());
        }
        Self { seen, stop, people }
    }

    /// Holds confirmed so far.
    pub(crate) fn held(&self) -> u64 {
        self.seen.held.load(Ordering::Relaxed)
    }

    /// The best rate within `patience`, or the first that reaches `enough`.
    pub(crate) async fn best_rate(&self, enough: u64, patience: Duration) -> u64 {
        let deadline = Instant::now() + patience;
        let mut best = 0;
        while best < enough && Instant::now() < deadline {
            best = best.max(self.rate().await);
        }
        best
    }

    /// Holds a second, over half a second in which the machine may have stood still.
    async fn rate(&self) -> u64 {
        let (before, watch) = (self.held(), Stopwatch::start());
        tokio::time::sleep(Duration::from_millis(500)).await;
        let held = self.held() - before;
        // A few holds in a moment are no rate.
        let ran = watch.stop().ran.max(Duration::from_millis(200));
        (held as f64 / ran.as_secs_f64()) as u64
    }

    /// Waits until so many holds a second are confirmed, over half a second. Answers how many.
    pub(crate) async fn until_running(&self, holds_per_second: u64) -> u64 {
        wait_until(&format!("a sale of {holds_per_second} holds a second"), PATIENCE, || async {
            let rate = self.rate().await;
            let (refused, unanswered) =
                (self.seen.refused.load(Ordering::Relaxed), self.seen.unanswered.load(Ordering::Relaxed));
            if rate >= holds_per_second {
                Ok(rate)
            } else {
                Err(format!("{rate} holds a second; in all {refused} refused, {unanswered} unanswered"))
            }
        })
        .await
    }

    /// Sends everybody home and answers what they were promised.
    pub(crate) async fn stop(mut self) -> Promises {
        self.stop.cancel();
        let mut all = Promises::default();
        while let Some(promises) = self.people.join_next().await {
            let promises = promises.unwrap();
            all.held.extend(promises.held);
            all.released.extend(promises.released);
            all.ordered.extend(promises.ordered);
            for (code, times) in promises.others {
                *all.others.entry(code).or_default() += times;
            }
        }
        all
    }
}

impl Promises {
    /// Every promise is in the database: a confirmed hold is there and its buyer's, a confirmed release is one.
    pub(crate) async fn are_kept(&self, pool: &Pool) {
        let connection = pool.get().await.unwrap();
        let holds: Vec<uuid::Uuid> = self.held.iter().map(|(hold, _)| hold.as_uuid()).collect();
        let buyers: Vec<uuid::Uuid> = self.held.iter().map(|(_, buyer)| buyer.as_uuid()).collect();
        let broken: i64 = connection
            .query_one(
                "select count(*) from unnest($1::uuid[], $2::uuid[]) as promised (id, buyer) \
                 left join hold on hold.id = promised.id and hold.buyer = promised.buyer where hold.id is null",
                &[&holds, &buyers],
            )
            .await
            .unwrap()
            .get(0);
        assert_eq!(broken, 0, "of {} confirmed holds so many are not in the database", holds.len());
        let released: Vec<uuid::Uuid> = self.released.iter().map(HoldId::as_uuid).collect();
        let broken: i64 = connection
            .query_one("select count(*) from hold where id = any($1) and state <> 'r'", &[&released])
            .await
            .unwrap()
            .get(0);
        assert_eq!(broken, 0, "of {} confirmed releases so many did not happen", released.len());
    }
}

/// Ids of all seats of an event.
async fn seats_of(pool: &Pool, event: EventId) -> Vec<String> {
    let connection = pool.get().await.unwrap();
    let asked = "select document from layout join event on event.layout = layout.hash where event.id = $1";
    let document: Vec<u8> = connection.query_one(asked, &[&event.as_uuid()]).await.unwrap().get(0);
    let layout: livehouse_seating::Layout = serde_json::from_slice(&document).unwrap();
    let rows = layout.sections.into_iter().flat_map(|section| section.rows);
    rows.flat_map(|row| row.seats).map(|seat| seat.id).collect()
}

struct Person {
    caller: Caller,
    offers: Vec<Offer>,
    crowd: Crowd,
    orders: bool,
    random: StdRng,
    seen: Arc<Seen>,
    stop: CancellationToken,
    promises: Promises,
}

impl Person {
    async fn live(mut self) -> Promises {
        while !self.stop.is_cancelled() {
            let buyer = BuyerId::generate();
            if let Some(hold) = self.wish(buyer).await {
                self.promises.held.push((hold, buyer));
                if self.orders {
                    self.order(hold, buyer).await;
                } else if self.random.random_range(0..10) < self.crowd.released_of_ten {
                    self.let_go(hold, buyer).await;
                }
            }
            tokio::time::sleep(if self.orders { ORDERING_PAUSE } else { self.crowd.pause }).await;
        }
        self.promises
    }

    /// Holds one to three seats side by side; asks again with the same key while nobody answers.
    async fn wish(&mut self, buyer: BuyerId) -> Option<HoldId> {
        let offer = self.offers[self.random.random_range(0..self.offers.len())].clone();
        let (first, count) =
            (self.random.random_range(0..offer.seats.len() - 2), self.random.random_range(1..=3));
        let params = json!({"seats": &offer.seats[first..first + count], "key": buyer});
        let answer = self.ask(&path::event(offer.event), "hold", buyer, &params).await?;
        match answer {
            Answer::Result(held) => {
                self.seen.held.fetch_add(1, Ordering::Relaxed);
                held["hold"].as_str().and_then(|id| id.parse().ok())
            }
            _ => None,
        }
    }

    async fn let_go(&mut self, hold: HoldId, buyer: BuyerId) {
        if let Some(Answer::Result(_)) = self.ask(&path::hold(hold), "release", buyer, &json!({})).await {
            self.promises.released.push(hold);
        }
    }

    async fn order(&mut self, hold: HoldId, buyer: BuyerId) {
        let params = json!({"hold": hold, "key": hold});
        if let Some(Answer::Resource(rid)) = self.ask("orders", "new", buyer, &params).await {
            let order = rid.rsplit('.').next().and_then(|id| id.parse().ok());
            self.promises.ordered.push(order.unwrap());
        }
    }

    /// Asks until there is a final answer, or everybody goes home.
    async fn ask(&mut self, resource: &str, method: &str, buyer: BuyerId, params: &Value) -> Option<Answer> {
        loop {
            let subject = format!("call.{resource}.{method}");
            let answer = self.caller.ask(subject, request(Some(buyer), params), ANSWER_DEADLINE).await;
            let (again, code) = match &answer {
                Answer::Result(_) | Answer::Resource(_) => return Some(answer),
                Answer::Nothing(why) => (true, (*why).to_owned()),
                Answer::Refused(code, _) => {
                    (code.ends_with(".busy") || code == "system.internalError", code.clone())
                }
            };
            *self.promises.others.entry(code).or_default() += 1;
            if !again {
                self.seen.refused.fetch_add(1, Ordering::Relaxed);
                return Some(answer);
            }
            self.seen.unanswered.fetch_add(1, Ordering::Relaxed);
            if self.stop.is_cancelled() {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(self.random.random_range(20..200))).await;
        }
    }
}
