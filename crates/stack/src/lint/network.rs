//! How services reach each other, and who else reaches them.

use super::{Rule, Sink};
use crate::{
    project::{Project, Service},
    quantity::seconds,
    yaml::Node,
};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "virtual-address",
        what: "Services are found by the addresses of their tasks (dnsrr), not behind a virtual one.",
        why: "A virtual address forgets a connection that was silent for 900 seconds, and tells nobody: the bus, databases and WebSockets hang.",
        instead: "deploy: {endpoint_mode: dnsrr}.",
        check: virtual_address,
    },
    Rule {
        name: "published-port",
        what: "Only the edge publishes ports.",
        why: "A published port is open on every node and goes past the host's firewall: a registry or a database would face the world without TLS or a password.",
        instead: "Remove `ports`; a router on the edge reaches it by its network.",
        check: published,
    },
    Rule {
        name: "ingress-port",
        what: "Published ports are ports of the node (mode: host).",
        why: "The mesh hides the peer's address (rate limits see one client), forgets idle connections, and is refused together with dnsrr, which `docker stack config` does not say.",
        instead: "{target: 443, published: 443, mode: host}.",
        check: ingress,
    },
    Rule {
        name: "overlay-port",
        what: "An overlay does not name a service that publishes one port number for two protocols.",
        why: "When Docker lays one file over another, it keeps one port of each number: 443/udp stays, 443/tcp is closed, and nothing says so.",
        instead: "Leave the service out of the overlay; what must differ there can be a variable with a default.",
        check: overlay_port,
    },
    Rule {
        name: "network-definition",
        what: "A network is one that networks.sh makes (external), or an internal overlay of its stack.",
        why: "A network that a stack makes goes with the stack, is named after it, is not encrypted, and lets its tasks out into the world.",
        instead: "name: {name: livehouse_…, external: true} and a line in stack/networks.sh; or {driver: overlay, internal: true}.",
        check: definition,
    },
    Rule {
        name: "network-secrecy",
        what: "networks.sh makes overlays that are encrypted, not attachable, and internal unless tasks on them must reach the world.",
        why: "An overlay crosses the wire in the clear, and an attachable one can be joined by any container of any node.",
        instead: "make livehouse_NAME 10.90.N.0/24 encrypted internal.",
        check: secrecy,
    },
    Rule {
        name: "network-size",
        what: "Each overlay has a /24 of its own.",
        why: "Larger overlays make name resolution and failover slow; two with the same addresses do not reach each other.",
        instead: "The next free 10.90.N.0/24.",
        check: size,
    },
    Rule {
        name: "keepalive",
        what: "Services on the bus or with the data ask after silent connections within five minutes.",
        why: "Firewalls and tunnels between nodes forget a silent connection; containers do not inherit the node's settings.",
        instead: "sysctls: {net.ipv4.tcp_keepalive_time: \"300\"}.",
        check: keepalive,
    },
    Rule {
        name: "lost-peer",
        what: "Services on the bus or with the data give up a peer that acknowledges nothing after seconds.",
        why: "A node that loses its power closes no connection: what is sent to it is sent again for fifteen minutes, and whoever waits for the answer waits as long.",
        instead: "sysctls: {net.ipv4.tcp_retries2: \"5\"}, which is thirteen seconds.",
        check: lost_peer,
    },
];

fn virtual_address(project: &Project, sink: &mut Sink<'_>) {
    for service in project.services().filter(|service| !service.is_job()) {
        let way = ["deploy", "endpoint_mode"];
        if service.node.text_at(&way) != Some("dnsrr") {
            sink.service(service, &way, "it gets a virtual address");
        }
    }
}

fn ports(service: Service<'_>) -> &[Node] {
    service.node.get("ports").map_or(&[][..], |node| node.items())
}

fn published(project: &Project, sink: &mut Sink<'_>) {
    for service in project.services().filter(|service| service.stack.name != "edge") {
        for port in ports(service) {
            let said = port.text().or_else(|| port.text_at(&["published"])).unwrap_or("a port");
            sink.at_line(service, port.line, "ports", format!("it publishes {said}"));
        }
    }
}

fn ingress(project: &Project, sink: &mut Sink<'_>) {
    for service in project.services().filter(|service| service.stack.name == "edge") {
        for port in ports(service).iter().filter(|port| port.text_at(&["mode"]) != Some("host")) {
            sink.at_line(service, port.line, "ports", "the port goes through the mesh");
        }
    }
}

fn overlay_port(project: &Project, sink: &mut Sink<'_>) {
    for overlay in &project.overlays {
        let Some(stack) = project.stack(&overlay.stack) else { continue };
        for (name, node) in overlay.root.get("services").map_or(&[][..], Node::entries) {
            let Some(service) = stack.services().find(|service| service.name == name) else { continue };
            let mut numbers: Vec<&str> =
                ports(service).iter().filter_map(|port| port.text_at(&["published"])).collect();
            let count = numbers.len();
            numbers.sort_unstable();
            numbers.dedup();
            if numbers.len() < count {
                let message = format!("{name} publishes a port number twice, and one of the two goes");
                sink.file(&overlay.file, node.line, name, message);
            }
        }
    }
}

