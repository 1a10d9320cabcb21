//! What the edge is told by labels and files: every name leads somewhere, and nobody gets in who should not.

use std::collections::{BTreeMap, BTreeSet};

use super::{Rule, Sink};
use crate::{
    project::{Project, Service},
    yaml::Node,
};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "container-label",
        what: "Labels for the edge are labels of the service (deploy.labels).",
        why: "The swarm provider reads services; a label of a container is never seen, and the router does not exist.",
        instead: "Move them below deploy.",
        check: container_label,
    },
    Rule {
        name: "balancer-label",
        what: "The edge sends requests to tasks, not to a service's virtual address (no lbswarm).",
        why: "With dnsrr there is no such address: Traefik says it falls back, and drops the service.",
        instead: "Remove the label.",
        check: balancer,
    },
    Rule {
        name: "router-entrypoint",
        what: "Every router says its entry point, and traefik.yml has it.",
        why: "A router without one is on all of them, also the private one; one on an unknown name is on none.",
        instead: "traefik.http.routers.NAME.entrypoints: websecure.",
        check: entrypoint,
    },
    Rule {
        name: "router-middleware",
        what: "Every router has middlewares, and each of them exists, through all chains.",
        why: "A router that names a middleware that is not there is switched off; one that names none has no limits.",
        instead: "A chain of traefik/dynamic: pages@file, api@file, live@file, auth@file, ops@file or upload@file.",
        check: middleware,
    },
    Rule {
        name: "router-service",
        what: "Every router leads to a service that exists, and no two are called the same.",
        why: "A router to nowhere is switched off; two of one name are one, and which is chance.",
        instead: "traefik.http.routers.NAME.service: the name in traefik.http.services.NAME.",
        check: router_service,
    },
    Rule {
        name: "router-rule",
        what: "Every router has a rule that names a host.",
        why: "Without one the provider makes up a host from the service's name; a path without a host is on every domain.",
        instead: "traefik.http.routers.NAME.rule: Host(`…`).",
        check: router_rule,
    },
    Rule {
        name: "service-port",
        what: "A service for the edge says its port.",
        why: "The provider takes no port from an image: a service without one is not listed.",
        instead: "traefik.http.services.NAME.loadbalancer.server.port: \"8080\".",
        check: port,
    },
    Rule {
        name: "router-network",
        what: "The network that the edge reaches a service by is one that the service is attached to.",
        why: "Otherwise the edge takes an address that it cannot reach, and every request waits until it gives up.",
        instead: "traefik.swarm.network: livehouse_edge, and edge in networks.",
        check: network,
    },
    Rule {
        name: "sign-in",
        what: "Every router to a tool of operators asks for a sign-in at the edge.",
        why: "Dashboards and build servers show everything and run anything, and are looked for by everybody.",
        instead: "traefik.http.routers.NAME.middlewares: ops@file.",
        check: sign_in,
    },
    Rule {
        name: "anonymous-visitors",
        what: "No tool lets in whoever comes.",
        why: "Images change what they let in by default; what is not said is not so tomorrow.",
        instead: "GF_AUTH_ANONYMOUS_ENABLED: \"false\".",
        check: anonymous,
    },
    Rule {
        name: "websocket-chain",
        what: "Nothing on the way of the WebSocket buffers, repeats, compresses or breaks it.",
        why: "A connection lives for hours: a buffer holds it back, and a breaker that counts its end as a failure closes the sale for everybody.",
        instead: "live@file: headers, a rate of openings, a number of connections.",
        check: websocket,
    },
    Rule {
        name: "edge-refresh",
        what: "Traefik asks the swarm every few seconds, waits seconds for its answer, lists only what says so, and by one network.",
        why: "It is not told of a task that went away: with the usual 15 seconds it sends requests there for as long; and without a time limit a socket proxy whose node lost its power is waited for until the kernel gives up, a quarter of an hour.",
        instead: "providers.swarm: {refreshSeconds: 3, httpClientTimeout: 5s, exposedByDefault: false, network: livehouse_edge}.",
        check: refresh,
    },
];

