//! The wires between the nodes: a bridge on this machine, and for each node a network namespace with one end of a cable.
//! There is no way out of it: nodes see each other and this machine, and nothing else.

use std::path::PathBuf;

use crate::command::{QUICK, program, run};

/// The bridge.
const BRIDGE: &str = "livehouse0";
/// This machine's address on it.
pub(crate) const HOST: &str = "10.77.0.254";

/// Where on it somebody who is told of alerts would listen; the drill that needs one does.
pub(crate) const ALERTS_PORT: u16 = 9099;

/// What the stack has as `ALERT_WEBHOOK_URL`.
pub(crate) fn alerts_url() -> String {
    format!("http://{HOST}:{ALERTS_PORT}/alerts")
}

/// A node's address on the bridge.
pub(crate) fn address(node: u8) -> String {
    format!("10.77.0.{node}")
}

/// The name of a node's namespace.
pub(crate) fn namespace(node: u8) -> String {
    format!("livehouse-swarm-{node}")
}

/// The file that stands for a node's namespace.
pub(crate) fn namespace_file(node: u8) -> PathBuf {
    PathBuf::from("/run/netns").join(namespace(node))
}

fn cable(node: u8) -> String {
    format!("livehouse-n{node}")
}

async fn ip(arguments: &str) -> anyhow::Result<()> {
    run(&mut program("ip", arguments.split_whitespace()), QUICK).await.map(drop)
}

async fn is_there(arguments: &str) -> bool {
    ip(arguments).await.is_ok()
}

/// Makes the bridge and a namespace for each node, as far as they are not there.
pub(crate) async fn make(nodes: u8) -> anyhow::Result<()> {
    if !is_there(&format!("link show {BRIDGE}")).await {
        ip(&format!("link add {BRIDGE} type bridge")).await?;
        ip(&format!("address add {HOST}/24 dev {BRIDGE}")).await?;
        ip(&format!("link set {BRIDGE} up")).await?;
    }
    // An engine of this machine's own may have closed forwarding for all bridges.
    let rule = ["FORWARD", "-i", BRIDGE, "-o", BRIDGE, "-j", "ACCEPT"];
    let is_open = run(program("iptables", ["-C"]).args(rule), QUICK).await.is_ok();
    if !is_open {
        run(program("iptables", ["-I"]).args(rule), QUICK).await?;
    }
    for node in 1..=nodes {
        let (name, cable) = (namespace(node), cable(node));
        if namespace_file(node).exists() && is_there(&format!("link show {cable}")).await {
            continue;
        }
        if namespace_file(node).exists() {
            // Left by a run that was broken off between the two.
            ip(&format!("netns delete {name}")).await?;
        }
        ip(&format!("netns add {name}")).await?;
        ip(&format!("link add {cable} type veth peer name eth0 netns {name}")).await?;
        ip(&format!("link set {cable} master {BRIDGE} up")).await?;
        ip(&format!("-n {name} address add {}/24 dev eth0", address(node))).await?;
        ip(&format!("-n {name} link set lo up")).await?;
        ip(&format!("-n {name} link set eth0 up")).await?;
    }
    Ok(())
}

/// Pulls a node's cable out, or puts it back.
pub(crate) async fn plug(node: u8, is_in: bool) -> anyhow::Result<()> {
    ip(&format!("link set {} {}", cable(node), if is_in { "up" } else { "down" })).await
}

/// Removes all of it.
pub(crate) async fn remove(nodes: u8) -> anyhow::Result<()> {
    for node in 1..=nodes {
        if namespace_file(node).exists() {
            ip(&format!("netns delete {}", namespace(node))).await?;
        }
        // It goes with the namespace, unless a process still holds that.
        let _gone = ip(&format!("link delete {}", cable(node))).await;
    }
    let rule = ["FORWARD", "-i", BRIDGE, "-o", BRIDGE, "-j", "ACCEPT"];
    while run(program("iptables", ["-D"]).args(rule), QUICK).await.is_ok() {}
    if is_there(&format!("link show {BRIDGE}")).await {
        ip(&format!("link delete {BRIDGE}")).await?;
    }
    Ok(())
}
