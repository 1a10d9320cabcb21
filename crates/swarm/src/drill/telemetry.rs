//! What operators see of the sale: a line and a trace found by their id, an alert that comes and goes.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use livehouse_testkit::try_wait_until;
use serde_json::Value;

use super::{
    bus,
    service::{service, tasks, until_settled},
    webhook::Webhook,
};
use crate::{command::QUICK, say, swarm::Swarm};

pub(super) const TEMPO: &str = "http://127.0.0.1:3200";
pub(super) const MIMIR: &str = "http://127.0.0.1:9009/prometheus/api/v1";
const SETTLED: Duration = Duration::from_secs(180);
/// From an alert to whoever is told: Alertmanager sends what is new in a group of alerts once a minute.
const TOLD: Duration = Duration::from_secs(120);
/// From a line to where it is found: the agent reads, the gateway collects, Loki takes it.
pub(super) const FOUND: Duration = Duration::from_secs(90);
/// `TooFewReplicas` waits for three minutes before it fires, a replica that is gone is seen for one, and rules look at what was
/// half a minute ago.
const FIRED: Duration = Duration::from_secs(400);
const ALERT: &str = "TooFewReplicas";
/// It sells nothing and has two replicas: with one, the sale is as it was.
const THINNED: &str = "identity";

/// Puts the stack of the observers there, if it is not.
pub(super) async fn watch(swarm: &Swarm) -> anyhow::Result<()> {
    swarm.deployment.deploy(&swarm.cluster, "observability").await?;
    until_settled(&swarm.cluster, SETTLED).await
}

