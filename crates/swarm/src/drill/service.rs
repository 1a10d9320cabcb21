//! What drills ask of the swarm's services.

use std::{path::Path, time::Duration};

use anyhow::{Context, bail};
use futures::future::BoxFuture;
use livehouse_testkit::try_wait_until;
use tokio_util::task::AbortOnDropHandle;

use crate::{
    cluster::Cluster,
    command::{QUICK, program, run, run_whole},
    node::Node,
    swarm::Swarm,
};

/// PostgreSQL is given two minutes to stop.
const GONE: Duration = Duration::from_secs(180);

/// A running task: where, and in which container.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    pub(crate) node: Node,
    pub(crate) container: String,
}

/// The running tasks of a service, as the engines have them.
pub(crate) async fn tasks(cluster: &Cluster, service: &str) -> Vec<Task> {
    let mut tasks = Vec::new();
    let filter = format!("label=com.docker.swarm.service.name={service}");
    for node in cluster.nodes() {
        let listed = node.ask(&["ps", "--quiet", "--filter", &filter, "--filter", "status=running"]).await;
        for container in listed.unwrap_or_default().lines() {
            tasks.push(Task { node: node.clone(), container: container.to_string() });
        }
    }
    tasks
}

impl Task {
    /// Sends its first process a signal.
    pub(crate) async fn kill(&self, signal: &str) -> anyhow::Result<()> {
        self.node.ask(&["kill", "--signal", signal, &self.container]).await.map(drop)
    }

    /// The number of its first process, on this machine.
    pub(crate) async fn pid(&self) -> anyhow::Result<String> {
        self.node.ask(&["inspect", "--format", "{{.State.Pid}}", &self.container]).await
    }

    /// What its program answers to a question that is only let in from its own network; the value of `parameter`, which is
    /// `name=value`, is encoded for it.
    pub(crate) async fn asked(&self, url: &str, parameter: Option<&str>) -> anyhow::Result<String> {
        let pid = self.pid().await?;
        let mut ask = program("nsenter", ["--net", "--target", &pid, "curl", "--silent", "--max-time", "10"]);
        if let Some(parameter) = parameter {
            ask.args(["--get", "--data-urlencode", parameter]);
        }
        run(ask.arg(url), QUICK).await
    }

    /// What a file in it says, without the last line's end; images need have no program for that.
    pub(crate) async fn file(&self, path: &str) -> anyhow::Result<String> {
        let at = format!("/proc/{}/root{path}", self.pid().await?);
        let text = tokio::fs::read_to_string(&at).await.with_context(|| format!("read {at}"))?;
        Ok(text.trim_end().to_string())
    }

    /// Holds all of its processes still, or lets them go on.
    pub(crate) async fn freeze(&self, is_still: bool) -> anyhow::Result<()> {
        self.node.ask(&[if is_still { "pause" } else { "unpause" }, &self.container]).await.map(drop)
    }
}

/// `docker service …`, asked of whichever node answers.
pub(crate) async fn service(
    cluster: &Cluster,
    arguments: &[&str],
    deadline: Duration,
) -> anyhow::Result<String> {
    let node = cluster.anyone().await?;
    run(node.docker(["service"]).args(arguments), deadline).await
}

/// What the swarm says of the last update of a service: when it began, and how it is.
async fn last_update(cluster: &Cluster, service_name: &str) -> anyhow::Result<(String, String)> {
    let format = "{{if .UpdateStatus}}{{.UpdateStatus.StartedAt}}|{{.UpdateStatus.State}}{{end}}";
    let said = cluster.anyone().await?.ask(&["service", "inspect", "--format", format, service_name]).await?;
    let (began, state) = said.split_once('|').unwrap_or_default();
    Ok((began.to_string(), state.to_string()))
}

/// An update that was asked for.
pub(crate) struct Update {
    service_name: String,
    /// When the one before it began; nothing if there was none.
    before: String,
}

/// Asks for an update of a service: `docker service update`.
pub(crate) async fn update(
    cluster: &Cluster,
    service_name: &str,
    arguments: &[&str],
) -> anyhow::Result<Update> {
    let (before, _) = last_update(cluster, service_name).await?;
    let all = [&["update", "--detach"], arguments, &[service_name]].concat();
    service(cluster, &all, QUICK).await?;
    Ok(Update { service_name: service_name.to_string(), before })
}

