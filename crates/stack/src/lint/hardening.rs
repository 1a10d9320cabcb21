//! What a program in a container may do.

use super::{Rule, Sink};
use crate::project::{Project, Service};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "read-only",
        what: "The file system of a container is read-only; what is written goes to a volume or a tmpfs mount.",
        why: "What an intruder leaves behind, and what a program forgets in its image's folders, is otherwise there until the next deployment.",
        instead: "read_only: true, and volumes: [{type: tmpfs, target: /tmp}].",
        check: read_only,
    },
    Rule {
        name: "capabilities",
        what: "All capabilities are dropped; the few that are needed are added by name.",
        why: "The engine's default set lets a program change owners, send raw packets and make devices.",
        instead: "cap_drop: [ALL], then cap_add with a comment.",
        check: capabilities,
    },
    Rule {
        name: "user",
        what: "A program does not run as root.",
        why: "Root in a container is root on the node as soon as one thing goes wrong.",
        instead: "user: \"65532:65532\", or the image's own number.",
        check: user,
    },
    Rule {
        name: "docker-socket",
        what: "Only a socket proxy has the engine's socket, and only to read.",
        why: "Whoever reaches the socket is root on every node of the swarm.",
        instead: "Ask a socket proxy over an internal network.",
        check: socket,
    },
    Rule {
        name: "socket-proxy",
        what: "A socket proxy lets only questions through, on internal networks only.",
        why: "With POST, or reachable from elsewhere, it is the socket itself.",
        instead: "environment: {POST: \"0\"}, networks: [an internal one].",
        check: proxy,
    },
    Rule {
        name: "relative-mount",
        what: "No folder of the repository is mounted.",
        why: "It is there on the node where somebody cloned the repository, and on no other.",
        instead: "A config with the hash of its content in its name.",
        check: relative,
    },
    Rule {
        name: "volume-driver",
        what: "Volumes are local ones, or NFS with its options; no object storage is mounted as a file system.",
        why: "A bucket behind FUSE has no locks and no atomic writes: databases on it are lost at the first failure.",
        instead: "A local volume on a pinned node, and copies made by the program itself.",
        check: driver,
    },
];

fn read_only(project: &Project, sink: &mut Sink<'_>) {
    for service in project.services() {
        if service.node.text_at(&["read_only"]) != Some("true") {
            sink.service(service, &["read_only"], "its file system can be written");
        }
    }
}

fn capabilities(project: &Project, sink: &mut Sink<'_>) {
    for service in project.services() {
        let listed = |key: &str| service.node.get(key).map_or(&[][..], |node| node.items());
        if !listed("cap_drop").iter().any(|item| item.text() == Some("ALL")) {
            sink.service(service, &["cap_drop"], "it keeps the engine's default capabilities");
        }
        let all = |item: &&crate::yaml::Node| matches!(item.text(), Some("ALL" | "SYS_ADMIN" | "SYS_MODULE"));
        if let Some(item) = listed("cap_add").iter().find(all) {
            sink.at_line(
                service,
                item.line,
                "cap_add",
                format!("{} is as good as everything", item.text().unwrap_or_default()),
            );
        }
    }
}

fn user(project: &Project, sink: &mut Sink<'_>) {
    for service in project.services() {
        match service.node.text_at(&["user"]) {
            None => sink.service(service, &["user"], "the image decides, and most say root"),
            Some(user) if matches!(user.split(':').next(), Some("0" | "root")) => {
                sink.service(service, &["user"], "it runs as root");
            }
            Some(_) => {}
        }
    }
}

fn is_proxy(service: &Service<'_>) -> bool {
    service.program() == "docker-socket-proxy"
}

fn socket(project: &Project, sink: &mut Sink<'_>) {
    for service in project.services() {
        for mount in service.mounts().iter().filter(|mount| has_socket(&mount.source)) {
            if !is_proxy(&service) {
                sink.at_line(service, mount.line, "volumes", "it has the engine's socket");
            } else if !mount.read_only {
                sink.at_line(service, mount.line, "volumes", "the socket is mounted to be written");
            }
        }
    }
}

/// Whether a path of the node is the engine's socket, or a folder that it is in: one can talk to it there all the same,
/// even where nothing may be written.
fn has_socket(path: &str) -> bool {
    let is_below = |socket: &str| path.starts_with('/') && std::path::Path::new(socket).starts_with(path);
    path.ends_with("docker.sock") || ["/var/run/docker.sock", "/run/docker.sock"].into_iter().any(is_below)
}

fn proxy(project: &Project, sink: &mut Sink<'_>) {
    for service in project.services().filter(is_proxy) {
        let post = service.environment().into_iter().find(|(name, _)| name == "POST");
        if post.and_then(|(_, node)| node.text().map(str::to_string)).as_deref() != Some("0") {
            sink.service(service, &["environment"], "POST is not \"0\"");
        }
        for network in service.networks() {
            let node = service.stack.section("networks").iter().find(|(key, _)| *key == network);
            if node.is_some_and(|(_, node)| node.text_at(&["internal"]) != Some("true")) {
                sink.service(
                    service,
                    &["networks"],
                    format!("{network} is not an internal network of the stack"),
                );
            }
        }
    }
}

fn relative(project: &Project, sink: &mut Sink<'_>) {
    for service in project.services() {
        for mount in service.mounts().iter().filter(|mount| mount.source.starts_with(['.', '~'])) {
            sink.at_line(service, mount.line, "volumes", format!("{} is not on every node", mount.source));
        }
    }
}

fn driver(project: &Project, sink: &mut Sink<'_>) {
    for stack in &project.stacks {
        for (key, node) in stack.section("volumes") {
            let kind = node.text_at(&["driver_opts", "type"]).unwrap_or("local");
            let known = matches!(node.text_at(&["driver"]).unwrap_or("local"), "local");
            let is_fuse = kind.contains("fuse") || kind.contains("s3");
            if !known || is_fuse {
                sink.file(&stack.file, node.line, "volumes", format!("{key} is not a local volume"));
            }
        }
    }
}