/// The labels of a service for the edge, by router or service and property.
#[derive(Default)]
struct Labels {
    routers: BTreeMap<String, BTreeMap<String, Node>>,
    services: BTreeMap<String, BTreeMap<String, Node>>,
    network: Option<Node>,
    enabled: bool,
}

fn labels(service: Service<'_>) -> Labels {
    let mut found = Labels::default();
    for (label, node) in service.labels() {
        if label == "traefik.enable" {
            found.enabled = node.text() == Some("true");
        } else if label == "traefik.swarm.network" || label == "traefik.docker.network" {
            found.network = Some(node);
        } else if let Some((name, property)) =
            label.strip_prefix("traefik.http.routers.").and_then(|l| l.split_once('.'))
        {
            found.routers.entry(name.to_string()).or_default().insert(property.to_string(), node);
        } else if let Some((name, property)) =
            label.strip_prefix("traefik.http.services.").and_then(|l| l.split_once('.'))
        {
            found.services.entry(name.to_string()).or_default().insert(property.to_string(), node);
        }
    }
    found
}

const WAY: &str = "deploy.labels";

/// Each router with its service and its properties.
fn routers(project: &Project) -> Vec<(Service<'_>, String, BTreeMap<String, Node>)> {
    let of = |service| {
        labels(service).routers.into_iter().map(move |(name, properties)| (service, name, properties))
    };
    project.services().flat_map(of).collect()
}

fn line(properties: &BTreeMap<String, Node>) -> usize {
    properties.values().map(|node| node.line).min().unwrap_or_default()
}

/// The middlewares of `traefik/dynamic`, and what each is made of.
fn middlewares(project: &Project) -> BTreeMap<String, Node> {
    let of = |node: &Node| {
        node.at(&["http", "middlewares"]).map(|node| node.entries().to_vec()).unwrap_or_default()
    };
    project.edge.dynamic.iter().flat_map(|(_, node)| of(node)).collect()
}

/// The kinds of middlewares that `name` leads to, through chains; errors are names that lead nowhere.
fn kinds(name: &str, known: &BTreeMap<String, Node>) -> Result<BTreeSet<String>, String> {
    kinds_beside(name, known, &mut BTreeSet::new())
}

/// The same, without what was `seen`: chains may name each other.
fn kinds_beside(
    name: &str,
    known: &BTreeMap<String, Node>,
    seen: &mut BTreeSet<String>,
) -> Result<BTreeSet<String>, String> {
    let name = name.trim().trim_end_matches("@file");
    let node = known.get(name).ok_or_else(|| name.to_string())?;
    let mut found = BTreeSet::new();
    if !seen.insert(name.to_string()) {
        return Ok(found);
    }
    for (kind, options) in node.entries() {
        if kind != "chain" {
            found.insert(kind.clone());
            continue;
        }
        for inner in options.get("middlewares").map_or(&[][..], Node::items) {
            found.extend(kinds_beside(inner.text().unwrap_or_default(), known, seen)?);
        }
    }
    Ok(found)
}

/// The kinds of all middlewares of a router.
fn kinds_of(
    properties: &BTreeMap<String, Node>,
    known: &BTreeMap<String, Node>,
) -> Result<BTreeSet<String>, String> {
    let named = properties.get("middlewares").and_then(Node::text).unwrap_or_default();
    let mut all = BTreeSet::new();
    for name in named.split(',').filter(|name| !name.trim().is_empty()) {
        all.extend(kinds(name, known)?);
    }
    Ok(all)
}

fn container_label(project: &Project, sink: &mut Sink<'_>) {
    for service in project.services() {
        let pairs = service.node.get("labels").map(Node::pairs).unwrap_or_default();
        if let Some((label, node)) = pairs.into_iter().find(|(label, _)| label.starts_with("traefik.")) {
            sink.at_line(service, node.line, "labels", format!("nobody reads {label} of a container"));
        }
    }
}

fn balancer(project: &Project, sink: &mut Sink<'_>) {
    for service in project.services() {
        for (label, node) in service.labels() {
            if label.ends_with(".lbswarm") && node.text() == Some("true") {
                sink.at_line(
                    service,
                    node.line,
                    WAY,
                    format!("{label} drops a service without a virtual address"),
                );
            }
        }
    }
}

