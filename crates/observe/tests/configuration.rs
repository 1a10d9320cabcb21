//! What rules and dashboards name is there, and what they lead to is, too.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use livehouse_contract::metric::{ALL, Kind};
use livehouse_observe::programs::{file, program};
use livehouse_observe::queries::metrics;
use livehouse_parts::Part;
use serde_json::Value;

const RULES: &str = "observability/mimir/rules/livehouse.yaml";
const DASHBOARDS: &str = "observability/grafana/dashboards";

fn text(path: &str) -> String {
    fs::read_to_string(file(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What follows `key` on the lines of a file, without quotes.
fn values<'a>(text: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
    text.lines().filter_map(move |line| {
        let value = line.trim_start().trim_start_matches("- ").strip_prefix(key)?;
        Some(value.trim().trim_matches(['"', '\'']))
    })
}

/// Every series that services, other programs or recording rules make.
fn known() -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    for metric in ALL {
        match metric.kind {
            Kind::Histogram(_) => known.extend(
                ["bucket", "sum", "count"].map(|suffix| format!("{}_{suffix}", metric.exposed_name())),
            ),
            _ => {
                known.insert(metric.exposed_name());
            }
        }
    }
    known.extend(outside());
    known.extend(values(&text(RULES), "record:").map(str::to_owned));
    known
}

fn outside() -> BTreeSet<String> {
    let listed = text("observability/outside-metrics.txt");
    let lines = listed.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

fn dashboards() -> BTreeMap<String, Value> {
    let files = fs::read_dir(file(DASHBOARDS)).unwrap().map(|entry| entry.unwrap().path());
    let read = |path: std::path::PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap())
    };
    files.map(read).collect()
}

/// The panels of a dashboard, and what each asks.
fn questions(dashboard: &Value) -> Vec<(&Value, &str)> {
    let mut questions = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            questions.push((panel, target["expr"].as_str().unwrap()));
        }
    }
    questions
}

fn asks_loki(panel: &Value) -> bool {
    panel["datasource"]["uid"] == "loki"
}

#[test]
fn rules_and_dashboards_name_only_metrics_that_there_are_and_no_listed_one_is_forgotten() {
    let known = known();
    let mut used = BTreeSet::new();
    for query in values(&text(RULES), "expr:") {
        used.extend(metrics(query).into_iter().map(|name| (name, RULES.to_owned())));
    }
    for (name, dashboard) in &dashboards() {
        for (panel, query) in questions(dashboard) {
            if !asks_loki(panel) {
                // A variable is a value of a label.
                used.extend(metrics(query).into_iter().map(|metric| (metric, name.clone())));
            }
        }
    }
    let unknown: Vec<_> = used.iter().filter(|(metric, _)| !known.contains(metric)).collect();
    assert!(unknown.is_empty(), "nobody emits {unknown:?}");
    let used: BTreeSet<&String> = used.iter().map(|(metric, _)| metric).collect();
    let forgotten: Vec<_> = outside().into_iter().filter(|metric| !used.contains(metric)).collect();
    assert!(forgotten.is_empty(), "listed in outside-metrics.txt, but used nowhere: {forgotten:?}");
    let unseen: Vec<_> = ALL
        .iter()
        .filter(|metric| !used.iter().any(|name| name.starts_with(&metric.exposed_name())))
        .map(|metric| metric.name)
        .collect();
    assert!(unseen.is_empty(), "no rule and no dashboard shows {unseen:?}");
}

#[test]
fn dashboards_are_unlike_complete_and_provisioned() {
    let sources: BTreeSet<String> =
        values(&text("observability/grafana/provisioning/datasources/livehouse.yaml"), "uid:")
            .map(str::to_owned)
            .collect();
    let stack = text("stack/observability.yml");
    let mut uids = BTreeSet::new();
    for (name, dashboard) in &dashboards() {
        let uid = dashboard["uid"].as_str().unwrap();
        assert_eq!(*name, format!("{uid}.json"), "a dashboard's file is named as its address");
        assert!(uids.insert(uid.to_owned()), "{uid} is there twice");
        let mounted = format!("target: /etc/grafana/dashboards/{name}");
        assert!(stack.contains(&mounted), "{name} is not in stack/observability.yml");
        let links = dashboard["links"].to_string();
        assert!(links.contains("loki") && links.contains("tempo"), "{name} leads to no logs and traces");
        let mut places = BTreeSet::new();
        for (panel, query) in questions(dashboard) {
            let title = panel["title"].as_str().unwrap();
            let source = panel["datasource"]["uid"].as_str().unwrap();
            assert!(sources.contains(source), "{name}, {title}: no data source {source}");
            if !asks_loki(panel) {
                let unit = panel["fieldConfig"]["defaults"]["unit"].as_str();
                assert!(unit.is_some_and(|unit| !unit.is_empty()), "{name}, {title}: no unit");
                for metric in metrics(query) {
                    let shown_as = unit.unwrap_or_default();
                    let is_time = metric.ends_with("_seconds") || metric.ends_with("p99_5m");
                    assert!(!is_time || shown_as == "s", "{name}, {title}: {metric} is shown as {shown_as}");
                }
            }
            places.insert(panel["gridPos"].to_string());
        }
        assert_eq!(
            places.len(),
            dashboard["panels"].as_array().unwrap().len(),
            "{name}: panels lie on panels"
        );
    }
    assert!(uids.len() >= 7, "{uids:?}");
}

