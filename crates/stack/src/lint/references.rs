//! What a stack file says and nobody reads, and what it names and is not there.

use super::{Rule, Sink};
use crate::project::{Project, Service};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "ignored-key",
        what: "A service uses no key that a swarm ignores.",
        why: "`docker stack deploy` drops these keys, some of them without a word: the file promises what is not so.",
        instead: "Remove the key; the finding says what does the same in a swarm.",
        check: ignored,
    },
    Rule {
        name: "unknown-reference",
        what: "Every network, config, secret and volume of a service is defined in its file.",
        why: "`docker stack config` takes a name that is defined nowhere; the deployment fails, or a volume is made that nobody knows.",
        instead: "Define it at the end of the file, or mend the name.",
        check: unknown,
    },
    Rule {
        name: "unused-definition",
        what: "Every network, config, secret and volume that a file defines is used in it.",
        why: "A secret that no service reads still has to exist for the deployment, and is renewed for nothing.",
        instead: "Remove the definition, or name it where it is needed.",
        check: unused,
    },
];

/// What Swarm ignores, and what to do instead.
const IGNORED: [(&str, &str); 28] = [
    ("build", "build the image before, and name it"),
    ("cgroup_parent", "there is no such thing in a swarm"),
    ("cgroupns_mode", "there is no such thing in a swarm"),
    ("container_name", "tasks are called by the service's name"),
    ("cpus", "deploy.resources.limits.cpus"),
    ("depends_on", "there is no order of starting: programs try again, and work that comes first is a job"),
    ("devices", "there is no such thing in a swarm"),
    ("domainname", "hostname takes a whole name"),
    ("expose", "ports of an overlay need no opening"),
    ("external_links", "services on a network find each other by name"),
    ("extends", "a YAML anchor"),
    ("gpus", "deploy.resources.reservations.generic_resources"),
    ("ipc", "there is no such thing in a swarm"),
    ("links", "services on a network find each other by name"),
    ("mac_address", "there is no such thing in a swarm"),
    ("mem_limit", "deploy.resources.limits.memory"),
    ("network_mode", "name an overlay in networks"),
    ("oom_score_adj", "deploy.resources.reservations.memory"),
    ("pid", "the host package, where a program must see the host's processes"),
    ("pids_limit", "deploy.resources.limits.pids"),
    ("platform", "a placement constraint on node.platform"),
    ("privileged", "cap_add, one capability at a time"),
    ("profiles", "a stack of its own, or replicas: 0"),
    ("restart", "deploy.restart_policy"),
    ("security_opt", "`no-new-privileges` in the engine's daemon.json"),
    ("shm_size", "a tmpfs mount on /dev/shm"),
    ("tmpfs", "a mount: volumes: [{type: tmpfs, target: /tmp}]"),
    ("userns_mode", "there is no such thing in a swarm"),
];

fn ignored(project: &Project, sink: &mut Sink<'_>) {
    for service in project.services() {
        for (key, instead) in IGNORED {
            if service.node.get(key).is_some() {
                sink.service(service, &[key], format!("a swarm ignores {key}; instead: {instead}"));
            }
        }
    }
}

const SECTIONS: [&str; 4] = ["networks", "configs", "secrets", "volumes"];

/// What a service names of a section, with the line.
fn named(service: Service<'_>, section: &str) -> Vec<(String, usize)> {
    if section == "volumes" {
        return service.volumes().into_iter().map(|mount| (mount.source, mount.line)).collect();
    }
    let Some(node) = service.node.get(section) else { return Vec::new() };
    let listed = node.items().iter().filter_map(|item| {
        let name = item.text().or_else(|| item.text_at(&["source"]))?;
        Some((name.to_string(), item.line))
    });
    let keys = node.entries().iter().map(|(name, value)| (name.clone(), value.line));
    keys.chain(listed).collect()
}

fn unknown(project: &Project, sink: &mut Sink<'_>) {
    for service in project.services() {
        for section in SECTIONS {
            let defined = service.stack.section(section);
            for (name, line) in named(service, section) {
                if !defined.iter().any(|(key, _)| *key == name) {
                    sink.at_line(service, line, section, format!("{name} is not defined in this file"));
                }
            }
        }
    }
}

fn unused(project: &Project, sink: &mut Sink<'_>) {
    for stack in &project.stacks {
        for section in SECTIONS {
            let used: Vec<String> =
                stack.services().flat_map(|service| named(service, section)).map(|(name, _)| name).collect();
            for (key, node) in stack.section(section) {
                if !used.contains(key) {
                    sink.file(&stack.file, node.line, section, format!("no service uses {key}"));
                }
            }
        }
    }
}
