//! A buyer: holds two seats, lets them go, and again. What goes wrong on the way is tried again as a browser does it, with
//! the same key, so that it can take effect only once.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use livehouse_testkit::{ResClient, ResError};
use rand::Rng;
use serde_json::{Value, json};

use super::{Sale, Tally};

/// A person gives up after that.
const PATIENCE: Duration = Duration::from_secs(60);
/// Somebody who answers has answered by then.
const ANSWER_DEADLINE: Duration = Duration::from_secs(6);
/// Between two holds of one buyer.
const THOUGHT: Duration = Duration::from_millis(150);

/// What a service may say no with.
const REFUSALS: [&str; 3] = ["tickets.seatTaken", "tickets.limitReached", "tickets.holdNotActive"];

struct Buyer {
    sale: Sale,
    session: String,
    client: Option<ResClient>,
    tally: Arc<Mutex<Tally>>,
}

/// Buys until it is over.
pub(super) async fn buy(sale: Sale, session: String, over: Arc<AtomicBool>, tally: Arc<Mutex<Tally>>) {
    let mut buyer = Buyer { sale, session, client: None, tally };
    while !over.load(Ordering::Relaxed) {
        buyer.one_hold().await;
        tokio::time::sleep(THOUGHT).await;
    }
}

impl Buyer {
    async fn one_hold(&mut self) {
        let pair = rand::rng().random_range(0..self.sale.seats.len() / 2);
        let seats = &self.sale.seats[2 * pair..2 * pair + 2];
        let wish = json!({ "seats": seats, "key": uuid::Uuid::now_v7() });
        let event = format!("tickets.event.{}", self.sale.event);
        let held = self.insist(&event, "hold", &wish).await;
        match held {
            Ok(answer) => {
                self.lock(Tally::granted);
                let hold = format!("tickets.hold.{}", answer["hold"].as_str().unwrap_or_default());
                if let Err(error) = self.insist(&hold, "release", &Value::Null).await
                    && !is_refusal(&error)
                {
                    self.fails(format!("release: {error}"));
                }
            }
            Err(error) if is_refusal(&error) => self.lock(|tally| tally.refused += 1),
            Err(error) => self.fails(format!("hold: {error}")),
        }
    }

    /// Asks until there is an answer that is one.
    async fn insist(&mut self, rid: &str, method: &str, params: &Value) -> Result<Value, ResError> {
        let until = Instant::now() + PATIENCE;
        loop {
            let answer = self.ask(rid, method, params).await;
            let error = match answer {
                Ok(answer) => return Ok(answer),
                Err(error) if is_refusal(&error) || Instant::now() > until => return Err(error),
                Err(error) => error,
            };
            self.lock(|tally| tally.again += 1);
            // The service is there and says that it cannot now. Anything else may be the door, or a connection that was opened
            // while nobody could say who it is: a person loads the page again.
            if !["tickets.busy", "system.timeout", "system.notFound"].contains(&error.code.as_str()) {
                self.client = None;
            }
            let pause = Duration::from_millis(rand::rng().random_range(100..400));
            tokio::time::sleep(pause).await;
        }
    }

    async fn ask(&mut self, rid: &str, method: &str, params: &Value) -> Result<Value, ResError> {
        let lost = |message: String| ResError { code: "client.disconnected".into(), message, data: None };
        if self.client.is_none() {
            let entered = self.sale.enter(Some(self.session.clone())).await;
            self.client = Some(entered.map_err(|error| lost(format!("{error:#}")))?);
        }
        let Some(client) = &self.client else { return Err(lost("no connection".into())) };
        match tokio::time::timeout(ANSWER_DEADLINE, client.call(rid, method, params.clone())).await {
            Ok(answer) => answer,
            Err(_) => Err(lost(format!("{method} was not answered"))),
        }
    }

    fn fails(&self, what: String) {
        self.lock(|tally| tally.failures.push(what));
    }

    fn lock(&self, change: impl FnOnce(&mut Tally)) {
        change(&mut self.tally.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

fn is_refusal(error: &ResError) -> bool {
    REFUSALS.contains(&error.code.as_str())
}
