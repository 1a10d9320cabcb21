//! The three nodes as one swarm.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::bail;
use futures::future::try_join_all;

use crate::{network, node::Node};

/// How many nodes there are: all are managers, so that one may be lost.
pub(crate) const NODES: u8 = 3;
/// Addresses of networks that nobody gave any.
const ADDRESS_POOL: &str = "10.88.0.0/14";
const READY_DEADLINE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(250);

/// What each node is for: the labels that the stacks ask for.
const LABELS: [&[&str]; 3] = [
    &["livehouse.nats=1", "livehouse.postgres=1", "livehouse.keydb=2", "livehouse.edge=true"],
    &["livehouse.nats=2", "livehouse.postgres=2", "livehouse.keydb=1", "livehouse.edge=true"],
    &[
        "livehouse.nats=3",
        "livehouse.backup=true",
        "livehouse.observability=true",
        "livehouse.ops=true",
        "livehouse.edge=true",
    ],
];

/// The nodes. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Cluster {
    nodes: Vec<Node>,
}

impl Cluster {
    /// The nodes whose data is in `folder`.
    pub(crate) fn in_folder(folder: &Path) -> Cluster {
        Cluster { nodes: (1..=NODES).map(|number| Node::new(number, &folder.join("nodes"))).collect() }
    }

    /// All nodes.
    pub(crate) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The node of this number, from 1.
    pub(crate) fn node(&self, number: u8) -> &Node {
        &self.nodes[usize::from(number) - 1]
    }

    /// The first node that answers: where to ask about the swarm while one is away.
    pub(crate) async fn anyone(&self) -> anyhow::Result<&Node> {
        for node in &self.nodes {
            if node.answers().await {
                return Ok(node);
            }
        }
        bail!("no node answers: `cargo dev swarm up` starts them")
    }

    /// Starts the engines and joins them, as far as that is not so.
    pub(crate) async fn start(&self) -> anyhow::Result<()> {
        network::make(NODES).await?;
        try_join_all(self.nodes.iter().map(Node::start)).await?;
        let first = self.node(1);
        if !is_in_swarm(first).await? {
            let address = first.address();
            let init = ["swarm", "init", "--advertise-addr", &address, "--default-addr-pool", ADDRESS_POOL];
            first.ask(&init).await?;
        }
        let token = first.ask(&["swarm", "join-token", "--quiet", "manager"]).await?;
        for node in &self.nodes[1..] {
            if !is_in_swarm(node).await? {
                let own = node.address();
                let leader = format!("{}:2377", first.address());
                node.ask(&["swarm", "join", "--advertise-addr", &own, "--token", &token, &leader]).await?;
            }
        }
        self.until_ready().await?;
        for (node, labels) in self.nodes.iter().zip(LABELS) {
            let mut update = vec!["node", "update"];
            update.extend(labels.iter().flat_map(|label| ["--label-add", *label]));
            let name = node.name();
            update.push(&name);
            first.ask(&update).await?;
        }
        Ok(())
    }

    /// Waits until every node is ready and a manager that the others hear.
    pub(crate) async fn until_ready(&self) -> anyhow::Result<()> {
        let until = Instant::now() + READY_DEADLINE;
        loop {
            let state = self.states().await.unwrap_or_else(|error| vec![format!("{error:#}")]);
            let ready =
                state.iter().filter(|line| line.contains("Ready") && !line.ends_with("Unreachable")).count();
            if ready == self.nodes.len() {
                return Ok(());
            }
            if Instant::now() > until {
                bail!("not every node is ready after {READY_DEADLINE:?}:\n  {}", state.join("\n  "));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// One line for each node as the swarm sees it: name, condition, role.
    pub(crate) async fn states(&self) -> anyhow::Result<Vec<String>> {
        let format = "{{.Hostname}} {{.Status}} {{.ManagerStatus}}";
        let said = self.anyone().await?.ask(&["node", "ls", "--format", format]).await?;
        Ok(said.lines().map(str::to_string).collect())
    }
}

async fn is_in_swarm(node: &Node) -> anyhow::Result<bool> {
    Ok(node.ask(&["info", "--format", "{{.Swarm.LocalNodeState}}"]).await? == "active")
}
