//! What operators see of the sale: a line and a trace found by their id, an alert that comes and goes.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use livehouse_testkit::try_wait_until;
use serde_json::Value;

use super::{
    service::{service, tasks, until_settled},
    webhook::Webhook,
};
use crate::{
    command::{QUICK, program, run_with_input},
    sale::Sale,
    say,
    swarm::Swarm,
};

const TEMPO: &str = "http://127.0.0.1:3200";
const MIMIR: &str = "http://127.0.0.1:9009/prometheus/api/v1";
const SETTLED: Duration = Duration::from_secs(180);
/// One trace in ten is kept, ten seconds after its first span.
const TRACED: Duration = Duration::from_secs(120);
/// From an alert to whoever is told: Alertmanager sends what is new in a group of alerts once a minute.
const TOLD: Duration = Duration::from_secs(120);
/// From a line to where it is found: the agent reads, the gateway collects, Loki takes it.
const FOUND: Duration = Duration::from_secs(90);
/// `TooFewReplicas` waits for three minutes before it fires, a replica that is gone is seen for one, and rules look at what was
/// half a minute ago.
const FIRED: Duration = Duration::from_secs(400);
const ALERT: &str = "TooFewReplicas";
/// It sells nothing and has two replicas: with one, the sale is as it was.
const THINNED: &str = "identity";

