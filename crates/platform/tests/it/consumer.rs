//! Facts that cannot be handled now, and facts that are wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use livehouse_contract::path;
use livehouse_platform::bus::consumer::{Delivered, FAILURES_MAX, NotNow, consume};
use livehouse_testkit::wait_until;
use tokio_util::sync::CancellationToken;

use super::place::{Happened, PATIENCE, Place};

const CONSUMER: &str = "test-happened";

impl Place {
    /// Consumes facts with `handler` until the token is cancelled.
    fn consume<H, W>(&self, handler: H) -> CancellationToken
    where
        H: Fn(Delivered<Happened>) -> W + Send + Sync + 'static,
        W: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let stop = CancellationToken::new();
        tokio::spawn(consume(self.jetstream.clone(), CONSUMER, stop.clone(), handler));
        stop
    }

    async fn until_dead_letters(&self, count: u64) {
        wait_until("dead letters", PATIENCE, || async {
            let found = self.dead_letters().await;
            if found == count { Ok(()) } else { Err(format!("{found} of {count}")) }
        })
        .await;
    }
}

async fn until_at_least(what: &str, least: u32, count: &AtomicU32) {
    wait_until(what, PATIENCE, || async {
        let found = count.load(Ordering::Relaxed);
        if found >= least { Ok(()) } else { Err(format!("{found} of {least}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fact_survives_a_database_that_is_away_for_longer_than_any_number_of_tries() {
    let place = Place::open().await;
    let tries = Arc::new(AtomicU32::new(0));
    let (pool, counted) = (place.pool.clone(), tries.clone());
    let _stop = place.consume(move |delivered| {
        let pool = pool.clone();
        counted.fetch_add(1, Ordering::Relaxed);
        async move {
            let connection = pool.get().await?;
            connection.execute("insert into handled values ($1)", &[&delivered.fact.what]).await?;
            Ok(())
        }
    });
    place.tell("before").await;
    wait_until("the first fact", PATIENCE, || async {
        let handled = place.number("select count(*) from handled").await;
        if handled == 1 { Ok(()) } else { Err(format!("{handled} handled")) }
    })
    .await;
    place.world.postgres().kill().await;
    place.tell("during").await;
    until_at_least("more tries than make a dead letter", 1 + FAILURES_MAX + 2, &tries).await;
    assert_eq!(place.dead_letters().await, 0);
    place.world.postgres().restart().await.unwrap();
    wait_until("both facts", PATIENCE, || async {
        let connection = place.pool.get().await.map_err(|error| error.to_string())?;
        let row = connection.query_one("select count(*) from handled", &[]).await;
        let handled: i64 = row.map_err(|error| error.to_string())?.get(0);
        if handled == 2 { Ok(()) } else { Err(format!("{handled} handled")) }
    })
    .await;
    assert_eq!(place.dead_letters().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_put_off_does_not_count_when_the_fact_fails_afterwards() {
    let place = Place::open().await;
    let tries = Arc::new(AtomicU32::new(0));
    let counted = tries.clone();
    let _stop = place.consume(move |_| {
        let number = counted.fetch_add(1, Ordering::Relaxed);
        async move {
            if number < FAILURES_MAX {
                return Err(NotNow::because("busy, says a test").into());
            }
            anyhow::bail!("wrong, says a test")
        }
    });
    place.tell("it").await;
    place.until_dead_letters(1).await;
    assert_eq!(tries.load(Ordering::Relaxed), 2 * FAILURES_MAX);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fact_that_makes_its_handler_panic_becomes_a_dead_letter_and_the_next_one_is_handled() {
    let place = Place::open().await;
    let handled = Arc::new(AtomicU32::new(0));
    let counted = handled.clone();
    let _stop = place.consume(move |delivered| {
        let counted = counted.clone();
        async move {
            assert!(delivered.fact.what != "poison", "broken by a test");
            counted.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
    });
    place.tell("poison").await;
    place.tell("good").await;
    until_at_least("the good fact", 1, &handled).await;
    place.until_dead_letters(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_did_good_work_comes_back_at_once_however_often_it_was_broken() {
    let place = Place::open().await;
    let handled = Arc::new(AtomicU32::new(0));
    let counted = handled.clone();
    let _stop = place.consume(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { Ok(()) }
    });
    let stream = place.jetstream.get_stream(path::FACT_STREAM).await.unwrap();
    let mut longest = Duration::ZERO;
    for round in 1..=8 {
        let broken = Instant::now();
        place.tell(&format!("fact {round}")).await;
        until_at_least("the fact", round, &handled).await;
        longest = broken.elapsed();
        stream.purge().await.unwrap();
        stream.delete_consumer(CONSUMER).await.unwrap();
    }
    // Without beginning anew it would be the eighth wait of a series that doubles: seconds.
    assert!(longest < Duration::from_secs(2), "after many breaks it took {longest:?} to come back");
}
