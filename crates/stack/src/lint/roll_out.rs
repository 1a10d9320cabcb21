//! How a new version takes the place of the old one.

use super::{Rule, Sink};
use crate::project::{Project, Service};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "update-config",
        what: "Every service says how it is updated and how it is taken back.",
        why: "Otherwise all tasks are replaced at once and a failure pauses the update halfway, with nobody told.",
        instead: "update_config: {order, parallelism: 1, monitor, failure_action: rollback}, and rollback_config: {order, parallelism: 1}.",
        check: update,
    },
    Rule {
        name: "update-order",
        what: "start-first only where two tasks can be side by side.",
        why: "With a port of the node, one task per node, or a volume that one program writes, the new task waits for the old one and the old one for the new: the update never ends, or two programs write one file.",
        instead: "order: stop-first, in update_config and rollback_config.",
        check: order,
    },
    Rule {
        name: "database-pause",
        what: "A failing update of a database is paused, never taken back.",
        why: "The older program may not understand what the newer one has written; a machine cannot know.",
        instead: "failure_action: pause, and a person looks.",
        check: database,
    },
    Rule {
        name: "replicas-share-volume",
        what: "A service with several replicas has no volume that it writes.",
        why: "A local volume is another one on each node: replicas see different data, and a task that moves finds none.",
        instead: "One service for each copy, pinned to its node, with a name and a volume of its own.",
        check: replicas,
    },
    Rule {
        name: "volume-placement",
        what: "A service with a volume is pinned to a node by a label, or runs on each.",
        why: "A volume stays where it was made. A task that is started elsewhere begins with nothing, and calls that healthy.",
        instead: "placement: {constraints: [\"node.labels.livehouse.… == …\"]}.",
        check: placement,
    },
    Rule {
        name: "peers-one-by-one",
        what: "Servers of one cluster that are services of their own carry a label that names the cluster.",
        why: "`docker stack deploy` updates all services of a file at the same time: three servers of a cluster stop together, whatever update_config of each says.",
        instead: "deploy.labels: {livehouse.one-at-a-time: NAME}; `cargo dev deploy` updates services with the same NAME one after the other.",
        check: peers,
    },
];

/// The label that names a cluster whose members are not updated together.
pub(crate) const ONE_AT_A_TIME: &str = "livehouse.one-at-a-time";

fn update(project: &Project, sink: &mut Sink<'_>) {
    for service in project.services().filter(|service| !service.is_job()) {
        for (section, keys) in [
            ("update_config", &["order", "parallelism", "monitor", "failure_action"][..]),
            ("rollback_config", &["order", "parallelism"][..]),
        ] {
            for key in keys {
                let way = ["deploy", section, key];
                if service.node.text_at(&way).is_none() {
                    sink.service(service, &way, format!("{section} does not say {key}"));
                }
            }
        }
        let action = service.node.text_at(&["deploy", "update_config", "failure_action"]);
        if action == Some("continue") {
            let way = ["deploy", "update_config", "failure_action"];
            sink.service(service, &way, "an update that fails goes on through all replicas");
        }
    }
}

/// Why two tasks of it cannot be side by side.
fn alone_because(service: Service<'_>) -> Option<&'static str> {
    let ports = service.node.get("ports").map_or(&[][..], |node| node.items());
    if ports.iter().any(|port| port.text_at(&["mode"]) == Some("host")) {
        return Some("it publishes a port of its node");
    }
    if service.node.at(&["deploy", "placement", "max_replicas_per_node"]).is_some() {
        return Some("max_replicas_per_node leaves no room for the new task");
    }
    let writes = |mount: &crate::project::Mount| !mount.read_only;
    service.volumes().iter().any(writes).then_some("it writes a volume")
}

fn order(project: &Project, sink: &mut Sink<'_>) {
    for service in project.services() {
        for section in ["update_config", "rollback_config"] {
            let way = ["deploy", section, "order"];
            if service.node.text_at(&way) != Some("start-first") {
                continue;
            }
            if let Some(why) = alone_because(service) {
                sink.service(service, &way, format!("start-first, but {why}"));
            }
        }
    }
}

const DATABASE_FOLDERS: [&str; 3] = ["/var/lib/postgresql", "/var/lib/mysql", "/data/db"];

fn database(project: &Project, sink: &mut Sink<'_>) {
    let holds_data = |service: &Service<'_>| {
        let is_data = |target: &str| DATABASE_FOLDERS.iter().any(|folder| target.starts_with(folder));
        service.volumes().iter().any(|mount| is_data(&mount.target))
    };
    for service in project.services().filter(holds_data) {
        let way = ["deploy", "update_config", "failure_action"];
        let action = service.node.text_at(&way);
        if action.is_some_and(|action| action != "pause") {
            sink.service(service, &way, "a machine would decide to go back to an older database");
        }
    }
}

fn replicas(project: &Project, sink: &mut Sink<'_>) {
    for service in project.services().filter(|service| !service.is_global()) {
        let way = ["deploy", "replicas"];
        let replicas = service.node.text_at(&way).and_then(|text| text.parse::<u32>().ok()).unwrap_or(1);
        if let Some(mount) = service.volumes().iter().find(|mount| replicas > 1 && !mount.read_only) {
            sink.service(service, &way, format!("{replicas} replicas write the volume {}", mount.source));
        }
    }
}

fn placement(project: &Project, sink: &mut Sink<'_>) {
    for service in project.services().filter(|service| !service.is_global() && !service.is_job()) {
        let way = ["deploy", "placement", "constraints"];
        let constraints = service.node.at(&way).map_or(&[][..], |node| node.items());
        let pinned = constraints.iter().filter_map(|node| node.text()).any(|text| text.starts_with("node."));
        if !pinned && !service.volumes().is_empty() {
            sink.service(service, &way, "its volume is on one node, its next task perhaps on another");
        }
    }
}

/// Peers: the same image and program, the same networks, each with a volume of its own that it writes.
fn peers(project: &Project, sink: &mut Sink<'_>) {
    let is_server = |service: &Service<'_>| {
        service.volumes().iter().any(|mount| !mount.read_only) && !service.is_global() && !service.is_job()
    };
    let numbered = |service: &Service<'_>| {
        let (stem, number) = service.name.rsplit_once('-')?;
        number.parse::<u32>().ok().map(|_| stem.to_string())
    };
    for stack in &project.stacks {
        let servers: Vec<_> = stack.services().filter(is_server).filter(|s| numbered(s).is_some()).collect();
        for service in &servers {
            let alike =
                |other: &&Service<'_>| other.name != service.name && numbered(other) == numbered(service);
            let has_label = service.labels().iter().any(|(label, _)| label == ONE_AT_A_TIME);
            if let Some(peer) = servers.iter().find(alike).filter(|_| !has_label) {
                let message = format!("it is updated together with {}", peer.name);
                sink.service(*service, &["deploy", "labels"], message);
            }
        }
    }
}