/// A line `make NAME SUBNET SECRECY REACH` of networks.sh.
struct Made<'a> {
    line: usize,
    name: &'a str,
    subnet: &'a str,
    rest: Vec<&'a str>,
}

fn made(project: &Project) -> Vec<Made<'_>> {
    let lines = project.networks.text.lines().enumerate();
    lines
        .filter_map(|(index, line)| {
            let mut words = line.strip_prefix("make ")?.split_whitespace();
            let (name, subnet) = (words.next()?, words.next()?);
            Some(Made {
                line: index + 1,
                name,
                subnet,
                rest: words.take_while(|word| *word != "#").collect(),
            })
        })
        .collect()
}

fn definition(project: &Project, sink: &mut Sink<'_>) {
    let made = made(project);
    for stack in &project.stacks {
        for (key, node) in stack.section("networks") {
            let said = |what: &str| node.text_at(&[what]);
            let name = said("name").unwrap_or(key);
            if said("external") == Some("true") {
                if !made.iter().any(|network| network.name == name) {
                    sink.file(
                        &stack.file,
                        node.line,
                        "networks",
                        format!("networks.sh does not make {name}"),
                    );
                }
            } else if said("internal") != Some("true") {
                sink.file(
                    &stack.file,
                    node.line,
                    "networks",
                    format!("{key} is made by the stack and open to the world"),
                );
            } else if said("attachable") == Some("true") {
                sink.file(&stack.file, node.line, "networks", format!("any container may join {key}"));
            }
        }
    }
}

/// Networks whose tasks must reach the world: the edge asks certificate authorities, the tools fetch.
const MAY_BE_OPEN: [&str; 2] = ["livehouse_edge", "livehouse_ops"];

fn secrecy(project: &Project, sink: &mut Sink<'_>) {
    let file = &project.networks;
    for network in made(project) {
        let name = network.name;
        if !network.rest.contains(&"encrypted") {
            sink.file(file, network.line, "make", format!("{name} is not encrypted"));
        }
        if !network.rest.contains(&"internal") && !MAY_BE_OPEN.contains(&name) {
            sink.file(file, network.line, "make", format!("{name} is not internal"));
        }
    }
    for (index, line) in file.text.lines().enumerate() {
        if !line.trim_start().starts_with('#') && line.contains("--attachable") {
            sink.file(file, index + 1, "--attachable", "any container may join these networks");
        }
    }
}

fn size(project: &Project, sink: &mut Sink<'_>) {
    let networks = made(project);
    for (index, network) in networks.iter().enumerate() {
        if !network.subnet.ends_with(".0/24") {
            sink.file(&project.networks, network.line, "make", format!("{} is no /24", network.subnet));
        }
        if let Some(other) = networks[..index].iter().find(|other| other.subnet == network.subnet) {
            let message = format!("{} has the addresses of {}", network.name, other.name);
            sink.file(&project.networks, network.line, "make", message);
        }
    }
}

const LONG_CONNECTIONS: [&str; 2] = ["livehouse_bus", "livehouse_data"];
const KEEPALIVE_SECONDS_MAX: f64 = 600.0;
/// 25 s, with the least time to wait that there is.
const RETRIES_MAX: u32 = 6;

/// Services that keep connections open for hours.
fn with_long_connections(project: &Project) -> impl Iterator<Item = Service<'_>> {
    project.services().filter(|service| {
        !service.is_job()
            && service.full_networks().iter().any(|name| LONG_CONNECTIONS.contains(&name.as_str()))
    })
}

/// What a service says of a setting of its kernel.
fn kernel_setting(service: Service<'_>, name: &str) -> Option<String> {
    let pairs = service.node.get("sysctls").map(|node| node.pairs()).unwrap_or_default();
    pairs.iter().find(|(known, _)| known == name).and_then(|(_, node)| node.text().map(str::to_string))
}

fn keepalive(project: &Project, sink: &mut Sink<'_>) {
    for service in with_long_connections(project) {
        let way = ["sysctls", "net.ipv4.tcp_keepalive_time"];
        let said = kernel_setting(service, way[1]).and_then(|said| seconds(&said));
        if said.is_none_or(|said| said > KEEPALIVE_SECONDS_MAX) {
            sink.service(service, &way, "it notices a connection that is gone after two hours");
        }
    }
}

fn lost_peer(project: &Project, sink: &mut Sink<'_>) {
    for service in with_long_connections(project) {
        let way = ["sysctls", "net.ipv4.tcp_retries2"];
        let said = kernel_setting(service, way[1]).and_then(|said| said.parse::<u32>().ok());
        if said.is_none_or(|said| said > RETRIES_MAX) {
            sink.service(service, &way, "it sends to a lost node for fifteen minutes");
        }
    }
}
