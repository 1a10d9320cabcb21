//! `expiry`: 10,000 two-seat holds that run out within one second; when is the last of them seen as free?

use std::time::{Duration, Instant};

use livehouse_testkit::ResClient;

use crate::caller::Caller;
use crate::holds::{Pairs, load};
use crate::report::{Report, Row};
use crate::theatre::{Programme, Theatre, call_payload, hold_params};

const HOLDS: usize = 10_000;
/// Long enough to place them all before the first runs out.
const HOLD_SECONDS: i32 = 15;

/// Runs the measurement.
pub(crate) async fn measure(replicas: u8) -> anyhow::Result<Report> {
    let programme =
        Programme { events: 1, seats: 40_000, hold_seconds: HOLD_SECONDS, gateway: true, replicas };
    let theatre = Theatre::open(&programme).await?;
    let caller = Caller::new(theatre.client().await?).await?;
    let availability = format!("tickets.event.{}.availability", theatre.events[0]);
    let viewer = ResClient::connect(&theatre.world.resgate().live_url()).await?;
    viewer.subscribe(&availability).await.map_err(|error| anyhow::anyhow!("{error:?}"))?;
    place(&theatre, &caller).await?;
    // Whatever the load took: all of them run out within the same second.
    let together = "update hold set created_at = created_at - interval '1 hour', \
        expires_at = clock_timestamp() + interval '2 seconds' + random() * interval '1 second'";
    let connection = theatre.pool.get().await?;
    connection.batch_execute(together).await?;
    let seconds: f64 = connection
        .query_one("select extract(epoch from max(expires_at) - clock_timestamp())::float8 from hold where state = 'a'", &[])
        .await?
        .get(0);
    let last = Instant::now() + Duration::from_secs_f64(seconds);
    viewer
        .wait_for_model(&availability, "every seat to be free again", Duration::from_secs(60), |model| {
            model.get("free") == model.get("total")
        })
        .await;
    let late = Instant::now().saturating_duration_since(last);
    let early: i64 = connection
        .query_one("select count(*) from hold where state = 'x' and expires_at > clock_timestamp()", &[])
        .await?
        .get(0);
    anyhow::ensure!(early == 0, "{early} holds ended before their expiry");
    let violations = theatre.audit().await?;
    let rows = vec![
        Row::value("holds that ran out within one second", HOLDS as f64, "holds"),
        Row::value("last expiry -> last seat seen as free", late.as_secs_f64() * 1_000.0, "ms"),
    ];
    Ok(Report { name: "expiry", rows, violations })
}

async fn place(theatre: &Theatre, caller: &Caller) -> anyhow::Result<()> {
    let pairs = std::sync::Arc::new(Pairs::of(theatre));
    let caller = caller.clone();
    let (held, _) = load(128, Duration::from_secs(8), move |number| {
        let (caller, pairs) = (caller.clone(), pairs.clone());
        async move {
            if number >= HOLDS {
                return Ok(false);
            }
            let Some((subject, seats)) = pairs.pair(number) else { return Ok(false) };
            let answer = caller.ask(subject, call_payload(&hold_params(&seats))).await?;
            anyhow::ensure!(answer.starts_with(b"{\"result\""), "a hold was refused: {answer:?}");
            Ok(true)
        }
    })
    .await?;
    anyhow::ensure!(
        held.count() as usize == HOLDS,
        "only {} of {HOLDS} holds were placed in time",
        held.count()
    );
    Ok(())
}
