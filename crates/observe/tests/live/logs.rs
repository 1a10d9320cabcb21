//! Lines found by the id of their trace, on both ways to Loki; and metrics, compared with their catalogue.

use std::collections::BTreeSet;

use livehouse_contract::metric::{ALL, Kind};
use livehouse_testkit::wait_until;

use super::observatory::PATIENCE;
use super::sale::Sale;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the collector, Loki and Prometheus, whose first build takes some minutes: see src/lib.rs"]
async fn a_line_is_found_in_loki_by_the_id_of_its_trace_and_the_trace_by_the_line() {
    let sale = Sale::open().await;
    sale.poison(TRACE).await;
    let needle = "a fact became a dead letter";
    let found = async |query: &str| {
        wait_until(query, PATIENCE, || async {
            let lines = sale.observatory.lines(query).await?;
            lines.iter().find(|(_, line)| line.contains(needle)).cloned().ok_or(format!("{lines:?}"))
        })
        .await
    };
    // What the service sent itself. The same words as in Grafana's data source: a trace leads to its lines.
    let by_trace = format!(r#"{{service_name="orders"}} |= "{TRACE}""#);
    let (labels, line) = found(&by_trace).await;
    assert!(line.contains(&format!(r#""trace_id":"{TRACE}""#)), "a line leads to its trace: {line}");
    assert_eq!(labels["level"], "error");

    // What it wrote on its standard output, read by the agent of the node.
    let standard_output = sale.orders.log();
    assert!(
        standard_output.lines().any(|line| line.contains(needle) && line.contains(TRACE)),
        "the line is not on standard output"
    );
    sale.observatory.contain("0123456789abcdef", "app_orders.1.x", &standard_output);
    let (labels, _) = found(&format!(
        r#"{{service_name="orders", service_namespace="app"}} | trace_id="{TRACE}" | severity_text=~"(?i)error""#
    ))
    .await;
    assert_eq!(labels["trace_id"], TRACE);
    assert_eq!(labels["host_name"], "here");

    // Loki evaluates the project's rules about lines, and what nobody but a line tells of is heard.
    let began_anew = "livehouse-postgres: the log does not go on where the archive ends: it begins anew";
    sale.observatory.contain("fedcba9876543210", "data_postgres-archive.1.x", began_anew);
    // It looks once a minute.
    wait_until("rules about lines", PATIENCE * 2, || async {
        let rules = sale.observatory.rules_about_lines().await?;
        let evaluated = rules.iter().filter(|rule| rule["health"] == "ok").count();
        let is_told =
            |rule: &serde_json::Value| rule["name"] == "ArchiveBeganAnew" && rule["state"] == "firing";
        if evaluated == 3 && rules.iter().any(is_told) { Ok(()) } else { Err(format!("{rules:?}")) }
    })
    .await;

    // And the trace is where the line says it is.
    wait_until("the span of the line", PATIENCE, || async {
        let spans = sale.observatory.spans();
        let wanted = |seen: &super::observatory::Seen| seen.trace() == TRACE && seen.span.name == "process";
        if spans.iter().any(wanted) { Ok(()) } else { Err(format!("{} others", spans.len())) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the collector, Loki and Prometheus, whose first build takes some minutes: see src/lib.rs"]
async fn a_running_sale_emits_the_metrics_of_the_catalogue_and_no_others() {
    let sale = Sale::open().await;
    sale.buy(0).await;
    let status = wait_until("a page", PATIENCE, || sale.look()).await;
    assert_eq!(status, 200);
    assert!(sale.site.process().status().is_none());
    let expected: BTreeSet<(String, String)> = ALL
        .iter()
        .flat_map(|metric| {
            let name = match metric.kind {
                Kind::Histogram(_) => format!("{}_count", metric.exposed_name()),
                _ => metric.exposed_name(),
            };
            metric.by.iter().map(move |service| ((*service).to_owned(), name.clone()))
        })
        .collect();
    let services =
        r#"{service_name=~".+", __name__!~".+_(bucket|sum)|target_info|ALERTS.*", job=~"livehouse/.*"}"#;
    wait_until("the metrics of the catalogue", PATIENCE, || async {
        let series = sale.observatory.prometheus("series", &[("match[]", services)]).await?;
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let emitted: BTreeSet<(String, String)> = series
            .as_array()
            .into_iter()
            .flatten()
            .map(|series| (text(&series["service_name"]), text(&series["__name__"])))
            .collect();
        let unknown: Vec<_> = emitted.difference(&expected).collect();
        assert!(unknown.is_empty(), "emitted, but not in the catalogue: {unknown:?}");
        let missing: Vec<_> = expected.difference(&emitted).collect();
        if missing.is_empty() {
            Ok(())
        } else {
            Err(format!("in the catalogue, but not emitted: {missing:?}"))
        }
    })
    .await;
}
