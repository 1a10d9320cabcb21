//! Facts leave, whatever lies between them.

use std::time::Duration;

use livehouse_platform::bus::outbox::{Bell, Facts, relay};
use livehouse_platform::telemetry;
use livehouse_testkit::wait_until;
use tokio_util::sync::CancellationToken;

use super::place::{Happened, PATIENCE, Place};

impl Place {
    async fn write(&self, facts: &[&str]) {
        let mut written = Facts::default();
        for what in facts {
            written.push(&Happened { what: (*what).to_owned() }).unwrap();
        }
        written.write(&self.pool.get().await.unwrap()).await.unwrap();
    }

    fn relay(&self) -> (Bell, CancellationToken) {
        let (bell, stop) = (Bell::default(), CancellationToken::new());
        tokio::spawn(relay(self.pool.clone(), self.jetstream.clone(), bell.clone(), stop.clone()));
        (bell, stop)
    }

    async fn until_told(&self, expected: &[&str]) {
        wait_until("the facts in the stream", PATIENCE, || async {
            let told = self.told().await;
            if told == expected { Ok(()) } else { Err(format!("{} facts", told.len())) }
        })
        .await;
    }
}

/// What the process's metrics say under this name.
fn metric(name: &str) -> f64 {
    let text = telemetry::page();
    let line = text.lines().find(|line| line.split([' ', '{']).next() == Some(name));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_broker_can_never_take_is_set_aside_complete_and_the_rest_goes_on() {
    let place = Place::open().await;
    let large = "x".repeat(2 * 1024 * 1024);
    place.write(&["first", &large, "second"]).await;
    let no_subject =
        "insert into outbox (fact, subject, payload) values (gen_random_uuid(), 'fact..v1', '{}')";
    place.pool.get().await.unwrap().execute(no_subject, &[]).await.unwrap();
    place.write(&["third"]).await;
    let (bell, stop) = place.relay();
    place.until_told(&["first", "second", "third"]).await;
    bell.ring();
    let aside =
        "select count(*) from outbox where subject in ('refused.fact.test.happened.v1', 'refused.fact..v1')";
    wait_until("both others set aside", PATIENCE, || async {
        let (aside, all) = (place.number(aside).await, place.number("select count(*) from outbox").await);
        if (aside, all) == (2, 2) { Ok(()) } else { Err(format!("{aside} aside, {all} in all")) }
    })
    .await;
    let complete = "select count(*) from outbox where length(payload) > 2 * 1024 * 1024";
    assert_eq!(place.number(complete).await, 1, "the payload is not complete any more");
    assert!(metric("livehouse_outbox_refusals_total") >= 2.0);
    wait_until("the measure of the outbox", PATIENCE, || async {
        let refused = metric("livehouse_outbox_refused");
        if refused >= 2.0 { Ok(()) } else { Err(format!("{refused}")) }
    })
    .await;
    stop.cancel();

    // What was in the way is mended: the next relay offers it again.
    let mend = r#"update outbox set payload = '{"what": "mended"}' where length(payload) > 1000"#;
    place.pool.get().await.unwrap().execute(mend, &[]).await.unwrap();
    let (_bell, _stop) = place.relay();
    place.until_told(&["first", "second", "third", "mended"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn facts_written_while_the_broker_is_away_wait_and_leave_when_it_is_back() {
    let place = Place::open().await;
    let (bell, _stop) = place.relay();
    place.write(&["before"]).await;
    bell.ring();
    place.until_told(&["before"]).await;
    place.world.nats().kill().await;
    place.write(&["during", "after"]).await;
    bell.ring();
    // The relay has them in hand, in vain: they must not be gone.
    wait_until("the relay takes the facts", PATIENCE, || async {
        let left = "select count(*) from (select 1 from outbox for update skip locked) as left_alone";
        let left = place.number(left).await;
        if left == 0 { Ok(()) } else { Err(format!("{left} facts are in nobody's hand")) }
    })
    .await;
    assert_eq!(place.number("select count(*) from outbox").await, 2);
    place.world.nats().restart().await.unwrap();
    place.until_told(&["before", "during", "after"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_without_a_database_waits_however_often_the_bell_rings() {
    let place = Place::open().await;
    place.world.postgres().kill().await;
    let (bell, _stop) = place.relay();
    let before = metric("livehouse_outbox_failures_total");
    let rings = async {
        loop {
            bell.ring();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let _over = tokio::time::timeout(Duration::from_secs(3), rings).await;
    let failures = metric("livehouse_outbox_failures_total") - before;
    assert!((1.0..40.0).contains(&failures), "{failures} failures in three seconds");
}