#[test]
fn every_alert_has_a_severity_somebody_is_told_of_and_a_runbook_that_is_there() {
    let mut runbooks = BTreeSet::new();
    for path in [RULES, "observability/loki/rules/fake/rules.yaml"] {
        let rules = text(path);
        let mut alerts = 0;
        for rule in rules.split("- alert:").skip(1) {
            let name = rule.lines().next().unwrap().trim();
            let rule = rule.split("- record:").next().unwrap();
            assert!(
                ["critical", "warning", "none"]
                    .iter()
                    .any(|word| rule.contains(&format!("severity: {word}"))),
                "{name}: no severity"
            );
            let runbook = rule.split("runbook: ").nth(1).unwrap_or_else(|| panic!("{name}: no runbook"));
            let runbook = runbook.split(['}', '\n']).next().unwrap().trim();
            let there = file("observability").join(runbook);
            assert!(there.is_file(), "{name}: there is no {runbook}");
            runbooks.insert(there);
            alerts += 1;
        }
        assert!(alerts > 0, "{path} has no alerts");
    }
    for entry in fs::read_dir(file("observability/runbooks")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let is_named = runbooks
            .iter()
            .any(|runbook| *runbook == path || fs::read_to_string(runbook).unwrap().contains(&name));
        assert!(is_named, "no alert leads to {}", path.display());
    }
}

#[test]
fn every_service_is_missed_when_nothing_is_heard_of_it() {
    let rules = text(RULES);
    let rule = rules.split("- alert: TooFewReplicas").nth(1).unwrap().lines().nth(1).unwrap();
    let stack = text("stack/app.yml");
    let services: Vec<_> = stack
        .split("\nservices:\n")
        .nth(1)
        .unwrap()
        .lines()
        .take_while(|line| line.is_empty() || line.starts_with(' '))
        .filter_map(|line| line.strip_prefix("  ")?.strip_suffix(':'))
        .filter(|name| !name.starts_with([' ', '#']) && !name.ends_with("-migrate"))
        .collect();
    assert!(services.len() >= 4, "{services:?}");
    for service in services {
        assert!(rule.contains(&format!("\"{service}\"")), "TooFewReplicas does not name {service}");
    }
}

#[test]
fn data_sources_lead_from_a_line_to_its_trace_to_metrics_and_back() {
    let sources = text("observability/grafana/provisioning/datasources/livehouse.yaml");
    for (from, to) in [
        ("derivedFields:", "datasourceUid: tempo"),
        ("tracesToLogsV2:", "datasourceUid: loki"),
        ("tracesToMetrics:", "datasourceUid: mimir"),
        ("exemplarTraceIdDestinations:", "datasourceUid: tempo"),
    ] {
        let after = sources.split(from).nth(1).unwrap_or_else(|| panic!("no {from}"));
        let named = after.split("datasourceUid: ").nth(1).map(|rest| format!("datasourceUid: {rest}"));
        assert!(named.is_some_and(|named| named.starts_with(to)), "{from} does not lead to {to}");
    }
    // What a span leads to is emitted: `$__tags` stands for labels.
    let mut looked_at = 0;
    for query in sources.split("query: '").skip(1).filter_map(|rest| rest.split('\'').next()) {
        if !query.starts_with('{') {
            let unknown: Vec<_> = metrics(query).into_iter().filter(|name| !known().contains(name)).collect();
            assert!(unknown.is_empty(), "{query}: nobody emits {unknown:?}");
            looked_at += 1;
        }
    }
    assert!(looked_at > 0, "no query of a span was found");
}

#[test]
#[ignore = "needs promtool, whose first build takes some minutes: see src/lib.rs"]
fn the_rules_pass_their_own_tests() {
    let promtool = program(Part::Promtool).unwrap_or_else(|missing| panic!("{missing}"));
    for arguments in
        [["check", "rules", RULES], ["test", "rules", "observability/mimir/tests/livehouse.yaml"]]
    {
        let output = Command::new(&promtool).args(arguments).current_dir(file("")).output().unwrap();
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        assert!(output.status.success(), "{}", said.concat());
    }
}
