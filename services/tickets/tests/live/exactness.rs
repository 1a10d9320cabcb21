//! What everybody sees is what the database has.

use std::time::Duration;

use livehouse_contract::id::EventId;

use super::load::{Crowd, Load};
use super::stage::{Setup, Stage};
use super::viewers::{Report, Viewers, gateway};

/// 8 events with 40 sections, 3 areas and an availability each.
const RESOURCES: usize = 8 * 44;
/// How long the gateways may take to catch up: the second reset of a new owner comes after four seconds.
const CATCH_UP: Duration = Duration::from_secs(20);

/// A sale with three replicas, of which the owner of the first event is killed in the middle, watched through three
/// gateways by people who come and go all the time.
async fn watched_sale(guards_off: &'static str) -> Report {
    let setup = Setup { replicas: 3, events: 8, guards_off, ..Setup::default() };
    let stage = Stage::with(setup).await;
    let gateways = [gateway(&stage, "gateway-1").await, gateway(&stage, "gateway-2").await];
    let crowd = Crowd { people: 24, released_of_ten: 8, pause: Duration::from_millis(5) };
    let load = Load::start(&stage, crowd).await;
    load.until_running(100).await;
    let viewers = Viewers::start(&gateways.each_ref(), 3, &stage.events).await;
    tokio::time::sleep(Duration::from_secs(3)).await;

    let owner = owner_of(&stage, stage.event()).await;
    let killed = stage.replicas.iter().find(|replica| replica.name() == owner).unwrap_or(&stage.replicas[0]);
    killed.kill().await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    killed.again().await;
    // A gateway whose cache is empty, in the middle of everything.
    let late = gateway(&stage, "gateway-3").await;
    let late_viewers = Viewers::start(&[&late], 3, &stage.events).await;
    tokio::time::sleep(Duration::from_secs(3)).await;

    let late_report = late_viewers.finish(&stage, Duration::from_millis(1), async {}).await;
    let mut report = viewers
        .finish(&stage, CATCH_UP, async {
            let promises = load.stop().await;
            promises.are_kept(&stage.pool).await;
        })
        .await;
    // They left while the sale went on: only what they saw go back counts.
    report.went_back.extend(late_report.went_back);
    report.violations.extend(late_report.violations);
    if guards_off.is_empty() {
        stage.settled().await;
        stage.audit().await;
    }
    report
}

/// The replica that owns an event by the database.
async fn owner_of(stage: &Stage, event: EventId) -> String {
    let connection = stage.pool.get().await.unwrap();
    let key = format!("event.{event}");
    let row = connection.query_opt("select holder from lease where key = $1", &[&key]).await.unwrap();
    row.and_then(|row| row.get(0)).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn h50_h51_invariants_17_18_every_viewer_ends_with_the_database_though_the_owner_is_killed_in_mid_sale() {
    let report = watched_sale("").await;
    println!("{} resources compared, {} pushes seen", report.compared, report.changes);
    assert!(report.compared >= 6 * RESOURCES, "only {} resources were compared", report.compared);
    assert!(report.changes > 2_000, "only {} pushes were seen", report.changes);
    assert!(report.diverged.is_empty(), "{} of {} differ: {:#?}", report.diverged.len(), report.compared, report.diverged);
    assert!(report.went_back.is_empty(), "seq went back: {:#?}", report.went_back);
    assert!(report.violations.is_empty(), "{:#?}", report.violations);
}

#[tokio::test(flavor = "multi_thread")]
async fn invariants_17_18_are_seen_to_fail_when_every_replica_thinks_that_it_owns_every_event() {
    let report = watched_sale("OneOwner").await;
    println!(
        "without the owner rule: {} of {} resources differ for good, {} times a seq went back",
        report.diverged.len(),
        report.compared,
        report.went_back.len()
    );
    assert!(!report.diverged.is_empty(), "nothing diverged without the owner rule: the test above proves nothing");
}