/// Waits until every service has as many healthy tasks as it is meant to have.
pub(crate) async fn until_settled(cluster: &Cluster, deadline: Duration) -> anyhow::Result<()> {
    try_wait_until("every service has what it is meant to have", deadline, || async {
        let ask = async {
            let format = "{{.Name}} {{.Replicas}}";
            cluster.anyone().await?.ask(&["service", "ls", "--format", format]).await
        };
        let said = ask.await.map_err(|error| format!("{error:#}"))?;
        let lacking: Vec<&str> = said
            .lines()
            .filter(|line| !line.contains("completed"))
            .filter(|line| {
                line.split_whitespace()
                    .nth(1)
                    .and_then(|count| count.split_once('/'))
                    .is_some_and(|(has, wants)| has != wants)
            })
            .collect();
        if lacking.is_empty() { Ok(()) } else { Err(lacking.join(", ")) }
    })
    .await
    .map_err(anyhow::Error::msg)
}

impl Update {
    /// Waits until it has come to an end, and gives how: an earlier one's is not taken for it.
    pub(crate) async fn end(&self, cluster: &Cluster, deadline: Duration) -> anyhow::Result<String> {
        let name = &self.service_name;
        let state = try_wait_until(&format!("the update of {name} ends"), deadline, || async {
            match last_update(cluster, name).await {
                // Between the two the swarm says nothing.
                Ok((began, _)) if began.is_empty() || began == self.before => Err("nothing yet".to_string()),
                Ok((_, state)) if state == "updating" || state == "rollback_started" => Err(state),
                Ok((_, state)) => Ok(state),
                Err(error) => Err(format!("{error:#}")),
            }
        })
        .await
        .map_err(anyhow::Error::msg)?;
        if state == "paused" {
            bail!("the update of {name} is paused");
        }
        Ok(state)
    }
}

/// Takes stacks away and waits until nothing of them runs. (Of jobs that were done the engine keeps the containers.)
pub(crate) async fn remove_stacks(cluster: &Cluster, stacks: &[&str]) -> anyhow::Result<()> {
    cluster.anyone().await?.ask(&[&["stack", "rm"], stacks].concat()).await?;
    try_wait_until("nothing runs of what was taken away", GONE, || async {
        for node in cluster.nodes() {
            for stack in stacks {
                let filter = format!("label=com.docker.stack.namespace={stack}");
                let left = node.ask(&["ps", "--quiet", "--filter", &filter]).await;
                let left = left.map_err(|error| format!("{error:#}"))?.lines().count();
                if left > 0 {
                    return Err(format!("{left} containers of {stack} on node {}", node.number));
                }
            }
        }
        Ok(())
    })
    .await
    .map_err(anyhow::Error::msg)
}

/// Does something with a stack that is there only for that: what it takes is the sale's again afterwards, whatever happens. When
/// both fail, it is the drill that is told of.
pub(crate) async fn with_stack(
    swarm: &Swarm,
    stack: &str,
    drill: BoxFuture<'static, anyhow::Result<String>>,
) -> anyhow::Result<String> {
    let done = match swarm.deployment.deploy(&swarm.cluster, stack).await {
        // In a task of its own: a panic does not leave the stack behind.
        Ok(()) => AbortOnDropHandle::new(tokio::spawn(drill)).await.context("it panicked").flatten(),
        Err(error) => Err(error),
    };
    let removed = remove_stacks(&swarm.cluster, &[stack]).await;
    let said = done?;
    removed?;
    Ok(said)
}

/// The last lines of the logs of all running tasks of a service, whichever output they were written to.
pub(crate) async fn log_of(cluster: &Cluster, service_name: &str, lines: u32) -> anyhow::Result<String> {
    let lines = lines.to_string();
    let mut all = String::new();
    for task in tasks(cluster, service_name).await {
        let mut ask = task.node.docker(["logs", "--tail", &lines, &task.container]);
        let (said, complained) = run_whole(&mut ask, None, QUICK).await.context("read the log of a task")?;
        all.extend([said, complained]);
    }
    Ok(all)
}

/// Writes the last lines of all containers, those that ended too, into a folder: what one looks at when a drill failed.
pub(crate) async fn keep_logs(cluster: &Cluster, folder: &Path) -> anyhow::Result<()> {
    for node in cluster.nodes() {
        let Ok(listed) = node.ask(&["ps", "--all", "--format", "{{.ID}} {{.Names}}"]).await else { continue };
        let into = folder.join(format!("node-{}", node.number));
        std::fs::create_dir_all(&into).with_context(|| format!("make {}", into.display()))?;
        for (container, name) in listed.lines().filter_map(|line| line.split_once(' ')) {
            let mut ask = node.docker(["logs", "--timestamps", "--tail", "1000", container]);
            // One that went away meanwhile has none.
            let Ok((said, complained)) = run_whole(&mut ask, None, QUICK).await else { continue };
            std::fs::write(into.join(format!("{name}.log")), format!("{said}{complained}"))?;
        }
    }
    Ok(())
}
