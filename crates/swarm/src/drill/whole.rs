//! The whole of it: everything off and on again, and everything gone but the backup.

use std::{path::Path, time::Duration};

use anyhow::{Context, ensure};
use futures::future::try_join_all;
use livehouse_testkit::try_wait_until;

use super::service::{remove_stacks, tasks, until_settled};
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
    lay_out(swarm, &[]).await?;
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

/// What the runbook lets a person do on the node of the primary.
async fn lay_out(swarm: &Swarm, until: &[&str]) -> anyhow::Result<()> {
    let image = swarm.deployment.image("livehouse-postgres", "POSTGRES_VERSION");
    let volumes = ["--volume", "data_postgres-1:/var/lib/postgresql", "--volume", "data_backup:/backup:ro"];
    let mut restore = swarm.cluster.node(1).docker(["run", "--rm"]);
    restore.args(volumes).args([&image, "livehouse-postgres", "restore"]).args(until);
    run(&mut restore, SETTLED).await.context("restore").map(drop)
}

/// Something happened that should not have: what came after a moment is given up, and the rest goes on.
pub(super) async fn the_sale_goes_back_to_a_moment(swarm: &Swarm) -> anyhow::Result<String> {
    let cluster = &swarm.cluster;
    let sale = Sale::of(swarm).await?;
    inside(cluster, "data_postgres-backups", &["livehouse-postgres", "backup"]).await?;
    sale.hold_for_good(KEPT).await?;
    let before = books(cluster).await?;
    let now = ["psql", "-XAtq", "-h", "/tmp", "-U", "postgres", "-d", "postgres", "-c", "select now()"];
    let moment = inside(cluster, "data_postgres-1", &now).await?;
    let crowd = sale.begin(6, 3).await?;
    crowd.until_held(50).await?;
    // What came afterwards fills more than a segment of the log, so that the archive ends where the server will never be.
    let next =
        ["psql", "-XAtq", "-h", "/tmp", "-U", "postgres", "-d", "postgres", "-c", "select pg_switch_wal()"];
    inside(cluster, "data_postgres-1", &next).await?;
    sale.hold_for_good(KEPT).await?;
    crowd.end().await?;
    let given_up = books(cluster).await?;
    ensure!(given_up.held > before.held, "nothing came after the moment: {before:?}, {given_up:?}");
    let archived = tasks(cluster, "data_postgres-backups").await;
    let archived = archived.first().context("the backups do not run")?.node.volume("data_backup");
    let logs = old_logs(&archived)?;

    let started = std::time::Instant::now();
    remove_stacks(cluster, &["app", "data", "bus"]).await?;
    begin_empty(cluster).await?;
    let first = cluster.node(1);
    let data = first.volume("data_postgres-1").join("18/data");
    tokio::fs::rename(&data, data.with_extension("given-up")).await.context("move the data aside")?;
    copy(&archived, &first.volume("data_backup")).await?;
    lay_out(swarm, &[moment.trim()]).await?;
    swarm.deploy(["bus", "data", "app"]).await?;
    doors_open(swarm).await?;
    let after = books(cluster).await?;
    sale::audit(swarm).await?;
    let took = started.elapsed();
    ensure!(
        before == after,
        "{before:?} at the moment, {given_up:?} when it was given up, restored {after:?}"
    );
    let crowd = Sale::of(swarm).await?.begin(6, 3).await?;
    crowd.until_held(50).await?;
    crowd.end().await?;
    sale::audit(swarm).await?;
    goes_on_from_here(swarm, &archived, logs).await?;
    Ok(format!(
        "{after:?} as at the moment, of {given_up:?} afterwards; selling again after {}; the archive began anew, and a \
         backup of what came since restores; audit clean",
        say::duration(took)
    ))
}

/// Takes away what the bus, the cache and the standby know; containers that have ended go in a moment, and their volumes then.
async fn begin_empty(cluster: &Cluster) -> anyhow::Result<()> {
    let begins_empty = |name: &&str| {
        name.starts_with("bus_") || name.starts_with("data_keydb") || *name == "data_postgres-2"
    };
    try_wait_until("what came afterwards is gone", SETTLED, || async {
        for node in cluster.nodes() {
            let volumes =
                node.ask(&["volume", "ls", "--quiet"]).await.map_err(|error| format!("{error:#}"))?;
            for name in volumes.lines().filter(begins_empty) {
                node.ask(&["volume", "rm", name]).await.map_err(|error| format!("{error:#}"))?;
            }
        }
        Ok(())
    })
    .await
    .map_err(anyhow::Error::msg)
}

fn old_logs(archive: &Path) -> anyhow::Result<usize> {
    let names = std::fs::read_dir(archive)?.flatten().map(|entry| entry.file_name());
    Ok(names.filter(|name| name.to_string_lossy().starts_with("wal.superseded-")).count())
}

/// The archive ended with what was given up: it begins anew by itself, with a backup that can be restored.
async fn goes_on_from_here(swarm: &Swarm, archive: &Path, before: usize) -> anyhow::Result<()> {
    try_wait_until("the archive begins anew", SETTLED, || async {
        match old_logs(archive) {
            Ok(logs) if logs > before => Ok(()),
            Ok(logs) => Err(format!("{logs} old logs")),
            Err(error) => Err(format!("{error:#}")),
        }
    })
    .await
    .map_err(anyhow::Error::msg)?;
    for step in ["backup", "drill"] {
        inside(&swarm.cluster, "data_postgres-backups", &["livehouse-postgres", step]).await.context(step)?;
    }
    Ok(())
}

async fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    if to.exists() {
        std::fs::remove_dir_all(to)?;
    }
    run(program("cp", ["--archive"]).arg(from).arg(to), COPY).await.map(drop)
}
