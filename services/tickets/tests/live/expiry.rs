//! What runs out is free again: seen by everybody within a second, and at once by who wants it.

use std::time::{Duration, Instant};

use futures::StreamExt;
use livehouse_contract::id::BuyerId;
use livehouse_contract::path;
use livehouse_testkit::{Stopwatch, wait_until};
use serde_json::json;

use super::hall::{self, seat, seat_at};
use super::stage::{PATIENCE, Rules, Setup, Stage};

/// Holds that run out in the same second.
const HOLDS: usize = 2_000;
/// Invariant 20.
const FREE_WITHIN: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn h14_invariant_20_two_thousand_holds_that_run_out_together_are_seen_as_free_within_a_second() {
    let mut stage = Stage::with(Setup { replicas: 2, events: 3, ..Setup::default() }).await;
    let seats = hall::SECTIONS * hall::ROWS * hall::SEATS;
    let wishes = (0..HOLDS).map(|number| {
        let (event, seat) = (stage.events[number / seats], seat_at(number % seats));
        let buyer = BuyerId::generate();
        let caller = stage.caller.clone();
        async move {
            let wish = json!({"seats": [seat], "key": buyer});
            caller.insist(&path::event(event), "hold", Some(buyer), wish).await.result()
        }
    });
    let held = futures::stream::iter(wishes).buffer_unordered(100).count().await;
    assert_eq!(held, HOLDS);
    let viewer = stage.browser(None).await;
    for resource in stage.events.iter().flat_map(|event| hall::resources(*event)) {
        viewer.subscribe(&resource).await.unwrap();
    }
    let free = |event| {
        let model = viewer.model(&path::availability(event));
        model.and_then(|model| model["free"].as_i64()).unwrap_or_default()
    };
    let all: i64 = (seats + hall::AREAS * hall::CAPACITY as usize) as i64;
    wait_until("a viewer who sees every hold", PATIENCE, || async {
        let seen: i64 = stage.events.iter().map(|event| all - free(*event)).sum();
        if seen == HOLDS as i64 { Ok(()) } else { Err(format!("{seen} seats are held")) }
    })
    .await;

    // By the database's clock, like every expiry: all holds run out at one moment, a little later.
    stage.execute("update hold set expires_at = clock_timestamp() + interval '1500 milliseconds'").await;
    let delay = stage
        .count("select (extract(epoch from max(expires_at) - clock_timestamp()) * 1000)::bigint from hold")
        .await;
    let expiry = Instant::now() + Duration::from_millis(delay.unsigned_abs());
    let watch = Stopwatch::start_at(expiry);
    tokio::time::sleep_until(expiry.into()).await;
    wait_until("a viewer who sees every seat free", PATIENCE, || async {
        let seats_free = |event: &livehouse_contract::id::EventId| {
            (0..hall::SECTIONS).all(|section| {
                let model = viewer.model(&path::section(*event, &format!("s{section}"))).unwrap_or_default();
                (0..hall::ROWS).all(|row| model[&format!("row:s{section}-{row}")] == "f".repeat(hall::SEATS))
            })
        };
        let done = stage.events.iter().all(|event| free(*event) == all && seats_free(event));
        if done {
            Ok(())
        } else {
            Err(format!(
                "{:?} of {all} are free",
                stage.events.iter().map(|event| free(*event)).collect::<Vec<_>>()
            ))
        }
    })
    .await;
    let took = watch.stop();
    println!("{HOLDS} holds were seen as free after they ran out: {took:?}");
    assert!(took.ran <= FREE_WITHIN, "until a viewer saw {HOLDS} seats as free: {took:?}");
    stage.settled().await;
    stage.audit().await;
    stage.replicas.clear();
}

#[tokio::test(flavor = "multi_thread")]
async fn h14_invariant_20_what_has_run_out_can_be_held_at_once_though_nobody_clears_it_away() {
    let rules = Rules { hold_seconds: 1, ..Rules::default() };
    let mut stage = Stage::without_replicas(&Setup { rules, ..Setup::default() }).await;
    // The sweep orders what it finds by a hash; with this one it finds nothing, again and again.
    stage
        .execute(
            "create function public.hashtextextended(text, bigint) returns bigint language plpgsql as $$ \
             begin raise exception 'the sweep is switched off by a test'; end $$; \
             do $$ begin execute format('alter database %I set search_path = public, pg_catalog', current_database()); end $$",
        )
        .await;
    let replica = stage.replica("tickets-1", "").await;
    replica.until_ready(PATIENCE).await.unwrap();
    stage.replicas.push(replica);
    let (first, _) = stage.hold(&[seat(0, 0, 0), seat(0, 0, 1)]).await;
    let (left_alone, _) = stage.hold(&[seat(1, 0, 0)]).await;
    wait_until("two holds whose time is over", PATIENCE, || async {
        let left = stage.count("select count(*) from hold where expires_at > clock_timestamp()").await;
        if left == 0 { Ok(()) } else { Err(format!("{left} still have time")) }
    })
    .await;
    let started = Instant::now();
    let (second, _) = stage.hold(&[seat(0, 0, 1), seat(0, 0, 2)]).await;
    println!("a seat that had run out was held again after {:?}", started.elapsed());
    assert_ne!(first, second);
    let state = |hold: livehouse_contract::id::HoldId| {
        format!("select count(*) from hold where id = '{}' and state = 'a'", hold.as_uuid())
    };
    assert_eq!(stage.count(&state(first)).await, 0, "the first hold is still active");
    assert_eq!(
        stage.count(&state(left_alone)).await,
        1,
        "the sweep was not switched off: nothing was tested"
    );
    assert_eq!(stage.violated().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn h14_holds_run_out_though_every_service_and_keydb_were_away_and_keydb_forgot_everything() {
    let rules = Rules { hold_seconds: 2, ..Rules::default() };
    let stage = Stage::with(Setup { replicas: 2, rules, ..Setup::default() }).await;
    for section in 0..20 {
        stage.hold(&[seat(section, 0, 0)]).await;
    }
    for replica in &stage.replicas {
        replica.kill().await;
    }
    stage.world.keydb().kill().await;
    std::fs::remove_dir_all(stage.world.keydb().folder().join("data")).unwrap();
    std::fs::create_dir(stage.world.keydb().folder().join("data")).unwrap();
    wait_until("the end of every hold's time", PATIENCE, || async {
        let left = stage.count("select count(*) from hold where expires_at > clock_timestamp()").await;
        if left == 0 { Ok(()) } else { Err(format!("{left} are active")) }
    })
    .await;
    assert_eq!(
        stage.count("select count(*) from hold where state = 'a'").await,
        20,
        "somebody cleared holds away"
    );
    stage.world.keydb().restart().await.unwrap();
    let started = Instant::now();
    for replica in &stage.replicas {
        replica.again().await;
    }
    stage.until_all_is_over().await;
    println!("all holds were cleared away {:?} after the restart", started.elapsed());
    stage.audit().await;
}
