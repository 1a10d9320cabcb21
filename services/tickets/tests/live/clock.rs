//! Clocks of service hosts may be wrong: only the database's decides.

use std::path::Path;

use livehouse_contract::id::{BuyerId, HoldId};
use livehouse_contract::path;
use livehouse_testkit::wait_until;
use serde_json::json;

use super::hall::seat;
use super::stage::{PATIENCE, Replica, Rules, Setup, Stage};

/// Where Debian, Fedora and Arch keep the library that gives one process another time.
const LIBRARIES: [&str; 4] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib64/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
];

/// How a sale goes whose service host's clock is off by this: `+5m`.
async fn a_sale_with_a_clock(library: &str, off_by: &str) {
    let rules = Rules { hold_seconds: 2, ..Rules::default() };
    let mut stage = Stage::without_replicas(&Setup { rules, ..Setup::default() }).await;
    let service = stage.world.service("livehouse-tickets").environment("LD_PRELOAD", library);
    let service = service.environment("FAKETIME", off_by).environment("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    stage.replicas.push(Replica::Shipped(service.start().await.unwrap()));
    stage.until_owned().await;
    let (expiring, owner) = stage.hold(&[seat(0, 0, 0)]).await;
    let log = std::fs::read_to_string(stage.replicas[0].log()).unwrap();
    let first: serde_json::Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    println!("with {off_by} the service's first line is of {}", first["timestamp"]);

    // It is as long as it should be: two seconds by the database.
    let connection = stage.pool.get().await.unwrap();
    let asked = "select (extract(epoch from expires_at - created_at) * 1000)::bigint, \
                 abs(extract(epoch from clock_timestamp() - created_at)) < 2 from hold where id = $1";
    let row = connection.query_one(asked, &[&expiring.as_uuid()]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 2_000);
    assert!(row.get::<_, bool>(1), "the hold was not placed now by the database's clock");
    // It can be let go while it is active, and not after.
    let (released, buyer) = stage.hold(&[seat(1, 0, 0)]).await;
    let release = async |hold: HoldId, buyer: BuyerId| {
        stage.caller.insist(&path::hold(hold), "release", Some(buyer), json!({})).await
    };
    assert_eq!(release(released, buyer).await.result(), json!({}));
    let state = format!("select count(*) from hold where id = '{}' and state = 'x'", expiring.as_uuid());
    let early = format!(
        "select count(*) from hold where id = '{}' and state = 'x' and expires_at > clock_timestamp()",
        expiring.as_uuid()
    );
    wait_until("the end of the hold", PATIENCE, || async {
        assert_eq!(stage.count(&early).await, 0, "invariant 7: a hold ended before its time");
        if stage.count(&state).await == 1 { Ok(()) } else { Err("it is active".to_owned()) }
    })
    .await;
    assert_eq!(release(expiring, owner).await.code(), "tickets.holdNotActive");
    let over = "select count(*) from hold where expires_at < clock_timestamp() - interval '3 seconds' and state = 'a'";
    assert_eq!(stage.count(over).await, 0);
    stage.settled().await;
    stage.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h15_invariant_22_a_service_whose_clock_is_five_minutes_wrong_changes_nothing_about_which_holds_are_valid()
 {
    let Some(library) = LIBRARIES.iter().find(|library| Path::new(library).exists()) else {
        let missing =
            "libfaketime is not here: install it (Debian: apt-get install libfaketime) to test wrong clocks";
        assert!(std::env::var_os("CI").is_none(), "{missing}");
        println!("{missing}");
        return;
    };
    for off_by in ["+5m", "-5m"] {
        a_sale_with_a_clock(library, off_by).await;
    }
}
