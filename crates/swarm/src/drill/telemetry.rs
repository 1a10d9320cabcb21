//! What operators see of the sale: a line found by its trace, an alert that comes and goes.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use livehouse_testkit::try_wait_until;
use serde_json::Value;

use super::service::{service, tasks, until_settled};
use crate::{
    command::{QUICK, program, run_with_input},
    say,
    swarm::Swarm,
};

const SETTLED: Duration = Duration::from_secs(180);
/// From a line to where it is found: the agent reads, the gateway collects, Loki takes it.
const FOUND: Duration = Duration::from_secs(90);
/// `TooFewReplicas` waits for three minutes before it fires, and a replica that is gone is seen for one.
const FIRED: Duration = Duration::from_secs(330);
const ALERT: &str = "TooFewReplicas";
/// It sells nothing and has two replicas: with one, the sale is as it was.
const THINNED: &str = "identity";

/// The stack of the observers, with the running sale as what they see.
pub(super) async fn a_line_is_found_by_its_trace_and_an_alert_comes_and_goes(
    swarm: &Swarm,
) -> anyhow::Result<String> {
    swarm.deployment.deploy(&swarm.cluster, "observability").await?;
    until_settled(&swarm.cluster, SETTLED).await?;
    let trace = uuid::Uuid::now_v7().simple().to_string();
    poison(swarm, &trace).await?;
    let published = Instant::now();
    let line = try_wait_until("the line of the trace in Loki", FOUND, || async {
        let query = format!(r#"{{service_name="orders", service_namespace="app"}} | trace_id="{trace}""#);
        let found = lines(swarm, &query).await.map_err(|error| format!("{error:#}"))?;
        found
            .iter()
            .find(|line| line.contains("a fact became a dead letter"))
            .cloned()
            .ok_or_else(|| format!("{} lines: {found:?}", found.len()))
    })
    .await
    .map_err(anyhow::Error::msg)?;
    ensure!(line.contains(&trace), "the line does not name its trace: {line}");
    let found = published.elapsed();

    ensure!(!fires(swarm).await?, "{ALERT} fires before anything is wrong");
    let scale = async |count: u8| {
        let wanted = format!("app_{THINNED}={count}");
        service(&swarm.cluster, &["scale", "--detach", &wanted], QUICK).await
    };
    scale(1).await?;
    let fired = until_fires(swarm, true).await;
    scale(2).await?;
    let fired = fired?;
    say::line(&format!("    {ALERT} fires for {THINNED}"));
    let quiet = until_fires(swarm, false).await?;
    Ok(format!(
        "a line found in Loki by its trace {:.0} s after its cause; {ALERT} fired {} after a replica was gone, and was quiet {} after it was back",
        found.as_secs_f64(),
        say::duration(fired),
        say::duration(quiet)
    ))
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

async fn lines(swarm: &Swarm, query: &str) -> anyhow::Result<Vec<String>> {
    let url = "http://127.0.0.1:3100/loki/api/v1/query_range";
    let said = asked(swarm, "observability_loki", url, Some(query)).await?;
    let streams = said["data"]["result"].as_array().context("Loki has no result")?;
    let values = streams.iter().filter_map(|stream| stream["values"].as_array()).flatten();
    Ok(values.filter_map(|value| Some(value[1].as_str()?.to_string())).collect())
}

async fn fires(swarm: &Swarm) -> anyhow::Result<bool> {
    let said = asked(swarm, "observability_mimir", "http://127.0.0.1:9009/api/v1/alerts", None).await?;
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
    try_wait_until(&format!("{ALERT} {what}"), FIRED, || async {
        match fires(swarm).await {
            Ok(fires) if fires == wanted => Ok(()),
            Ok(_) => Err("it does not".to_string()),
            Err(error) => Err(format!("{error:#}")),
        }
    })
    .await
    .map_err(anyhow::Error::msg)?;
    Ok(started.elapsed())
}
