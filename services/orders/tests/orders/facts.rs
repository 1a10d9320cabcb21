//! Facts that come twice, in another order, or cannot be handled.

use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream;
use async_nats::jetstream::consumer::pull;
use futures::StreamExt;
use livehouse_contract::id::FactId;
use livehouse_contract::path::FACT_STREAM;
use livehouse_platform::bus::FACT_ID_HEADER;
use livehouse_testkit::wait_until;
use rand::seq::SliceRandom;
use serde_json::json;

use super::shop::{PATIENCE, Shop};

impl Shop {
    /// Every fact in the stream: subject, headers, content.
    async fn facts(&self) -> Vec<(String, HeaderMap, Vec<u8>)> {
        let stream = jetstream::new(self.client.clone()).get_stream(FACT_STREAM).await.unwrap();
        let reader = stream.create_consumer(pull::Config::default()).await.unwrap();
        let waiting = usize::try_from(reader.cached_info().num_pending).unwrap();
        let messages =
            reader.fetch().max_messages(waiting).expires(Duration::from_secs(5)).messages().await.unwrap();
        let facts: Vec<_> = messages
            .map(|message| {
                let message = message.unwrap();
                (message.subject.to_string(), message.headers.clone().unwrap(), message.payload.to_vec())
            })
            .collect()
            .await;
        assert_eq!(facts.len(), waiting);
        facts
    }

    /// How often the end of an order was told.
    pub(crate) async fn closed_facts(&self) -> usize {
        self.facts().await.iter().filter(|(subject, _, _)| subject == "fact.orders.order_closed.v1").count()
    }

    /// Tells a fact as whoever may write to the stream.
    async fn tell(&self, subject: &str, headers: HeaderMap, payload: Vec<u8>) {
        let jetstream = jetstream::new(self.client.clone());
        jetstream
            .publish_with_headers(subject.to_owned(), headers, payload.into())
            .await
            .unwrap()
            .await
            .unwrap();
    }

    /// What the operator's command says of dead letters.
    async fn dead_letters(&self, argument: Option<&str>) -> String {
        let command = self.world.service("livehouse-orders").argument("dead-letters");
        let command = argument.into_iter().fold(command, livehouse_testkit::ServiceBuilder::argument);
        let said = command.run().await.unwrap();
        // Beside it stands what the command logged.
        said.lines().find(|line| !line.starts_with('{')).unwrap_or_default().to_owned()
    }

