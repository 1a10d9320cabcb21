//! The whole of it: everything off and on again, and everything gone but the backup.

use std::{path::Path, time::Duration};

use anyhow::{Context, ensure};
use futures::future::try_join_all;
use livehouse_testkit::try_wait_until;

use super::service::{tasks, until_settled};
use crate::{
    cluster::{Cluster, NODES},
    command::{program, run},
    sale::{self, Sale, inside},
    say, site,
    swarm::Swarm,
};

const SETTLED: Duration = Duration::from_secs(240);
const COPY: Duration = Duration::from_secs(120);
/// Seats that are held when it happens, and must be afterwards.
const KEPT: usize = 10;

/// The power of all three nodes goes, and comes back.
pub(super) async fn everything_stops_and_starts_with_its_data(swarm: &Swarm) -> anyhow::Result<String> {
    let sale = Sale::of(swarm).await?;
    sale.hold_for_good(KEPT).await?;
    let before = books(&swarm.cluster).await?;
    for node in swarm.cluster.nodes() {
        node.power_off().await?;
    }
    let started = std::time::Instant::now();
    try_join_all(swarm.cluster.nodes().iter().map(crate::node::Node::power_on)).await?;
    swarm.cluster.until_ready().await?;
    until_settled(&swarm.cluster, SETTLED).await?;
    doors_open(swarm).await?;
    let again = Sale::of(swarm).await?;
    let crowd = again.begin(6, 3).await?;
    let took = started.elapsed();
    crowd.until_held(50).await?;
    let tally = crowd.end().await?;
    sale::audit(swarm).await?;
    let after = books(&swarm.cluster).await?;
    ensure!(
        before.held <= after.held && before.events == after.events,
        "before {before:?}, afterwards {after:?}"
    );
    Ok(format!(
        "the sale went on {} after the power came back; {before:?} before, {after:?} after {} more holds; audit clean",
        say::duration(took),
        tally.held
    ))
}

/// Waits until the site answers at every door: for a moment the swarm believes that what ran before runs still.
async fn doors_open(swarm: &Swarm) -> anyhow::Result<()> {
    for node in 1..=NODES {
        try_wait_until(&format!("the site answers at door {node}"), SETTLED, || async {
            match swarm.door().ask(node, "/", &[]).await {
                Ok(answer) if answer.status == 200 => Ok(()),
                Ok(answer) => Err(answer.status.to_string()),
                Err(error) => Err(format!("{error:#}")),
            }
        })
        .await
        .map_err(anyhow::Error::msg)?;
    }
    Ok(())
}

/// What is kept, counted.
#[derive(Debug, PartialEq, Eq)]
struct Books {
    events: u32,
    held: u32,
}

async fn books(cluster: &Cluster) -> anyhow::Result<Books> {
    let ask = "select (select count(*) from event), (select count(*) from seat where state <> 'f')";
    let sql = ["psql", "-XAtq", "-h", "/tmp", "-U", "postgres", "-d", "tickets", "-c", ask];
    let said = try_wait_until("the database counts", SETTLED, || async {
        inside(cluster, "data_postgres-1", &sql).await.map_err(|error| format!("{error:#}"))
    })
    .await
    .map_err(anyhow::Error::msg)?;
    let mut numbers = said.trim().split('|').map(str::parse);
    let mut next = || numbers.next().context("a number is missing")?.context("no number");
    Ok(Books { events: next()?, held: next()? })
}

/// Three new nodes, a backup, and what the runbook says.
pub(super) async fn a_backup_is_restored_into_an_empty_swarm(swarm: &Swarm) -> anyhow::Result<String> {
    let sale = Sale::of(swarm).await?;
    inside(&swarm.cluster, "data_postgres-backups", &["livehouse-postgres", "backup"])
        .await
        .context("take a backup")?;
    // Sold after the backup was taken: only the archive has it.
    sale.hold_for_good(KEPT).await?;
    let before = books(&swarm.cluster).await?;
    let archived = tasks(&swarm.cluster, "data_postgres-backups").await;
    let archived = archived.first().context("the backups do not run")?.node.volume("data_backup");
    let kept = site::folder(&swarm.workspace).join("kept-backup");
    for node in swarm.cluster.nodes() {
        node.power_off().await?;
    }
    copy(&archived, &kept).await?;
    for node in swarm.cluster.nodes() {
        node.remove()?;
        crate::network::plug(node.number, true).await?;
    }
    let started = std::time::Instant::now();
    swarm.cluster.start().await?;
    swarm.deployment.prepare(&swarm.cluster).await?;
    swarm.deploy(["bus"]).await?;
    let first = swarm.cluster.node(1);
    for node in [first, swarm.cluster.node(3)] {
        node.ask(&["volume", "create", "data_backup"]).await?;
        copy(&kept, &node.volume("data_backup")).await?;
    }
    std::fs::remove_dir_all(&kept)?;
    let image = swarm.deployment.image("livehouse-postgres", "POSTGRES_VERSION");
    let mut restore = first.docker([
        "run",
        "--rm",
        "--volume",
        "data_postgres-1:/var/lib/postgresql",
        "--volume",
        "data_backup:/backup:ro",
    ]);
    run(restore.args([&image, "livehouse-postgres", "restore"]), SETTLED).await.context("restore")?;
    swarm.deploy(["data", "app", "edge"]).await?;
    doors_open(swarm).await?;
    let after = books(&swarm.cluster).await?;
    sale::audit(swarm).await?;
    let crowd = Sale::of(swarm).await?.begin(6, 3).await?;
    crowd.until_held(50).await?;
    let tally = crowd.end().await?;
    sale::audit(swarm).await?;
    ensure!(before == after, "before {before:?}, restored {after:?}");
    Ok(format!(
        "{after:?} as before, sold after the backup included; selling again {} after the empty swarm; {} holds since, audit clean",
        say::duration(started.elapsed()),
        tally.held
    ))
}

async fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    if to.exists() {
        std::fs::remove_dir_all(to)?;
    }
    run(program("cp", ["--archive"]).arg(from).arg(to), COPY).await.map(drop)
}
