//! Changes while the sale goes on: more and fewer replicas, a bad image, another configuration, a new version of everything.

use std::{path::PathBuf, time::Duration};

use anyhow::ensure;
use livehouse_stack::deploy::Outcome;
use livehouse_testkit::try_wait_until;

use super::service::{log_of, service, until_settled, update};
use crate::{
    command::run,
    deployment::Told,
    image, registry,
    sale::{self, Crowd, Sale, Tally},
    say, site,
    swarm::Swarm,
};

pub(super) const BUYERS: usize = 12;
pub(super) const VIEWERS: usize = 6;
pub(super) const SETTLED: Duration = Duration::from_secs(120);
/// One service, all of its tasks, with what its file asks to be waited between them.
const UPDATED: Duration = Duration::from_secs(300);
/// Longer than that nobody may wait for a seat while things are replaced one by one.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// What a crowd met with, in one line.
pub(super) fn told(tally: &Tally) -> String {
    format!(
        "{} holds, {} refused, {} asked again, none failed, no viewer stale, nobody was granted a seat for at most {:.1} s, audit clean",
        tally.held,
        tally.refused,
        tally.again,
        tally.longest_pause.as_secs_f64()
    )
}

/// Ends the crowd and lets the books be audited.
pub(super) async fn close(swarm: &Swarm, crowd: Crowd) -> anyhow::Result<Tally> {
    let tally = crowd.end().await?;
    sale::audit(swarm).await?;
    Ok(tally)
}

/// Owners are added and go away under the buyers' hands.
pub(super) async fn tickets_scale_from_two_to_four_and_back(swarm: &Swarm) -> anyhow::Result<String> {
    let scale = async |count: u8| {
        service(&swarm.cluster, &["scale", "--detach", &format!("app_tickets={count}")], SETTLED).await?;
        until_settled(&swarm.cluster, SETTLED).await
    };
    scale(2).await?;
    let crowd = Sale::of(swarm).await?.begin(BUYERS, VIEWERS).await?;
    for count in [4, 2] {
        scale(count).await?;
        crowd.until_held(crowd.held() + 50).await?;
    }
    let tally = close(swarm, crowd).await?;
    scale(3).await?;
    ensure!(tally.longest_pause < PAUSE_MAX, "nobody was granted a seat for {:?}", tally.longest_pause);
    Ok(told(&tally))
}

/// An image whose program never gets ready replaces nothing.
pub(super) async fn a_bad_image_rolls_back_by_itself(swarm: &Swarm) -> anyhow::Result<String> {
    let bad = image::broken("tickets");
    bad.ensure(&swarm.workspace, swarm.cluster.node(1), &site::folder(&swarm.workspace).join("images"))
        .await?;
    let crowd = Sale::of(swarm).await?.begin(BUYERS, VIEWERS).await?;
    let name = format!("{}/livehouse-tickets:broken", registry::ADDRESS);
    let started = std::time::Instant::now();
    let update = update(&swarm.cluster, "app_tickets", &["--image", &name]).await?;
    let state = update.end(&swarm.cluster, UPDATED).await?;
    let took = started.elapsed();
    let tally = close(swarm, crowd).await?;
    ensure!(state == "rollback_completed", "the update ended as {state}");
    until_settled(&swarm.cluster, SETTLED).await?;
    ensure!(tally.longest_pause < PAUSE_MAX, "nobody was granted a seat for {:?}", tally.longest_pause);
    Ok(format!("rolled back after {}; {}", say::duration(took), told(&tally)))
}

/// A copy of the project's files in which texts of one are others.
async fn changed(swarm: &Swarm, file: &str, changes: &[(&str, &str)]) -> anyhow::Result<PathBuf> {
    let copy = site::folder(&swarm.workspace).join("changed");
    let from = swarm.workspace.root();
    std::fs::create_dir_all(&copy)?;
    let mut copying = crate::command::program("cp", ["--archive"]);
    for part in ["stack", "traefik", "observability", "versions.env"] {
        copying.arg(from.join(part));
    }
    run(copying.arg(&copy), SETTLED).await?;
    let mut text = std::fs::read_to_string(copy.join(file))?;
    for (before, after) in changes {
        ensure!(text.contains(before), "{file} has no '{before}' to change");
        text = text.replace(before, after);
    }
    std::fs::write(copy.join(file), text)?;
    Ok(copy)
}