fn entrypoint(project: &Project, sink: &mut Sink<'_>) {
    let known = project.edge.fixed.get("entryPoints").map_or(&[][..], Node::entries);
    for (service, name, properties) in routers(project) {
        match properties.get("entrypoints").and_then(Node::text) {
            None => sink.at_line(
                service,
                line(&properties),
                WAY,
                format!("the router {name} is on every entry point"),
            ),
            Some(said) => {
                for point in said.split(',').filter(|point| !known.iter().any(|(key, _)| key == point.trim()))
                {
                    sink.at_line(
                        service,
                        line(&properties),
                        WAY,
                        format!("traefik.yml has no entry point {point}"),
                    );
                }
            }
        }
    }
}

fn middleware(project: &Project, sink: &mut Sink<'_>) {
    let known = middlewares(project);
    for (service, name, properties) in routers(project) {
        if properties.get("middlewares").and_then(Node::text).is_none() {
            sink.at_line(service, line(&properties), WAY, format!("the router {name} has no middlewares"));
        } else if let Err(missing) = kinds_of(&properties, &known) {
            sink.at_line(
                service,
                line(&properties),
                WAY,
                format!("traefik/dynamic has no middleware {missing}"),
            );
        }
    }
    for (file, node) in &project.edge.dynamic {
        for (name, node) in node.at(&["http", "middlewares"]).map_or(&[][..], Node::entries) {
            if let Err(missing) = kinds(name, &known) {
                sink.file(file, node.line, name, format!("there is no middleware {missing}"));
            }
        }
    }
}

/// Services that the edge knows by its files or by itself.
fn services_of_files(project: &Project) -> BTreeSet<String> {
    let of =
        |node: &Node| node.at(&["http", "services"]).map(|node| node.entries().to_vec()).unwrap_or_default();
    project.edge.dynamic.iter().flat_map(|(_, node)| of(node)).map(|(name, _)| name).collect()
}

fn router_service(project: &Project, sink: &mut Sink<'_>) {
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    let by_labels: BTreeSet<String> =
        project.services().flat_map(|service| labels(service).services.into_keys()).collect();
    let by_files = services_of_files(project);
    for (service, name, properties) in routers(project) {
        let own = labels(service).services;
        let at = line(&properties);
        match properties.get("service").and_then(Node::text) {
            None if own.len() != 1 => {
                sink.at_line(
                    service,
                    at,
                    WAY,
                    format!("which of its {} services does {name} lead to?", own.len()),
                );
            }
            Some(said) if !said.ends_with("@internal") => {
                let known = match said.strip_suffix("@file") {
                    Some(file) => by_files.contains(file),
                    None => by_labels.contains(said),
                };
                if !known {
                    sink.at_line(service, at, WAY, format!("there is no service {said}"));
                }
            }
            _ => {}
        }
        let here = format!("{}_{}", service.stack.name, service.name);
        if let Some(other) = seen.insert(name.clone(), here) {
            sink.at_line(service, at, WAY, format!("{other} has a router {name} too"));
        }
    }
}

fn router_rule(project: &Project, sink: &mut Sink<'_>) {
    for (service, name, properties) in routers(project) {
        let rule = properties.get("rule").and_then(Node::text).unwrap_or_default();
        if !rule.contains("Host(`") || rule.contains("Host(``)") {
            sink.at_line(service, line(&properties), WAY, format!("the router {name} is for every host"));
        }
    }
}

fn port(project: &Project, sink: &mut Sink<'_>) {
    for service in project.services() {
        let found = labels(service);
        let has_port =
            found.services.values().any(|properties| properties.contains_key("loadbalancer.server.port"));
        if (found.enabled || !found.routers.is_empty()) && !has_port {
            sink.service(service, &["deploy", "labels"], "the edge does not know its port");
        }
    }
}

fn network(project: &Project, sink: &mut Sink<'_>) {
    let usual = project.edge.fixed.text_at(&["providers", "swarm", "network"]).unwrap_or_default();
    for service in project.services() {
        let found = labels(service);
        if found.routers.is_empty() {
            continue;
        }
        let name = found.network.as_ref().and_then(Node::text).unwrap_or(usual);
        if !service.full_networks().iter().any(|network| network == name) {
            let at = found.network.as_ref().map_or(service.node.line, |node| node.line);
            sink.at_line(service, at, WAY, format!("it is not attached to {name:?}"));
        }
    }
}