    async fn until_dead_letters(&self, count: u64) {
        let expected = format!("{count} dead letters");
        wait_until(&expected, PATIENCE, || async {
            let said = self.dead_letters(None).await;
            if said == expected { Ok(()) } else { Err(said) }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h33_every_fact_told_again_twice_and_in_any_order_changes_nothing() {
    let shop = Shop::open(900).await;
    // One order of every kind: paid, cancelled by its buyer, released, expired, awaiting its payment; and holds without one.
    let paid = shop.buyer(shop.rehearsal, 0..2).await;
    let order = paid.order().await;
    paid.until(&order, "paid").await;
    let cancelled = shop.buyer(shop.concert, 0..2).await;
    let order = cancelled.order().await;
    cancelled.browser.call(&order, "cancel", json!({})).await.unwrap();
    let awaiting = shop.buyer(shop.concert, 4..6).await;
    awaiting.order().await;
    awaiting.browser.call(&format!("tickets.hold.{}", awaiting.hold), "extend", json!({})).await.unwrap();
    let released = shop.buyer(shop.concert, 6..8).await;
    let order = released.order().await;
    released.browser.call(&format!("tickets.hold.{}", released.hold), "release", json!({})).await.unwrap();
    released.until(&order, "cancelled").await;
    let expired = shop.buyer(shop.concert, 8..10).await;
    let order = expired.order().await;
    let over = "update hold set created_at = created_at - interval '1 hour', expires_at = clock_timestamp() where id = $1";
    shop.tickets.get().await.unwrap().execute(over, &[&expired.hold.as_uuid()]).await.unwrap();
    expired.until(&order, "expired").await;
    let next = shop.buyer(shop.concert, 0..2).await;
    next.order().await;
    shop.settled().await;
    let (before, facts) = (shop.fingerprint().await, shop.facts().await);

    let mut again: Vec<_> = facts.iter().chain(&facts).cloned().collect();
    again.shuffle(&mut rand::rng());
    for (position, (subject, headers, payload)) in again.iter().enumerate() {
        let mut headers_again = HeaderMap::new();
        // Half of them under their own id, which the inbox knows; half as if they were new, which only the rules know.
        let id = if position % 2 == 0 {
            headers.get(FACT_ID_HEADER).unwrap().to_string()
        } else {
            FactId::generate().to_string()
        };
        headers_again.insert(FACT_ID_HEADER, id.as_str());
        headers_again.insert(async_nats::header::NATS_MESSAGE_ID, format!("again-{position}").as_str());
        shop.tell(subject, headers_again, payload.clone()).await;
    }
    shop.settled().await;
    assert_eq!(shop.fingerprint().await, before, "{} facts told again changed something", again.len());
    assert_eq!(shop.dead_letters(None).await, "0 dead letters");
    shop.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h32_h38_a_fact_that_cannot_be_read_becomes_a_dead_letter_and_the_next_one_is_handled() {
    let shop = Shop::open(900).await;
    let poison: [(&str, &str); 3] = [
        ("fact.tickets.holds_ended.v1", "no JSON"),
        ("fact.tickets.holds_ended.v1", r#"{"event": "evt_1", "holds": []}"#),
        ("fact.tickets.holds_sold.v1", r#"{"unknown": true}"#),
    ];
    for (subject, payload) in poison {
        let mut headers = HeaderMap::new();
        headers.insert(FACT_ID_HEADER, FactId::generate().to_string().as_str());
        shop.tell(subject, headers, payload.as_bytes().to_vec()).await;
    }
    shop.tell("fact.tickets.holds_ended.v1", HeaderMap::new(), b"{}".to_vec()).await;
    shop.until_dead_letters(4).await;
    let metrics = shop.orders.get("/metrics").await.unwrap().1;
    let counted: u64 = metrics
        .lines()
        .filter(|line| line.starts_with("livehouse_dead_letters_total{"))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
        .sum();
    assert_eq!(counted, 4, "the metrics do not count dead letters");
    let buyer = shop.buyer(shop.rehearsal, 0..2).await;
    let order = buyer.order().await;
    buyer
        .browser
        .wait_for_model(&order, "an order with tickets", PATIENCE, |model| {
            model["tickets"].as_array().is_some_and(|tickets| tickets.len() == 2)
        })
        .await;
    shop.settled().await;
    shop.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h38_a_fact_given_up_on_is_replayed_and_takes_effect_once_the_cause_is_mended() {
    let shop = Shop::open(900).await;
    shop.pool
        .get()
        .await
        .unwrap()
        .batch_execute(
            "create function refuse_tickets() returns trigger language plpgsql as $$ begin raise exception 'broken by a test'; end $$; \
             create trigger refuse_tickets before update of tickets on orders for each row execute function refuse_tickets()",
        )
        .await
        .unwrap();
    let buyer = shop.buyer(shop.rehearsal, 0..2).await;
    let order = buyer.order().await;
    buyer.until(&order, "paid").await;
    shop.until_dead_letters(1).await;
    shop.pool.get().await.unwrap().batch_execute("drop trigger refuse_tickets on orders").await.unwrap();
    assert_eq!(shop.dead_letters(Some("--replay")).await, "1 dead letters were replayed");
    buyer
        .browser
        .wait_for_model(&order, "an order with tickets", PATIENCE, |model| {
            model["tickets"].as_array().is_some_and(|tickets| tickets.len() == 2)
        })
        .await;
    assert_eq!(shop.dead_letters(None).await, "0 dead letters");
    shop.settled().await;
    shop.audit().await;
}