/// One service gets a command that it does not know, another only a label: both are as before in the end.
pub(super) async fn a_deployment_that_fails_is_taken_back(swarm: &Swarm) -> anyhow::Result<String> {
    let specifications = async || -> anyhow::Result<String> {
        let format = "{{json .Spec}}";
        let node = swarm.cluster.anyone().await?;
        let services = ["app_tickets", "app_orders", "app_identity", "app_site"];
        node.ask(&[&["service", "inspect", "--format", format], &services[..]].concat()).await
    };
    let copy = changed(
        swarm,
        "stack/app.yml",
        &[
            ("\"/livehouse-orders\", \"serve\"", "\"/livehouse-orders\", \"of-no-use\""),
            ("traefik.enable: \"true\"", "traefik.enable: \"true\"\n        livehouse.drill: \"given up\""),
        ],
    )
    .await?;
    let crowd = Sale::of(swarm).await?.begin(BUYERS, VIEWERS).await?;
    let before = specifications().await?;
    let mut deployment = swarm.deployment.with_folder(&copy).library(&swarm.cluster).await?;
    deployment.takes_back = true;
    let started = std::time::Instant::now();
    let report = deployment.deploy(&["app".to_string()], &mut Told).await?;
    let took = started.elapsed();
    std::fs::remove_dir_all(copy)?;
    ensure!(report.outcome == Outcome::TakenBack, "the deployment ended as {report:?}");
    let touched =
        |name: &str| report.services.iter().any(|service| service.name == name && service.taken_back);
    ensure!(touched("app_orders") && touched("app_site"), "not both were taken back: {report:?}");
    let after = specifications().await?;
    ensure!(before == after, "before {before}, afterwards {after}");
    let tally = close(swarm, crowd).await?;
    Ok(format!("taken back after {}, as before to the letter; {}", say::duration(took), told(&tally)))
}

/// A header of the edge changes: the configuration gets a new name, and the doors are replaced one by one.
pub(super) async fn a_changed_configuration_rolls_out(swarm: &Swarm) -> anyhow::Result<String> {
    let seconds = [("stsSeconds: 31536000", "stsSeconds: 31536001")];
    let copy = changed(swarm, "traefik/dynamic/middlewares.yml", &seconds).await?;
    let crowd = Sale::of(swarm).await?.begin(BUYERS, VIEWERS).await?;
    swarm.deployment.with_folder(&copy).deploy(&swarm.cluster, "edge").await?;
    shows(swarm, "31536001").await?;
    let tally = close(swarm, crowd).await?;
    std::fs::remove_dir_all(copy)?;
    // It goes back with the next deployment of the stack.
    Ok(format!("at three doors, one after the other; {}", told(&tally)))
}

async fn shows(swarm: &Swarm, seconds: &str) -> anyhow::Result<()> {
    for node in 1..=3 {
        try_wait_until(&format!("door {node} shows {seconds}"), SETTLED, || async {
            let answer = swarm.door().ask(node, "/", &[]).await.map_err(|error| format!("{error:#}"))?;
            let shown = answer.header("strict-transport-security").unwrap_or_default().to_string();
            // Its own pages have the header, too.
            let is_well = answer.status == 200 && shown.contains(seconds);
            if is_well { Ok(()) } else { Err(format!("{} {shown}", answer.status)) }
        })
        .await
        .map_err(anyhow::Error::msg)?;
    }
    Ok(())
}

/// Services that are replaced in the same turn; the next turn waits for them.
const TURNS: [&[&str]; 6] = [
    &[
        "app_tickets",
        "app_orders",
        "app_identity",
        "app_site",
        "edge_error-pages",
        "edge_socket-proxy",
        "edge_operators",
    ],
    &["bus_resgate", "data_keydb-replica"],
    &["bus_nats-1", "data_keydb"],
    &["bus_nats-2", "data_postgres-archive"],
    &["bus_nats-3", "data_postgres-2", "data_postgres-backups"],
    &["data_postgres-1"],
];
/// The database's primary has no second that takes over by itself: while it starts again, people wait.
pub(super) const PAUSE_MAX_WITH_DATABASE: Duration = Duration::from_secs(45);

/// Every task of every service is replaced, in the order and at the pace that the stacks ask for. The doors are not among
/// them: a changed configuration has replaced them.
pub(super) async fn every_service_is_updated_during_the_sale(swarm: &Swarm) -> anyhow::Result<String> {
    let crowd = Sale::of(swarm).await?.begin(BUYERS, VIEWERS).await?;
    for turn in TURNS {
        let mut updates = Vec::new();
        for name in turn {
            updates.push((name, update(&swarm.cluster, name, &["--force"]).await?));
        }
        for (name, update) in updates {
            let state = update.end(&swarm.cluster, UPDATED).await?;
            ensure!(state == "completed", "the update of {name} ended as {state}");
        }
        until_settled(&swarm.cluster, SETTLED).await?;
        crowd.until_held(crowd.held() + 20).await?;
        say::line(&format!("    replaced: {}", turn.join(", ")));
    }
    let tally = close(swarm, crowd).await?;
    nobody_is_refused(swarm).await?;
    ensure!(
        tally.longest_pause < PAUSE_MAX_WITH_DATABASE,
        "nobody was granted a seat for {:?}",
        tally.longest_pause
    );
    let count: usize = TURNS.iter().map(|turn| turn.len()).sum();
    Ok(format!("{count} services; {}", told(&tally)))
}

/// A service that the bus does not let do what it does would work in part, and nobody would see which.
async fn nobody_is_refused(swarm: &Swarm) -> anyhow::Result<()> {
    for number in 1..=3 {
        let log = log_of(&swarm.cluster, &format!("bus_nats-{number}"), 10_000).await?;
        let refused = log.lines().find(|line| line.contains("Violation"));
        ensure!(refused.is_none(), "the bus refuses a service: {}", refused.unwrap_or_default());
    }
    Ok(())
}
