//! More than can be done is refused at once and truthfully, and leaves no mark.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use livehouse_contract::id::BuyerId;
use livehouse_seating::generate;
use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::caller::{Answer, request};
use super::load::{Crowd, Load};
use super::stage::{Setup, Stage};

/// How much more comes than can be done.
const OVERLOAD: u64 = 10;
/// For how long.
const WAVES: u64 = 20;
const WAVE: Duration = Duration::from_millis(100);
/// The gateway's patience with a service that says it is at work.
const PATIENCE_MAX: Duration = Duration::from_secs(10);

/// Nobody is kept waiting for longer: the inventory gives up after two and a half seconds and a batch.
const WAITED_MAX: Duration = Duration::from_secs(6);

/// Seats of the arena, by id.
fn seats() -> Vec<String> {
    let layout = generate::arena();
    let rows = layout.sections.into_iter().flat_map(|section| section.rows);
    rows.flat_map(|row| row.seats).map(|seat| seat.id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn h26_h28_ten_times_the_load_is_shed_as_busy_never_as_taken_and_the_service_stays_well() {
    let stage = Stage::with(Setup { events: 2, in_arena: true, ..Setup::default() }).await;
    // A slow disk, so that one machine can ask for more than the service can do.
    stage
        .execute(
            "create function wait_for_the_disk() returns trigger language plpgsql as $$ \
             begin perform pg_sleep(0.5); return null; end $$; \
             create trigger wait_for_the_disk after insert on hold for each statement execute function wait_for_the_disk()",
        )
        .await;
    // What it can do, measured at the second event by more people than fit into its batches.
    let crowd = Crowd { people: 1_200, released_of_ten: 0, ..Crowd::default() };
    let load = Load::start(&stage, &stage.events[1..], crowd).await;
    let capacity = load.best_rate(u64::MAX, Duration::from_secs(3)).await;
    drop(load.stop().await);
    let seats = seats();
    stage.hold(&seats[..1]).await;

    // Whether the pool starves: the health probe needs a connection every half second.
    let over = CancellationToken::new();
    let watching = over.clone();
    let watch = async {
        let mut looks = 0;
        while !watching.is_cancelled() {
            let (status, body) = stage.replicas[0].get("/readyz").await.unwrap();
            assert_eq!(status, 200, "under load: {body}");
            looks += 1;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        looks
    };
    let flood = async {
        let mut free = seats[1..].iter();
        let mut asking = JoinSet::new();
        let mut waves = tokio::time::interval(WAVE);
        for _ in 0..WAVES {
            waves.tick().await;
            for number in 0..capacity * OVERLOAD / 10 {
                // Every second person wants the one seat that is taken; the others each a free one.
                let wanted = if number % 2 == 0 { Some(&seats[0]) } else { free.next() };
                let Some(seat) = wanted.cloned() else { continue };
                let (caller, subject) = (stage.caller.clone(), format!("call.{}.hold", stage.event_path()));
                let (buyer, is_free) = (BuyerId::generate(), number % 2 == 1);
                asking.spawn(async move {
                    let started = Instant::now();
                    let wish = request(Some(buyer), &json!({"seats": [seat], "key": buyer}));
                    (is_free, caller.ask(subject, wish, PATIENCE_MAX).await, started.elapsed())
                });
            }
        }
        let answers = asking.join_all().await;
        over.cancel();
        answers
    };
    let (looks, answers) = futures::future::join(watch, flood).await;

    let mut times: Vec<Duration> = answers.iter().map(|(_, _, took)| *took).collect();
    times.sort_unstable();
    let mut counts: BTreeMap<(bool, String), u64> = BTreeMap::new();
    for (is_free, answer, _) in answers {
        let what = match answer {
            Answer::Result(_) => "held".to_owned(),
            Answer::Refused(code, _) => code,
            other => format!("{other:?}"),
        };
        *counts.entry((is_free, what)).or_default() += 1;
    }
    println!(
        "capacity {capacity} holds a second; {} wishes in {:?}: (free seat?, answer) {counts:?}; median {:?}, slowest {:?}; {looks} looks at the health",
        times.len(),
        WAVE * WAVES as u32,
        times[times.len() / 2],
        times[times.len() - 1]
    );
    let allowed =
        [(true, "held"), (true, "tickets.busy"), (false, "tickets.seatTaken"), (false, "tickets.busy")];
    let wrong: Vec<_> =
        counts.keys().filter(|(free, what)| !allowed.contains(&(*free, what.as_str()))).collect();
    assert!(wrong.is_empty(), "answers that are not true: {wrong:?} in {counts:?}");
    let shed: u64 =
        counts.iter().filter(|((_, what), _)| what == "tickets.busy").map(|(_, times)| times).sum();
    assert!(shed > 0, "nothing was shed: {counts:?}");
    assert!(times[times.len() - 1] < WAITED_MAX, "somebody waited for {:?}", times[times.len() - 1]);
    assert!(looks >= 5, "the health was looked at {looks} times");

    let started = Instant::now();
    stage.hold(&seats[seats.len() - 1..]).await;
    println!("a hold after the flood took {:?}", started.elapsed());
    assert!(
        started.elapsed() < Duration::from_secs(2),
        "the service has not recovered: {:?}",
        started.elapsed()
    );
    let held = counts.get(&(true, "held".to_owned())).copied().unwrap_or_default();
    let kept = "select count(*) from hold join event on number = hold.event where slug = 'evening-1'";
    assert_eq!(stage.count(kept).await.unsigned_abs(), held + 2, "holds that nobody was told of");
    stage.audit().await;
}
