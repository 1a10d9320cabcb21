//! Handlers that take longer than a gateway waits, beside others that do not.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{Client, Failure};
use crate::gateway::Gateway;
use crate::nats::Broker;
use crate::process::Replica;
use crate::service::Configuration;

/// Longer than the 3 s that a gateway waits, and shorter than a handler may take.
const SLOW: u64 = 4000;
const TOO_SLOW: u64 = 60_000;
const HANDLER_TIME_MAX: Duration = Duration::from_secs(5);
/// What others may have to wait meanwhile, on a busy machine.
const QUICK: Duration = Duration::from_secs(1);

type Timed = (Result<Value, Failure>, Duration);

async fn timed(request: impl Future<Output = Result<Value, Failure>>) -> Timed {
    let began = Instant::now();
    (request.await, began.elapsed())
}

/// Gets and calls of other resources, one after another until `enough` is through; gives how many and the slowest.
async fn others(client: &Client, enough: &(impl Fn() -> bool + Sync)) -> (u64, Duration) {
    let (mut number, mut slowest) = (0, Duration::ZERO);
    while !enough() {
        number += 1;
        let name = format!("endurance.item.{number}");
        let (got, get) = timed(client.get(&name)).await;
        assert_eq!(got.unwrap()["number"], number);
        let (set, call) = timed(client.call(&format!("{name}.set"), json!({"value": number}))).await;
        assert_eq!(set.unwrap(), number);
        slowest = slowest.max(get).max(call);
    }
    (number, slowest)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_handler_is_waited_for_and_one_that_hangs_fails_while_others_are_served() {
    let nats = Broker::start().await;
    let configuration =
        Configuration { handler_time_max: HANDLER_TIME_MAX, ..Configuration::new(nats.url()) };
    let mut replica = Replica::start(&configuration).await;
    let gateway = Gateway::start(&nats.url(), &[]).await;
    let [slow, quick] = [(); 2].map(|()| Client::start(gateway.address(), Vec::new()));

    let (slow_name, too_slow_name) = (format!("endurance.slow.{SLOW}"), format!("endurance.slow.{TOO_SLOW}"));
    // Of other resources: a call waits for the gets of its own.
    let call_of = |milliseconds: u64| format!("endurance.slow.{}.wait", milliseconds + 1);
    let (slow_call, too_slow_call) = (call_of(SLOW), call_of(TOO_SLOW));
    let done = std::sync::atomic::AtomicBool::new(false);
    let slow_ones = async {
        let all = tokio::join!(
            timed(slow.get(&slow_name)),
            timed(slow.call(&slow_call, Value::Null)),
            timed(slow.get(&too_slow_name)),
            timed(slow.call(&too_slow_call, Value::Null)),
        );
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        all
    };
    let enough = || done.load(std::sync::atomic::Ordering::Relaxed);
    let ((get, call, too_slow_get, too_slow_call), (served, slowest)) =
        tokio::join!(slow_ones, others(&quick, &enough));
    let statistics = replica.statistics().await;
    eprintln!(
        "slow: a get and a call of {SLOW} ms answered after {:?} and {:?}, those that hang given up after {:?} and \
         {:?}; meanwhile {served} gets and calls each, the slowest {slowest:?}; {} pre-responses",
        get.1, call.1, too_slow_get.1, too_slow_call.1, statistics["pre_responses"],
    );

    assert_eq!(get.0, Ok(json!({"took": SLOW})));
    assert_eq!(call.0, Ok(json!(SLOW + 1)));
    for (outcome, took) in [&too_slow_get, &too_slow_call] {
        let internal =
            matches!(outcome, Err(Failure::Refused { code, .. }) if code == "system.internalError");
        assert!(internal, "{outcome:?}");
        assert!(*took >= HANDLER_TIME_MAX && *took < HANDLER_TIME_MAX + QUICK, "{took:?}");
    }
    assert!(served > 10 && slowest < QUICK, "others are not held up: {served}, {slowest:?}");
    assert!(statistics["pre_responses"] >= 4, "{statistics:?}");
    assert_eq!(statistics["handler_timeouts"], 2);
}
