//! Negative controls (invariant 24): the audit that is clean after every other test reports a violation as soon as the
//! guard behind it is switched off. And no guard stands alone: without the service's own, the database still refuses.

use livehouse_contract::id::{BuyerId, OrderId};
use livehouse_contract::path;
use livehouse_testkit::wait_until;
use serde_json::json;

use super::hall::seat;
use super::stage::{PATIENCE, Rules, Setup, Stage};

async fn without(guards_off: &'static str) -> Stage {
    Stage::with(Setup { guards_off, ..Setup::default() }).await
}

/// Wishes for seats as a new buyer; answers whether they were held.
async fn is_held(stage: &Stage, seats: &[String]) -> bool {
    let buyer = BuyerId::generate();
    let wish = json!({"seats": seats, "key": buyer});
    matches!(
        stage.caller.call(&stage.event_path(), "hold", Some(buyer), wish).await,
        super::caller::Answer::Result(_)
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_1_is_seen_to_fail_when_a_taken_seat_is_taken_again() {
    let stage = without("SeatsAreLookedAt,OnlyFreeSeatsAreTaken").await;
    stage.hold(&[seat(0, 0, 0)]).await;
    assert!(!is_held(&stage, &[seat(0, 0, 0)]).await, "the database lets a held seat be taken");
    assert_eq!(stage.violated().await, Vec::<String>::new());
    stage.execute("alter table seat disable trigger seat_never_taken_twice").await;
    assert!(is_held(&stage, &[seat(0, 0, 0)]).await, "with all guards off the seat is still not taken again");
    let violated = stage.violated().await;
    assert!(violated.contains(&"one_claim_per_seat".to_owned()), "the audit reports {violated:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_4_is_seen_to_fail_when_a_hold_may_be_placed_in_part() {
    let stage = without("SeatsAreLookedAt").await;
    stage.hold(&[seat(0, 0, 0)]).await;
    assert!(
        !is_held(&stage, &[seat(0, 0, 0), seat(0, 0, 1)]).await,
        "the database lets a part of a hold be placed"
    );
    assert_eq!(stage.violated().await, Vec::<String>::new());
    let expect_nothing = "create or replace function expect_rows(touched bigint, expected bigint, what text) returns bigint \
                          language sql as 'select touched'";
    stage.execute(expect_nothing).await;
    assert!(
        is_held(&stage, &[seat(0, 0, 0), seat(0, 0, 1)]).await,
        "with all guards off the hold is still not placed in part"
    );
    let violated = stage.violated().await;
    assert!(violated.contains(&"holds_are_whole".to_owned()), "the audit reports {violated:?}");
}

/// Two units are held, bound to an order, and paid for twice.
async fn paid_twice(stage: &Stage) {
    let hold = async |units: u32| {
        let buyer = BuyerId::generate();
        let wish = json!({"areas": [{"area": "a0", "quantity": units}], "key": buyer});
        let held = stage.caller.insist(&stage.event_path(), "hold", Some(buyer), wish).await.result();
        (held["hold"].as_str().unwrap().parse().unwrap(), buyer)
    };
    // Others hold units of the area too, so that no counter falls below zero.
    hold(10).await;
    let ((paid, buyer), order) = (hold(2).await, OrderId::generate());
    stage.claim(order, paid, buyer).await;
    for times in 1..=2 {
        stage.tell_paid(order, paid, buyer).await;
        wait_until("a fact that was taken note of", PATIENCE, || async {
            let metrics = stage.replicas[0].get("/metrics").await?.1;
            let handled = metrics.lines().find(|line| {
                line.starts_with("livehouse_facts_handled_total") && line.contains("order_paid")
            });
            let handled = handled.and_then(|line| line.rsplit(' ').next()).unwrap_or("0").to_owned();
            if handled == times.to_string() {
                Ok(())
            } else {
                Err(format!("{handled} of {times} facts were handled"))
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_6_h33_an_order_paid_twice_is_one_sale_and_is_seen_to_fail_when_a_hold_may_be_sold_again() {
    let stage = Stage::open().await;
    paid_twice(&stage).await;
    assert_eq!(stage.count("select count(*) from ticket").await, 2);
    stage.audit().await;
    drop(stage);
    let stage = without("HoldsAreSoldOnce").await;
    paid_twice(&stage).await;
    assert_eq!(
        stage.count("select count(*) from ticket").await,
        4,
        "with the guard off the hold is still sold once"
    );
    let violated = stage.violated().await;
    for expected in ["tickets_come_from_sold_holds", "area_counters"] {
        assert!(violated.contains(&expected.to_owned()), "the audit reports {violated:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_10_is_seen_to_fail_when_nobody_counts_what_a_buyer_has() {
    let rules = Rules { seats_per_hold_max: 5, seats_per_buyer_max: 5, ..Rules::default() };
    let stage = Stage::with(Setup { guards_off: "BuyersHaveALimit", rules, ..Setup::default() }).await;
    let buyer = Some(BuyerId::generate());
    let wish = async |section: usize| {
        let seats: Vec<String> = (0..5).map(|place| seat(section, 0, place)).collect();
        let params = json!({"seats": seats, "key": section.to_string()});
        stage.caller.call(&path::event(stage.event()), "hold", buyer, params).await
    };
    wish(0).await.result();
    assert_eq!(
        wish(1).await.code(),
        "system.internalError",
        "the database lets a buyer have more than the limit"
    );
    assert_eq!(stage.violated().await, Vec::<String>::new());
    stage.execute("alter table allowance drop constraint allowance_not_exceeded").await;
    wish(1).await.result();
    let violated = stage.violated().await;
    assert!(violated.contains(&"allowances".to_owned()), "the audit reports {violated:?}");
}