/// The stack of the observers, with the running sale as what they see.
pub(super) async fn a_line_and_a_trace_are_found_and_an_alert_comes_and_goes(
    swarm: &Swarm,
) -> anyhow::Result<String> {
    swarm.deployment.deploy(&swarm.cluster, "observability").await?;
    until_settled(&swarm.cluster, SETTLED).await?;
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
    let spans = a_call_and_its_fact_are_one_trace(swarm).await?;
    every_rule_is_well(swarm).await?;
    everybody_answers_who_is_asked(swarm).await?;
    webhook.until_told(("DeadLetters", "orders"), "firing", TOLD).await?;
    Ok(format!(
        "a line found in Loki by its trace {:.0} s after its cause, and the trace in Tempo; a call and its fact are one trace of {spans} spans; {alert}",
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

/// From the arrival of a call in tickets to what orders does with its fact: under one id, to which a dot on a graph leads, too.
/// One trace in ten is kept, so people buy until there is one. Gives how many spans it has.
async fn a_call_and_its_fact_are_one_trace(swarm: &Swarm) -> anyhow::Result<usize> {
    let crowd = Sale::of(swarm).await?.begin(2, 0).await?;
    let found = until(TRACED, "a trace with a call of tickets and a consumer of orders", || async {
        let query =
            r#"q={resource.service.name="tickets" && kind=server} && {resource.service.name="orders" && kind=consumer}"#;
        let said = asked(swarm, "observability_tempo", &format!("{TEMPO}/api/search?limit=1"), Some(query)).await?;
        said["traces"][0]["traceID"].as_str().map(str::to_string).with_context(|| format!("Tempo has {said}"))
    })
    .await;
    crowd.end().await?;
    let spans = spans_of(swarm, &found?).await?;
    until(FOUND, "a dot on a graph that leads to a trace", || async {
        let query = "query=traces_spanmetrics_latency_bucket";
        let said =
            asked(swarm, "observability_mimir", &format!("{MIMIR}/query_exemplars"), Some(query)).await?;
        let trace = said["data"][0]["exemplars"][0]["labels"]["traceID"].as_str();
        spans_of(swarm, trace.with_context(|| format!("Mimir has {said}"))?).await
    })
    .await?;
    Ok(spans)
}

/// How many spans Tempo has of a trace; an error when none.
async fn spans_of(swarm: &Swarm, trace: &str) -> anyhow::Result<usize> {
    let url = format!("{TEMPO}/api/v2/traces/{trace}");
    let said = asked(swarm, "observability_tempo", &url, None).await?;
    let resources = said["trace"]["resourceSpans"].as_array().context("the trace has no spans")?;
    let scopes = resources.iter().filter_map(|resource| resource["scopeSpans"].as_array()).flatten();
    let spans = scopes.filter_map(|scope| scope["spans"].as_array()).map(Vec::len).sum();
    ensure!(spans > 0, "Tempo has no spans of {trace}: {said}");
    Ok(spans)
}

/// Mimir has evaluated every rule, and none without success.
async fn every_rule_is_well(swarm: &Swarm) -> anyhow::Result<()> {
    until(FOUND, "every rule was evaluated", || async {
        let said = asked(swarm, "observability_mimir", &format!("{MIMIR}/rules"), None).await?;
        let groups = said["data"]["groups"].as_array().context("there are no groups of rules")?;
        let rules: Vec<_> = groups.iter().filter_map(|group| group["rules"].as_array()).flatten().collect();
        ensure!(!rules.is_empty(), "there are no rules");
        match rules.iter().find(|rule| rule["health"] != "ok") {
            Some(ill) => bail!("{ill}"),
            None => Ok(()),
        }
    })
    .await
}

/// Whoever runs here and is asked for numbers gives them.
async fn everybody_answers_who_is_asked(swarm: &Swarm) -> anyhow::Result<()> {
    const ASKED: [(&str, &str); 6] = [
        ("traefik", ""),
        ("resgate", ""),
        ("observability", "loki:3100"),
        ("observability", "tempo:3200"),
        ("observability", "mimir:9009"),
        ("observability", "alertmanager:9093"),
    ];
    for (job, instance) in ASKED {
        until(FOUND, &format!("{job} {instance} gives its numbers"), || async {
            let query = format!(r#"query=min(up{{job="{job}",instance=~"{instance}.*"}})"#);
            let said = asked(swarm, "observability_mimir", &format!("{MIMIR}/query"), Some(&query)).await?;
            ensure!(said["data"]["result"][0]["value"][1] == "1", "{said}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

/// Asks again and again, and says the last error when it took too long.
async fn until<T, F: Future<Output = anyhow::Result<T>>>(
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
    let holders = tasks(&swarm.cluster, "app_tickets").await;
    let url = holders.first().context("tickets does not run")?.file("/run/secrets/nats_url").await?;
    let account = url.split(',').next().and_then(|first| first.strip_prefix("nats://"));
    let (account, _) =
        account.and_then(|rest| rest.split_once('@')).context("the URL of the bus names no user")?;
    let (user, password) = account.split_once(':').context("the URL of the bus has no password")?;
    let headers = format!("NATS/1.0\r\ntraceparent: 00-{trace}-00f067aa0ba902b7-01\r\n\r\n");
    let body = "no JSON";
    let said = format!(
        "CONNECT {{\"verbose\":false,\"headers\":true,\"user\":\"{user}\",\"pass\":\"{password}\"}}\r\n\
         HPUB fact.tickets.holds_ended.v1 {} {}\r\n{headers}{body}\r\nPING\r\n",
        headers.len(),
        headers.len() + body.len()
    );
    let servers = tasks(&swarm.cluster, "bus_nats-1").await;
    let pid = servers.first().context("the bus does not run")?.pid().await?;
    // From within the network of the server; the password goes by standard input.
    let script = "exec 3<>/dev/tcp/127.0.0.1/4222; cat >&3; timeout 3 cat <&3; true";
    let mut ask = program("nsenter", ["--net", "--target", &pid, "bash", "-c", script]);
    let answer = run_with_input(&mut ask, Some(said.as_bytes()), QUICK).await?;
    ensure!(answer.contains("PONG") && !answer.contains("-ERR"), "the bus said {answer:?}");
    Ok(())
}

/// What a program of the stack answers in its own network.
async fn asked(swarm: &Swarm, service: &str, url: &str, query: Option<&str>) -> anyhow::Result<Value> {
    let running = tasks(&swarm.cluster, service).await;
    let task = running.first().with_context(|| format!("{service} does not run"))?;
    let said = task.asked(url, query).await?;
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
