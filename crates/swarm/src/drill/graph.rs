//! What stands behind Grafana's graphs: traces, numbers and rules, asked as the dashboards ask.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use super::{
    service::tasks,
    telemetry::{FOUND, MIMIR, TEMPO, asked, spans_of, until, watch},
};
use crate::{sale::Sale, swarm::Swarm};

/// One trace in ten is kept, ten seconds after its first span.
const TRACED: Duration = Duration::from_secs(120);
/// Rules look at rates of five minutes, every half minute, at what was half a minute ago.
const COUNTED: Duration = Duration::from_secs(180);
const DASHBOARDS: &str = "observability/grafana/dashboards";
const RULES: &str = "observability/mimir/rules/livehouse.yaml";
/// One of each kind, with names as Mimir makes them of OTLP's: they have samples while people buy.
const NUMBERS: [&str; 6] = [
    "edge:requests:rate5m",
    "res:requests:rate5m",
    "res:duration:p99_5m",
    "inventory:batch:p99_5m",
    "resgate_cache_subscriptions",
    "system_filesystem_utilization_ratio",
];

/// With two people who buy as what is to be seen.
pub(super) async fn a_call_and_its_fact_are_one_trace_and_graphs_have_their_numbers(
    swarm: &Swarm,
) -> anyhow::Result<String> {
    watch(swarm).await?;
    let crowd = Sale::of(swarm).await?.begin(2, 0).await?;
    let spans = a_call_and_its_fact_are_one_trace(swarm).await?;
    for number in NUMBERS {
        until(COUNTED, &format!("{number} has samples"), || async {
            ensure!(!samples(swarm, number).await?.is_empty(), "none");
            Ok(())
        })
        .await?;
    }
    let questions = every_question_of_a_graph_is_understood(swarm).await?;
    let dots = a_dot_leads_to_its_trace(swarm).await?;
    crowd.end().await?;
    let rules = every_rule_is_well(swarm).await?;
    whoever_is_asked_answers(swarm).await?;
    Ok(format!(
        "a call and its fact are one trace of {spans} spans; {questions} questions of graphs understood, {dots} with traces to go to; {rules} rules evaluated"
    ))
}

/// From the arrival of a call in tickets to what orders does with its fact: under one id. Gives how many spans it has.
async fn a_call_and_its_fact_are_one_trace(swarm: &Swarm) -> anyhow::Result<usize> {
    let found = until(TRACED, "a trace with a call of tickets and a consumer of orders", || async {
        let query = r#"q={resource.service.name="tickets" && kind=server} && {resource.service.name="orders" && kind=consumer}"#;
        let url = format!("{TEMPO}/api/search?limit=1");
        let said = asked(swarm, "observability_tempo", &url, Some(query)).await?;
        said["traces"][0]["traceID"].as_str().map(str::to_string).with_context(|| format!("Tempo has {said}"))
    })
    .await?;
    spans_of(swarm, &found).await
}

/// What Mimir has for a question now.
async fn samples(swarm: &Swarm, question: &str) -> anyhow::Result<Vec<Value>> {
    let query = format!("query={question}");
    let said = asked(swarm, "observability_mimir", &format!("{MIMIR}/query"), Some(&query)).await?;
    ensure!(said["status"] == "success", "{question}: {said}");
    said["data"]["result"].as_array().cloned().with_context(|| format!("{question}: {said}"))
}

/// Every question that a dashboard asks Mimir, for all services, and whether it asks for dots.
fn questions(swarm: &Swarm) -> anyhow::Result<Vec<(String, bool)>> {
    let mut found = Vec::new();
    for file in std::fs::read_dir(swarm.workspace.root().join(DASHBOARDS))? {
        let dashboard: Value = serde_json::from_str(&std::fs::read_to_string(file?.path())?)?;
        let panels = dashboard["panels"].as_array().context("a dashboard without panels")?;
        for target in panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten() {
            if let (Some(question), "mimir") =
                (target["expr"].as_str(), target["datasource"]["uid"].as_str().unwrap_or_default())
            {
                found.push((question.replace("$service", ".+"), target["exemplar"] == true));
            }
        }
    }
    Ok(found)
}

