//! What happened is told, once and completely, whatever breaks in between; what did not happen is never told.

use std::time::Duration;

use livehouse_contract::id::OrderId;
use livehouse_contract::path;
use livehouse_testkit::wait_until;
use serde_json::json;

use super::facts::Told;
use super::hall::{self, seat};
use super::load::{Crowd, Load};
use super::stage::{PATIENCE, Rules, Setup, Stage};

const CROWD: Crowd = Crowd { people: 16, released_of_ten: 4, pause: Duration::ZERO, ordering: 0 };

/// Letters of the seats of the first event, as the database has them.
async fn letters(stage: &Stage) -> String {
    let asked = "select string_agg(state::text, '' order by seat) from seat join event on number = event where id = $1";
    let connection = stage.pool.get().await.unwrap();
    connection.query_one(asked, &[&stage.event().as_uuid()]).await.unwrap().get(0)
}

/// Keeps the relay from telling: at once, or only when it has told already and is about to note that.
async fn hold_back(stage: &Stage, when_told: bool) {
    let when = if when_told { "deferrable initially deferred" } else { "not deferrable" };
    stage
        .execute(&format!(
            "create or replace function hold_back() returns trigger language plpgsql as $$ \
             begin raise exception 'held back by a test' using errcode = 'serialization_failure'; end $$; \
             create constraint trigger hold_back after delete on outbox {when} for each row execute function hold_back()"
        ))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h29_a_service_killed_between_a_commit_and_its_telling_has_told_everything_once_it_is_back() {
    let stage =
        Stage::with(Setup { rules: Rules { hold_seconds: 10, ..Rules::default() }, ..Setup::default() })
            .await;
    let load = Load::start(&stage, &stage.events, CROWD).await;
    for when_told in [false, true] {
        hold_back(&stage, when_told).await;
        load.until_running(50).await;
        stage.replicas[0].kill().await;
        let untold = stage.count("select count(*) from outbox").await;
        assert!(untold > 0, "nothing lay in the outbox when the service was killed");
        println!("{untold} facts lay in the outbox when the service was killed");
        stage.execute("drop trigger hold_back on outbox").await;
        stage.replicas[0].again().await;
    }
    // Killed while it is telling: the broker is gone with whatever it was told last, and holds run out meanwhile.
    let active = "select count(*) from hold where state = 'a'";
    wait_until("holds enough to run out", PATIENCE, || async {
        let now = stage.count(active).await;
        // Of these at most as many are let go as there are people, and a few run out before.
        if now >= 50 + 2 * CROWD.people as i64 { Ok(()) } else { Err(format!("{now} are active")) }
    })
    .await;
    stage.world.nats().kill().await;
    let ended = stage.count("select count(*) from hold where state = 'x'").await;
    wait_until("ended holds that cannot be told", PATIENCE, || async {
        let now = stage.count("select count(*) from hold where state = 'x'").await;
        if now >= ended + 50 { Ok(()) } else { Err(format!("{} have ended", now - ended)) }
    })
    .await;
    stage.replicas[0].kill().await;
    stage.world.nats().restart().await.unwrap();
    stage.replicas[0].again().await;
    load.until_running(50).await;
    let promises = load.stop().await;
    promises.are_kept(&stage.pool).await;
    stage.until_all_is_over().await;
    let told = Told::read(&stage.client).await;
    told.fits_the_database(&stage).await;
    assert_eq!(told.repeated, 0, "a fact that was told before the kill is in the stream again");
    stage.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h35_a_version_rises_if_and_only_if_a_fact_was_told_and_facts_alone_rebuild_the_seats() {
    let stage = Stage::with(Setup { replicas: 2, ..Setup::default() }).await;
    let load = Load::start(&stage, &stage.events, CROWD).await;
    wait_until("a hundred holds", PATIENCE, || async {
        if load.held() >= 100 { Ok(()) } else { Err(format!("{} are held", load.held())) }
    })
    .await;
    let promises = load.stop().await;
    // Every other way of changing a hold: extended, replaced by another wish, bound to an order and sold.
    let kept = promises.held.iter().filter(|(hold, _)| !promises.released.contains(hold));
    for (position, (hold, buyer)) in kept.take(30).enumerate() {
        let caller = &stage.caller;
        let order = OrderId::generate();
        match position % 3 {
            0 => drop(caller.insist(&path::hold(*hold), "extend", Some(*buyer), json!({})).await),
            1 => {
                let wish = json!({"seats": [seat(position, 0, 0)], "key": format!("again {position}"), "replaces": hold});
                let _taken_or_not = caller.insist(&stage.event_path(), "hold", Some(*buyer), wish).await;
            }
            _ => {
                stage.claim(order, *hold, *buyer).await;
                stage.tell_paid(order, *hold, *buyer).await;
            }
        }
    }
    wait_until("ten sold holds", PATIENCE, || async {
        let sold = stage.count("select count(*) from hold where state = 's'").await;
        if sold == 10 { Ok(()) } else { Err(format!("{sold} are sold")) }
    })
    .await;
    stage.settled().await;
    let told = Told::read(&stage.client).await;
    told.fits_the_database(&stage).await;
    assert_eq!(told.repeated, 0, "facts are in the stream more than once");
    assert_eq!(
        told.rebuilt_letters(stage.event()),
        letters(&stage).await,
        "invariant 23: facts do not rebuild the seats"
    );
    stage.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h30_what_is_rolled_back_is_never_told() {
    let stage = Stage::open().await;
    // Every second batch fails after its facts were written, at its commit.
    stage
        .execute(
            "create function fail_sometimes() returns trigger language plpgsql as $$ \
             begin if random() < 0.5 then raise exception 'not this time' using errcode = 'serialization_failure'; end if; \
             return null; end $$; \
             create constraint trigger fail_sometimes after insert on hold deferrable initially deferred \
             for each row execute function fail_sometimes()",
        )
        .await;
    let load = Load::start(&stage, &stage.events, Crowd { people: 4, ..CROWD }).await;
    wait_until("a hundred holds", PATIENCE, || async {
        if load.held() >= 100 { Ok(()) } else { Err(format!("{} are held", load.held())) }
    })
    .await;
    let promises = load.stop().await;
    promises.are_kept(&stage.pool).await;
    let failures = stage.replicas[0].get("/metrics").await.unwrap().1;
    let failed =
        failures.lines().find_map(|line| line.strip_prefix("livehouse_inventory_batch_failures_total "));
    assert!(
        failed.is_some_and(|number| number.trim() != "0"),
        "no batch was rolled back: nothing was tested\n{failures}"
    );
    stage.settled().await;
    Told::read(&stage.client).await.fits_the_database(&stage).await;
    stage.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h31_without_a_broker_facts_wait_in_the_outbox_and_leave_when_it_is_back() {
    let stage =
        Stage::with(Setup { rules: Rules { hold_seconds: 2, ..Rules::default() }, ..Setup::default() }).await;
    for section in 0..20 {
        stage.hold(&[seat(section, 0, 0)]).await;
    }
    stage.until_all_is_told().await;
    stage.world.nats().kill().await;
    // The holds run out meanwhile: the service clears them away without its broker, and remembers what to tell.
    wait_until("twenty ended holds", PATIENCE, || async {
        let ended = stage.count("select count(*) from hold where state = 'x'").await;
        if ended == 20 { Ok(()) } else { Err(format!("{ended} have ended")) }
    })
    .await;
    assert!(stage.count("select count(*) from outbox").await > 0, "nothing waits though the broker is away");
    let (status, body) = stage.replicas[0].get("/readyz").await.unwrap();
    assert_eq!(status, 503, "a service without its broker says that it is ready: {body}");
    stage.world.nats().restart().await.unwrap();
    stage.settled().await;
    stage.replicas[0].until_ready(PATIENCE).await.unwrap();
    let told = wait_until("a stream that can be read", PATIENCE, || async {
        Ok::<_, String>(Told::read(&stage.client).await)
    })
    .await;
    told.fits_the_database(&stage).await;
    assert_eq!(told.rebuilt_letters(stage.event()), "f".repeat(hall::SECTIONS * hall::ROWS * hall::SEATS));
    stage.audit().await;
}
