//! Passwords are renewed while they are used.

use std::time::Instant;

use anyhow::{Context, ensure};
use livehouse_stack::secrets::{self, Group};

use super::{
    bus,
    change::{BUYERS, PAUSE_MAX_WITH_DATABASE, VIEWERS, close, told},
    service::{tasks, until_settled},
};
use crate::{
    certificate::fingerprint_shown_at,
    command::{QUICK, run_with_input},
    deployment::Told,
    network,
    sale::Sale,
    say,
    swarm::Swarm,
};

/// The passwords of the databases and of KeyDB.
pub(super) async fn passwords_are_renewed_during_the_sale(swarm: &Swarm) -> anyhow::Result<String> {
    let old = url_of_the_database(swarm).await?;
    ensure!(lets_in(swarm, &old).await?, "the database refuses what the service uses");
    let crowd = Sale::of(swarm).await?.begin(BUYERS, VIEWERS).await?;
    let renewed = renew(swarm, "data").await?;
    crowd.until_held(crowd.held() + 20).await?;
    let tally = close(swarm, crowd).await?;
    let new = url_of_the_database(swarm).await?;
    ensure!(new != old, "the service still has the old password");
    ensure!(lets_in(swarm, &new).await?, "the database refuses the new password");
    ensure!(!lets_in(swarm, &old).await?, "the database still takes the old password");
    ensure!(
        tally.longest_pause < PAUSE_MAX_WITH_DATABASE,
        "nobody was granted a seat for {:?}",
        tally.longest_pause
    );
    Ok(format!("the old password of the database refused; {renewed}; {}", told(&tally)))
}

/// All that the services, the bus, the database's keepers and the edge have, one group after the other. Whoever is signed in is not
/// any more after the last: buyers begin anew there.
pub(super) async fn every_other_secret_of_the_sale_is_renewed(swarm: &Swarm) -> anyhow::Result<String> {
    let mut said = Vec::new();
    let old_bus = bus::url_of_tickets(swarm).await?;
    ensure!(
        !bus::answer(swarm, &old_bus, "").await?.contains("-ERR"),
        "the bus refuses what the service uses"
    );
    for group in ["bus", "routes", "replication", "edge"] {
        let crowd = Sale::of(swarm).await?.begin(BUYERS, VIEWERS).await?;
        if group == "edge" {
            swarm.certificate.renew().await?;
        }
        let renewed = renew(swarm, group).await?;
        crowd.until_held(crowd.held() + 20).await?;
        let tally = close(swarm, crowd).await.with_context(|| format!("while {group} was renewed"))?;
        let pause = tally.longest_pause;
        ensure!(pause < PAUSE_MAX_WITH_DATABASE, "{group}: nobody was granted a seat for {pause:?}");
        said.push(format!("{renewed}; {}", told(&tally)));
    }
    let refused = bus::answer(swarm, &old_bus, "").await?;
    ensure!(refused.contains("Authorization Violation"), "the bus answers the old password with {refused:?}");
    for node in swarm.cluster.nodes() {
        let shown = fingerprint_shown_at(&network::address(node.number)).await?;
        ensure!(
            shown == swarm.certificate.fingerprint().await?,
            "the door of node {} shows {shown}",
            node.number
        );
    }
    let session = Sale::of(swarm).await?.session().await?;
    ensure!(!is_given_a_session(swarm, &session).await?, "who has a session is given another");
    said.push(renew(swarm, "site").await?);
    ensure!(is_given_a_session(swarm, &session).await?, "the old session is still one");
    let crowd = Sale::of(swarm).await?.begin(BUYERS, VIEWERS).await?;
    crowd.until_held(20).await?;
    close(swarm, crowd).await?;
    Ok(said.join("\n    "))
}

/// Whether who comes to the site with this session needs another.
async fn is_given_a_session(swarm: &Swarm, session: &str) -> anyhow::Result<bool> {
    let answer = swarm.door().ask(1, "/", &["--cookie", session]).await?;
    Ok(answer.header("set-cookie").is_some())
}

/// Renews a group, waits until all is as it should be, and says how long that took.
pub(super) async fn renew(swarm: &Swarm, group: &str) -> anyhow::Result<String> {
    let began = Instant::now();
    let deployment = swarm.deployment.library(&swarm.cluster).await?;
    let rotated = secrets::rotate(&deployment, Group::named(group)?, true, &mut Told).await?;
    ensure!(rotated.is_done(), "{group}: {:?}", rotated.reports);
    until_settled(&swarm.cluster, super::change::SETTLED).await?;
    let (version, removed) = (rotated.plan.make, rotated.removed.len());
    Ok(format!("{group}: version {version} after {}, {removed} removed", say::duration(began.elapsed())))
}

/// As a task of the service has it.
async fn url_of_the_database(swarm: &Swarm) -> anyhow::Result<String> {
    let tasks = tasks(&swarm.cluster, "app_tickets").await;
    tasks.first().context("tickets does not run")?.file("/run/secrets/postgres_url").await
}

/// Whether the primary takes this URL. It goes by standard input: passwords are in no list of processes.
async fn lets_in(swarm: &Swarm, url: &str) -> anyhow::Result<bool> {
    let tasks = tasks(&swarm.cluster, "data_postgres-1").await;
    let primary = tasks.first().context("the primary does not run")?;
    let script = "IFS=' ' read -r user PGPASSWORD database; export PGPASSWORD; \
                  psql -XAtq \"host=127.0.0.1 port=5432 user=$user dbname=$database\" -c 'select 1' 2>&1; true";
    let (account, place) = url
        .strip_prefix("postgres://")
        .and_then(|url| url.split_once('@'))
        .context("this is no URL of PostgreSQL")?;
    let account = account.replace(':', " ");
    let database = place.rsplit('/').next().and_then(|last| last.split('?').next()).unwrap_or_default();
    let mut ask = primary.node.docker(["exec", "--interactive", &primary.container, "bash", "-c", script]);
    let said = run_with_input(&mut ask, Some(format!("{account} {database}\n").as_bytes()), QUICK).await?;
    match said.trim() {
        "1" => Ok(true),
        refused if refused.contains("authentication failed") => Ok(false),
        other => anyhow::bail!("the database said {other:?}"),
    }
}