async fn every_question_of_a_graph_is_understood(swarm: &Swarm) -> anyhow::Result<usize> {
    let questions = questions(swarm)?;
    for (question, _) in &questions {
        samples(swarm, question).await?;
    }
    ensure!(questions.len() > NUMBERS.len(), "the dashboards ask {} questions", questions.len());
    Ok(questions.len())
}

async fn a_dot_leads_to_its_trace(swarm: &Swarm) -> anyhow::Result<usize> {
    let questions = questions(swarm)?;
    let with_dots: Vec<_> = questions.iter().filter(|(_, has_dots)| *has_dots).collect();
    for (question, _) in &with_dots {
        until(FOUND, &format!("a dot that leads to a trace, of {question}"), || async {
            let query = format!("query={question}");
            let url = format!("{MIMIR}/query_exemplars");
            let said = asked(swarm, "observability_mimir", &url, Some(&query)).await?;
            let trace = said["data"][0]["exemplars"][0]["labels"]["traceID"].as_str();
            spans_of(swarm, trace.with_context(|| format!("Mimir has {said}"))?).await
        })
        .await?;
    }
    ensure!(!with_dots.is_empty(), "no graph has dots");
    Ok(with_dots.len())
}

/// Mimir has all rules of the file, has evaluated each, and none without success. Gives how many there are.
async fn every_rule_is_well(swarm: &Swarm) -> anyhow::Result<usize> {
    let file = std::fs::read_to_string(swarm.workspace.root().join(RULES))?;
    let begins_rule =
        |line: &&str| ["- alert:", "- record:"].iter().any(|mark| line.trim().starts_with(mark));
    let written = file.lines().filter(begins_rule).count();
    until(FOUND, "every rule was evaluated", || async {
        let said = asked(swarm, "observability_mimir", &format!("{MIMIR}/rules"), None).await?;
        let groups = said["data"]["groups"].as_array().context("there are no groups of rules")?;
        let rules: Vec<_> = groups.iter().filter_map(|group| group["rules"].as_array()).flatten().collect();
        ensure!(rules.len() == written, "{} rules of {written}", rules.len());
        match rules.iter().find(|rule| rule["health"] != "ok") {
            Some(ill) => bail!("{ill}"),
            None => Ok(rules.len()),
        }
    })
    .await
}

/// Whoever the gateway asks for numbers gives them, each task of each.
async fn whoever_is_asked_answers(swarm: &Swarm) -> anyhow::Result<()> {
    // An agent says itself what it is, whatever the job that asks it is called.
    for (job, service) in
        [("traefik", "edge_traefik"), ("resgate", "bus_resgate"), ("otelcol", "observability_otelcol-node")]
    {
        let running = tasks(&swarm.cluster, service).await.len();
        until(FOUND, &format!("{running} tasks of {service} give their numbers"), || async {
            let answering = samples(swarm, &format!("up{{job=\"{job}\"}} == 1")).await?.len();
            ensure!(answering == running, "{answering} do");
            Ok(())
        })
        .await?;
    }
    let observers: BTreeSet<_> =
        ["loki:3100", "tempo:3200", "mimir:9009", "alertmanager:9093"].map(str::to_string).into();
    until(FOUND, "the observers give their own numbers", || async {
        let answering = samples(swarm, "up{job=\"observability\"} == 1").await?;
        let answering: BTreeSet<_> =
            answering.iter().filter_map(|up| Some(up["metric"]["instance"].as_str()?.to_string())).collect();
        ensure!(answering.is_superset(&observers), "{answering:?} do");
        Ok(())
    })
    .await
}
