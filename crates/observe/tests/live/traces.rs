//! One trace from the arrival of a call to the last consumer.

use livehouse_testkit::wait_until;

use super::observatory::{PATIENCE, Seen};
use super::sale::Sale;

/// A span of this service and name for which `wanted` holds.
fn find(spans: &[Seen], service: &str, name: &str, wanted: impl Fn(&Seen) -> bool) -> Result<Seen, String> {
    let named = |seen: &&Seen| seen.service == service && seen.span.name == name;
    spans.iter().filter(named).find(|seen| wanted(seen)).cloned().ok_or_else(|| {
        let all: Vec<String> =
            spans.iter().map(|seen| format!("{} {}", seen.service, seen.span.name)).collect();
        format!("no span '{name}' of {service} as it is looked for, among {all:?}")
    })
}

/// Is `seen` below `ancestor` in its trace, with nothing but spans of the same service in between?
fn is_below(spans: &[Seen], seen: &Seen, ancestor: &Seen) -> bool {
    if seen.is_child_of(ancestor) {
        return true;
    }
    let parent = spans.iter().find(|parent| parent.service == seen.service && seen.is_child_of(parent));
    parent.is_some_and(|parent| is_below(spans, parent, ancestor))
}

/// Follows an order through both services, each step caused by the one before it.
fn follow(spans: &[Seen]) -> Result<Vec<Seen>, String> {
    let fact =
        |seen: &Seen, name: &str| seen.attribute("messaging.destination.name").as_deref() == Some(name);
    let below = |ancestor: &Seen, service: &str, name: &str, subject: Option<&str>| {
        find(spans, service, name, |seen| {
            is_below(spans, seen, ancestor) && subject.is_none_or(|subject| fact(seen, subject))
        })
    };
    let call = find(spans, "orders", "call new", |seen| seen.span.parent_span_id.is_empty())?;
    let asked = below(&call, "orders", "claim", None)?;
    let claimed = below(&asked, "tickets", "claim", None)?;
    let batch = below(&claimed, "tickets", "batch", None)?;
    let paid = below(&call, "orders", "publish", Some("fact.orders.order_paid.v1"))?;
    let taken = below(&paid, "tickets", "process", Some("fact.orders.order_paid.v1"))?;
    let sold = below(&taken, "tickets", "batch", None)?;
    let told = below(&sold, "tickets", "publish", Some("fact.tickets.holds_sold.v1"))?;
    let arrived = below(&told, "orders", "process", Some("fact.tickets.holds_sold.v1"))?;
    Ok(vec![call, asked, claimed, batch, paid, taken, sold, told, arrived])
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the collector, Loki and Prometheus, whose first build takes some minutes: see src/lib.rs"]
async fn one_trace_runs_from_a_call_through_batch_outbox_and_stream_to_the_last_consumer() {
    let sale = Sale::open().await;
    sale.buy(0).await;
    let trace =
        wait_until("the trace of an order", PATIENCE, || async { follow(&sale.observatory.spans()) }).await;
    assert!(trace.iter().all(|seen| seen.trace() == trace[0].trace()));
    assert_eq!(trace[0].attribute("res.resource").as_deref(), Some("orders"));

    wait_until("the trace of a hold", PATIENCE, || async {
        let spans = sale.observatory.spans();
        let call = find(&spans, "tickets", "call hold", |seen| seen.span.parent_span_id.is_empty())?;
        let batch = find(&spans, "tickets", "batch", |seen| is_below(&spans, seen, &call))?;
        find(&spans, "tickets", "publish", |seen| is_below(&spans, seen, &batch))
    })
    .await;
}
