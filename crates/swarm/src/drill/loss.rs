//! A node is lost in the middle of a sale: no shutdown, no goodbye.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use livehouse_testkit::try_wait_until;

use super::{
    change::{close, told},
    service::{tasks, until_settled},
};
use crate::{
    sale::{Sale, inside},
    say,
    swarm::Swarm,
};

const BUYERS: usize = 12;
const VIEWERS: usize = 6;
/// Within this time somebody is granted a seat again.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// How long the sale goes on without the node: longer than the swarm needs to notice.
const WITHOUT: Duration = Duration::from_secs(75);
const BACK: Duration = Duration::from_secs(240);
/// The node with the primary of the database: when that is lost, a person promotes the other.
const OF_THE_PRIMARY: u8 = 1;

/// The one that owns the live view of the event goes.
pub(super) async fn the_node_of_the_owner_is_lost(swarm: &Swarm) -> anyhow::Result<String> {
    let sale = Sale::of(swarm).await?;
    // While its node is the primary's, its task is ended, and another takes over.
    let node = try_wait_until("the owner is on a node that may be lost", BACK, || async {
        let moved = async {
            let (node, container) = owner(swarm, &sale).await?;
            if node == OF_THE_PRIMARY {
                swarm.cluster.node(node).ask(&["kill", "--signal", "KILL", &container]).await?;
                tokio::time::sleep(Duration::from_secs(3)).await;
                anyhow::bail!("it was on node {node}");
            }
            anyhow::Ok(node)
        };
        moved.await.map_err(|error| format!("{error:#}"))
    })
    .await
    .map_err(anyhow::Error::msg)?;
    until_settled(&swarm.cluster, BACK).await?;
    lose(swarm, &sale, node, "the owner of the event").await
}

/// The one that leads the stream of facts goes.
pub(super) async fn the_node_of_the_nats_leader_is_lost(swarm: &Swarm) -> anyhow::Result<String> {
    let sale = Sale::of(swarm).await?;
    let node = try_wait_until("the leader is on a node that may be lost", BACK, || async {
        let moved = async {
            let node = leader(swarm).await?;
            if node == OF_THE_PRIMARY {
                let server = tasks(&swarm.cluster, &format!("bus_nats-{node}")).await;
                server.first().context("the leader does not run")?.kill("KILL").await?;
                tokio::time::sleep(Duration::from_secs(10)).await;
                anyhow::bail!("it was on node {node}");
            }
            anyhow::Ok(node)
        };
        moved.await.map_err(|error| format!("{error:#}"))
    })
    .await
    .map_err(anyhow::Error::msg)?;
    until_settled(&swarm.cluster, BACK).await?;
    lose(swarm, &sale, node, "the leader of the facts").await
}

async fn lose(swarm: &Swarm, sale: &Sale, node: u8, who: &str) -> anyhow::Result<String> {
    let crowd = sale.begin(BUYERS, VIEWERS).await?;
    let lost = swarm.cluster.node(node);
    lost.power_off().await?;
    let off = Instant::now();
    say::line(&format!("    node {node} is off, with {who}"));
    while off.elapsed() < WITHOUT {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let goes_on =
        crowd.until_held(crowd.held() + 20).await.context("the sale does not go on without the node");
    lost.power_on().await?;
    goes_on?;
    swarm.cluster.until_ready().await?;
    until_settled(&swarm.cluster, BACK).await.context("the node does not come back into use")?;
    let used = lost.ask(&["ps", "--quiet"]).await?.lines().count();
    ensure!(used > 0, "nothing runs on the node that came back");
    crowd.until_held(crowd.held() + 20).await?;
    let tally = close(swarm, crowd).await?;
    ensure!(tally.longest_pause < PAUSE_MAX, "nobody was granted a seat for {:?}", tally.longest_pause);
    Ok(format!("node {node} with {who}; back with {used} tasks; {}", told(&tally)))
}

/// The node on which the replica runs that owns the event, and its container.
async fn owner(swarm: &Swarm, sale: &Sale) -> anyhow::Result<(u8, String)> {
    let ask = format!("select holder from lease where key = 'event.{}' and expires_at > now()", sale.event);
    let sql = ["psql", "-XAtq", "-h", "/tmp", "-U", "postgres", "-d", "tickets", "-c", &ask];
    let holder = inside(&swarm.cluster, "data_postgres-1", &sql).await?;
    // service-slot-task
    let task = holder.trim().rsplit('-').next().context("nobody owns the event")?.to_string();
    for node in swarm.cluster.nodes() {
        let filter = format!("label=com.docker.swarm.task.id={task}");
        let found = node.ask(&["ps", "--quiet", "--filter", &filter]).await?;
        if let Some(container) = found.lines().next() {
            return Ok((node.number, container.to_string()));
        }
    }
    anyhow::bail!("the owner {holder} runs nowhere")
}

/// The node of the server that leads the stream of facts.
async fn leader(swarm: &Swarm) -> anyhow::Result<u8> {
    for number in 1..=3 {
        for task in tasks(&swarm.cluster, &format!("bus_nats-{number}")).await {
            let said = task.asked("http://127.0.0.1:8222/jsz?streams=true&accounts=true", None).await?;
            let said: serde_json::Value = serde_json::from_str(&said)?;
            let accounts = said["account_details"].as_array().cloned().unwrap_or_default();
            let streams = accounts
                .iter()
                .flat_map(|account| account["stream_detail"].as_array().cloned().unwrap_or_default());
            for stream in streams {
                if stream["name"] == "FACTS" {
                    let leader = stream["cluster"]["leader"].as_str().unwrap_or_default();
                    return leader
                        .rsplit('-')
                        .next()
                        .and_then(|number| number.parse().ok())
                        .with_context(|| format!("the stream of facts has the leader '{leader}'"));
                }
            }
        }
    }
    anyhow::bail!("no server knows the stream of facts")
}