const STACKS_OF_TOOLS: [&str; 2] = ["observability", "ops"];

fn sign_in(project: &Project, sink: &mut Sink<'_>) {
    let known = middlewares(project);
    for (service, name, properties) in routers(project) {
        let leads_to = properties.get("service").and_then(Node::text).unwrap_or_default();
        let is_tool = STACKS_OF_TOOLS.contains(&service.stack.name.as_str()) || leads_to == "api@internal";
        let asks = |kinds: BTreeSet<String>| kinds.contains("forwardAuth");
        if is_tool && !kinds_of(&properties, &known).is_ok_and(asks) && properties.contains_key("middlewares")
        {
            sink.at_line(service, line(&properties), WAY, format!("the router {name} lets everybody in"));
        }
    }
}

fn anonymous(project: &Project, sink: &mut Sink<'_>) {
    for service in project.services().filter(|service| service.program() == "grafana") {
        let said = service.environment().into_iter().find(|(name, _)| name == "GF_AUTH_ANONYMOUS_ENABLED");
        if said.as_ref().and_then(|(_, node)| node.text()) != Some("false") {
            sink.service(service, &["environment"], "GF_AUTH_ANONYMOUS_ENABLED is not \"false\"");
        }
    }
}

const NOT_FOR_WEBSOCKETS: [&str; 5] = ["buffering", "retry", "compress", "circuitBreaker", "errors"];

fn websocket(project: &Project, sink: &mut Sink<'_>) {
    let known = middlewares(project);
    for (service, name, properties) in routers(project) {
        let rule = properties.get("rule").and_then(Node::text).unwrap_or_default();
        if !rule.contains("Path(`/live`)") {
            continue;
        }
        let kinds = kinds_of(&properties, &known).unwrap_or_default();
        if let Some(kind) = NOT_FOR_WEBSOCKETS.iter().find(|kind| kinds.contains(**kind)) {
            sink.at_line(service, line(&properties), WAY, format!("{kind} is on the way of {name}"));
        }
    }
}

fn refresh(project: &Project, sink: &mut Sink<'_>) {
    let (file, fixed) = (&project.edge.file, &project.edge.fixed);
    let Some(provider) = fixed.at(&["providers", "swarm"]) else {
        sink.file(file, 1, "providers", "there is no provider for the swarm");
        return;
    };
    let seconds = provider.text_at(&["refreshSeconds"]).and_then(|text| text.parse::<u32>().ok());
    if seconds.is_none_or(|seconds| seconds > 5) {
        sink.file(
            file,
            provider.line,
            "providers.swarm.refreshSeconds",
            "tasks that went away are known too late",
        );
    }
    if provider.text_at(&["httpClientTimeout"]).is_none_or(|time| time.starts_with('0')) {
        sink.file(
            file,
            provider.line,
            "providers.swarm.httpClientTimeout",
            "who does not answer is waited for without end",
        );
    }
    if provider.text_at(&["exposedByDefault"]) != Some("false") {
        sink.file(
            file,
            provider.line,
            "providers.swarm.exposedByDefault",
            "every service is shown to the world",
        );
    }
    if fixed.at(&["providers", "docker"]).is_some() {
        sink.file(file, provider.line, "providers.docker", "containers are listed besides services");
    }
    if fixed.text_at(&["api", "insecure"]) == Some("true") {
        sink.file(file, provider.line, "api.insecure", "the dashboard is shown without a sign-in");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn chains_that_name_each_other_come_to_an_end() {
        let node = Node::parse(
            "a: {chain: {middlewares: [b]}}\nb: {chain: {middlewares: [a, c]}}\nc: {headers: {}}",
        )
        .unwrap();
        let known: BTreeMap<String, Node> = node.entries().iter().cloned().collect();
        assert_eq!(kinds("a@file", &known).unwrap(), BTreeSet::from(["headers".to_string()]));
    }
}
