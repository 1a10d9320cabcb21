//! What everybody sees is what the database has.

use std::time::Duration;

use livehouse_contract::id::{BuyerId, EventId};
use livehouse_testkit::wait_until;
use serde_json::json;

use super::caller::{Answer, request};
use super::hall;
use super::load::{Crowd, Load};
use super::stage::{PATIENCE, Replica, Rules, Setup, Stage};
use super::viewers::{Report, Viewers, differences, gateway};

/// Live resources of an event: 40 sections, 3 areas and an availability.
const RESOURCES: usize = 44;
/// Events that are on sale from the beginning.
const EVENTS: usize = 8;
/// After so long a new owner has made the gateways fetch its resources for the second and last time.
const SECOND_RESET: Duration = Duration::from_secs(5);
/// How long a frozen replica stays frozen after it has lost what it owned.
const FROZEN: Duration = Duration::from_secs(2);
/// How long the gateways may take to catch up.
const CATCH_UP: Duration = Duration::from_secs(15);

/// A sale with three replicas, watched through four gateways. People come and go at three of them while the owner of
/// an event is killed and comes back. Another event goes on sale, people come for it through a gateway that knows
/// nothing yet, and its owner is killed for good.
async fn watched_sale(guards_off: &'static str) -> Report {
    let rules = Rules { hold_seconds: 4, ..Rules::default() };
    let mut stage =
        Stage::with(Setup { replicas: 3, events: EVENTS, guards_off, rules, ..Setup::default() }).await;
    let early = stage.events.clone();
    let gateways = [gateway(&stage, "gateway-1").await, gateway(&stage, "gateway-2").await];
    let crowd = Crowd { people: 24, released_of_ten: 8, pause: Duration::from_millis(5), ordering: 0 };
    let load = Load::start(&stage, &early, crowd).await;
    load.until_running(100).await;
    let mut viewers = Viewers::of(&early);
    for gateway in &gateways {
        viewers.come(gateway, 3).await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let killed = owner_of(&stage, early[0]).await;
    killed.kill().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    killed.again().await;
    let empty = gateway(&stage, "gateway-3").await;
    viewers.come(&empty, 3).await;

    let late = stage.publish(&hall::layout(), "late", rules).await;
    stage.events.push(late);
    stage.until_owned().await;
    let late_load = Load::start(&stage, &[late], Crowd { people: 6, ..crowd }).await;
    late_load.until_running(20).await;
    // Who comes now is not helped by what a new owner makes all gateways fetch again.
    tokio::time::sleep(SECOND_RESET).await;
    let late_gateway = gateway(&stage, "gateway-4").await;
    let mut late_viewers = Viewers::of(&[late]);
    late_viewers.come(&late_gateway, 3).await;
    let (residents, late_residents) = futures::future::join(viewers.stay(), late_viewers.stay()).await;
    owner_of(&stage, late).await.kill().await;
    tokio::time::sleep(Duration::from_secs(4)).await;

    for load in [load, late_load] {
        load.stop().await.are_kept(&stage.pool).await;
    }
    stage.until_all_is_over().await;
    let report = residents.compare(&stage, &early, CATCH_UP).await;
    let report = report.and(late_residents.compare(&stage, &[late], CATCH_UP).await);
    stage.audit().await;
    report
}

/// The replica that owns an event by the database; any if nobody does.
async fn owner_of(stage: &Stage, event: EventId) -> &Replica {
    let connection = stage.pool.get().await.unwrap();
    let key = format!("event.{event}");
    let row = connection.query_opt("select holder from lease where key = $1", &[&key]).await.unwrap();
    let owner: Option<String> = row.and_then(|row| row.get(0));
    stage
        .replicas
        .iter()
        .find(|replica| Some(replica.name()) == owner.as_deref())
        .unwrap_or(&stage.replicas[0])
}

#[tokio::test(flavor = "multi_thread")]
async fn h50_h51_invariants_3_17_18_every_viewer_ends_with_the_database_though_owners_are_killed_in_mid_sale()
{
    let report = watched_sale("").await;
    println!("{} resources compared, {} pushes seen", report.compared, report.changes);
    assert_eq!(report.compared, 9 * EVENTS * RESOURCES + 3 * RESOURCES);
    assert!(report.changes > 2_000, "only {} pushes were seen", report.changes);
    exact(&report).unwrap();
}

/// Did every viewer end with what the database has, and never see anything older than before?
fn exact(report: &Report) -> Result<(), String> {
    let said = [
        (!report.diverged.is_empty()).then(|| {
            format!("{} of {} differ: {:#?}", report.diverged.len(), report.compared, report.diverged)
        }),
        (!report.went_back.is_empty()).then(|| format!("seq went back: {:#?}", report.went_back)),
        (!report.violations.is_empty()).then(|| format!("{:#?}", report.violations)),
    ];
    let said: Vec<String> = said.into_iter().flatten().collect();
    if said.is_empty() { Ok(()) } else { Err(said.join("; ")) }
}

#[tokio::test(flavor = "multi_thread")]
async fn h27_an_owner_that_was_frozen_and_wakes_up_when_another_owns_its_event_shows_nothing_old() {
    let rules = Rules { hold_seconds: 4, ..Rules::default() };
    let stage = Stage::with(Setup { replicas: 2, events: 2, rules, ..Setup::default() }).await;
    let crowd = Crowd { people: 12, released_of_ten: 8, pause: Duration::from_millis(5), ordering: 0 };
    let load = Load::start(&stage, &stage.events, crowd).await;
    load.until_running(50).await;
    let gateway = gateway(&stage, "gateway-1").await;
    let mut viewers = Viewers::of(&stage.events);
    viewers.come(&gateway, 4).await;
    for _ in 0..2 {
        let frozen = owner_of(&stage, stage.event()).await;
        frozen.pause();
        until_another_owns(&stage, frozen).await;
        tokio::time::sleep(FROZEN).await;
        frozen.resume();
        load.until_running(50).await;
    }
    let residents = viewers.stay().await;
    load.stop().await.are_kept(&stage.pool).await;
    stage.until_all_is_over().await;
    let report = residents.compare(&stage, &stage.events, CATCH_UP).await;
    println!("{} resources compared, {} pushes seen", report.compared, report.changes);
    exact(&report).unwrap();
    stage.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h27_h49_what_changed_while_a_frozen_replica_swallowed_the_questions_of_gateways_is_seen_in_the_end()
{
    let stage = Stage::with(Setup { replicas: 2, ..Setup::default() }).await;
    let viewer = stage.browser(None).await;
    for resource in hall::resources(stage.event()) {
        viewer.subscribe(&resource).await.unwrap();
    }
    let frozen = owner_of(&stage, stage.event()).await;
    frozen.pause();
    // Nobody pushes these: the owner is frozen, and the next one reads them when it begins. Only the answers to what
    // gateways ask would show them, and half of these questions go to the frozen one.
    let holds = (0..hall::SECTIONS).map(|section| {
        let buyer = BuyerId::generate();
        let wish = request(Some(buyer), &json!({"seats": [hall::seat(section, 0, 0)], "key": buyer}));
        let (caller, subject) = (&stage.caller, format!("call.{}.hold", stage.event_path()));
        async move {
            let ask = || caller.ask(subject.clone(), wish.clone(), Duration::from_millis(300));
            while !matches!(ask().await, Answer::Result(_)) {}
        }
    });
    futures::future::join_all(holds).await;
    until_another_owns(&stage, frozen).await;
    tokio::time::sleep(SECOND_RESET).await;
    let truth = hall::truth(&stage.pool, stage.event()).await;
    let stale = differences(&viewer, &truth, Duration::from_secs(3)).await.len();
    println!("{stale} resources are stale while a replica is frozen");
    // It never wakes up: whoever watches over it kills it.
    frozen.kill().await;
    let differing = differences(&viewer, &truth, CATCH_UP).await;
    assert!(differing.is_empty(), "{} of {} differ: {differing:#?}", differing.len(), truth.len());
}

/// Waits until another replica owns the first event.
async fn until_another_owns(stage: &Stage, replica: &Replica) {
    wait_until("another owner", PATIENCE, || async {
        let owner = owner_of(stage, stage.event()).await.name().to_owned();
        if owner == replica.name() { Err(format!("{owner} owns the event")) } else { Ok(()) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invariants_17_and_18_are_seen_to_fail_when_every_replica_thinks_that_it_owns_every_event() {
    let report = watched_sale("OneOwner").await;
    let (diverged, went_back) = (report.diverged.len(), report.went_back.len());
    println!(
        "without the owner rule {diverged} of {} differ for good, and {went_back} times seq went back",
        report.compared
    );
    // How many of both differs from run to run, and a later reset may mend what differs; old states are always seen.
    assert!(went_back > 0, "no seq goes back without the owner rule: the test above proves nothing");
    assert!(exact(&report).is_err());
}