/// What somebody looks for at night, and what wakes them.
pub(super) async fn a_line_and_a_trace_are_found_and_an_alert_comes_and_goes(
    swarm: &Swarm,
) -> anyhow::Result<String> {
    watch(swarm).await?;
    let webhook = Webhook::listen().await?;
    let trace = uuid::Uuid::now_v7().simple().to_string();
    poison(swarm, &trace).await?;
    let published = Instant::now();
    let line = until(FOUND, "the line of the trace in Loki", || async {
        let query =
            format!(r#"query={{service_name="orders", service_namespace="app"}} | trace_id="{trace}""#);
        let found = lines(swarm, &query).await?;
        let line = found.iter().find(|line| line.contains("a fact became a dead letter")).cloned();
        line.with_context(|| format!("{} lines: {found:?}", found.len()))
    })
    .await?;
    ensure!(line.contains(&trace), "the line does not name its trace: {line}");
    let found = published.elapsed();
    until(FOUND, "the trace in Tempo", || spans_of(swarm, &trace)).await?;

    let alert = an_alert_comes_and_goes(swarm, &webhook).await?;
    webhook.until_told(("DeadLetters", "orders"), "firing", TOLD).await?;
    Ok(format!(
        "a line found in Loki by its trace {:.0} s after its cause, and the trace in Tempo; {alert}",
        found.as_secs_f64(),
    ))
}

/// A replica too few is told to whoever is to be woken, and that it is back.
async fn an_alert_comes_and_goes(swarm: &Swarm, webhook: &Webhook) -> anyhow::Result<String> {
    ensure!(!fires(swarm).await?, "{ALERT} fires before anything is wrong");
    let scale = async |count: u8| {
        let wanted = format!("app_{THINNED}={count}");
        service(&swarm.cluster, &["scale", "--detach", &wanted], QUICK).await
    };
    scale(1).await?;
    let fired = until_fires(swarm, true).await;
    let told = webhook.until_told((ALERT, THINNED), "firing", TOLD).await;
    scale(2).await?;
    let (fired, told) = (fired?, told?);
    say::line(&format!("    {ALERT} fires for {THINNED}"));
    let quiet = until_fires(swarm, false).await?;
    let over = webhook.until_told((ALERT, THINNED), "resolved", TOLD).await?;
    Ok(format!(
        "{ALERT} fired {} after a replica was gone and was told {} later, was quiet {} after it was back and that was told {} later",
        say::duration(fired),
        say::duration(told),
        say::duration(quiet),
        say::duration(over),
    ))
}

/// How many spans Tempo has of a trace; an error when none.
pub(super) async fn spans_of(swarm: &Swarm, trace: &str) -> anyhow::Result<usize> {
    let url = format!("{TEMPO}/api/v2/traces/{trace}");
    let said = asked(swarm, "observability_tempo", &url, None).await?;
    let resources = said["trace"]["resourceSpans"].as_array().context("the trace has no spans")?;
    let scopes = resources.iter().filter_map(|resource| resource["scopeSpans"].as_array()).flatten();
    let spans = scopes.filter_map(|scope| scope["spans"].as_array()).map(Vec::len).sum();
    ensure!(spans > 0, "Tempo has no spans of {trace}: {said}");
    Ok(spans)
}

/// Asks again and again, and says the last error when it took too long.
pub(super) async fn until<T, F: Future<Output = anyhow::Result<T>>>(
    deadline: Duration,
    what: &str,
    ask: impl Fn() -> F,
) -> anyhow::Result<T> {
    try_wait_until(what, deadline, || async { ask().await.map_err(|error| format!("{error:#}")) })
        .await
        .map_err(anyhow::Error::msg)
}

/// Publishes a fact that nobody can read, as part of a trace, with the rights of tickets.
async fn poison(swarm: &Swarm, trace: &str) -> anyhow::Result<()> {
    let url = bus::url_of_tickets(swarm).await?;
    let headers = format!("NATS/1.0\r\ntraceparent: 00-{trace}-00f067aa0ba902b7-01\r\n\r\n");
    let body = "no JSON";
    let fact = format!(
        "HPUB fact.tickets.holds_ended.v1 {} {}\r\n{headers}{body}\r\n",
        headers.len(),
        headers.len() + body.len()
    );
    let answer = bus::answer(swarm, &url, &fact).await?;
    ensure!(answer.contains("PONG") && !answer.contains("-ERR"), "the bus said {answer:?}");
    Ok(())
}

/// What a program of the stack answers in its own network.
pub(super) async fn asked(
    swarm: &Swarm,
    service: &str,
    url: &str,
    parameter: Option<&str>,
) -> anyhow::Result<Value> {
    let running = tasks(&swarm.cluster, service).await;
    let task = running.first().with_context(|| format!("{service} does not run"))?;
    let said = task.asked(url, parameter).await?;
    serde_json::from_str(&said).with_context(|| format!("{service} said {said:?}"))
}

/// Lines that Loki has, by the parameter `query=`.
async fn lines(swarm: &Swarm, query: &str) -> anyhow::Result<Vec<String>> {
    let url = "http://127.0.0.1:3100/loki/api/v1/query_range";
    let said = asked(swarm, "observability_loki", url, Some(query)).await?;
    let streams = said["data"]["result"].as_array().context("Loki has no result")?;
    let values = streams.iter().filter_map(|stream| stream["values"].as_array()).flatten();
    Ok(values.filter_map(|value| Some(value[1].as_str()?.to_string())).collect())
}

async fn fires(swarm: &Swarm) -> anyhow::Result<bool> {
    let said = asked(swarm, "observability_mimir", &format!("{MIMIR}/alerts"), None).await?;
    let alerts = said["data"]["alerts"].as_array().context("there is no list of alerts")?;
    Ok(alerts.iter().any(|alert| {
        alert["state"] == "firing"
            && alert["labels"]["alertname"] == ALERT
            && alert["labels"]["service_name"] == THINNED
    }))
}

async fn until_fires(swarm: &Swarm, wanted: bool) -> anyhow::Result<Duration> {
    let started = Instant::now();
    let what = if wanted { "fires" } else { "is quiet" };
    until(FIRED, &format!("{ALERT} {what}"), || async {
        ensure!(fires(swarm).await? == wanted, "it does not");
        Ok(())
    })
    .await?;
    Ok(started.elapsed())
}
