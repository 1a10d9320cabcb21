//! What a service may take from its node.

use super::{Rule, Sink};
use crate::{
    project::{Project, Service},
    quantity::bytes,
};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "limits",
        what: "Every service has limits of cpus, memory and pids.",
        why: "One service without a limit takes its whole node, and with it everything else that runs there.",
        instead: "deploy.resources.limits: {cpus: \"0.5\", memory: 128M, pids: 64}.",
        check: limits,
    },
    Rule {
        name: "reservations",
        what: "A service with a volume reserves memory.",
        why: "A swarm places tasks by what is reserved: without it a database shares a full node and is the first to be killed.",
        instead: "deploy.resources.reservations: {memory: 64M}, what it needs to run at all.",
        check: reservations,
    },
    Rule {
        name: "go-memory",
        what: "A Go program is told its memory limit, and the limit leaves room for the rest.",
        why: "Go's garbage waits for a limit that it does not know of; at the limit the kernel ends the program.",
        instead: "GOMEMLIMIT: nine tenths of deploy.resources.limits.memory.",
        check: go_memory,
    },
    Rule {
        name: "open-files",
        what: "Programs that hold many connections or files say how many (ulimits.nofile).",
        why: "Newer engines give a container 1024 files: the thousandth visitor is refused, on some nodes only.",
        instead: "ulimits: {nofile: {soft: 65536, hard: 65536}}.",
        check: open_files,
    },
    Rule {
        name: "log-rotation",
        what: "Every service writes its log to json-file or local, with a size and a number of files.",
        why: "A log without an end fills the disk of the node, the database's too; drivers that send logs away block the engine when nobody takes them.",
        instead: "logging: {driver: json-file, options: {max-size: \"10m\", max-file: \"3\"}}.",
        check: logging,
    },
];

fn limits(project: &Project, sink: &mut Sink<'_>) {
    for service in project.services() {
        for key in ["cpus", "memory", "pids"] {
            let way = ["deploy", "resources", "limits", key];
            if service.node.text_at(&way).is_none() {
                sink.service(service, &way, format!("{key} is not limited"));
            }
        }
    }
}

fn reservations(project: &Project, sink: &mut Sink<'_>) {
    let way = ["deploy", "resources", "reservations", "memory"];
    for service in project.services() {
        if !service.volumes().is_empty() && service.node.text_at(&way).is_none() {
            sink.service(service, &way, "it has a volume and no memory of its own");
        }
    }
}

const GO_PROGRAMS: [&str; 7] = ["traefik", "nats-server", "resgate", "loki", "tempo", "mimir", "otelcol"];

fn go_memory(project: &Project, sink: &mut Sink<'_>) {
    for service in project.services() {
        let said = service.environment().into_iter().find(|(name, _)| name == "GOMEMLIMIT");
        let limit = service.node.text_at(&["deploy", "resources", "limits", "memory"]).and_then(bytes);
        let way = &["environment"];
        match (said.and_then(|(_, node)| bytes(node.text()?)), limit) {
            (Some(said), Some(limit)) if said * 100 > limit * 95 => {
                sink.service(service, way, "GOMEMLIMIT leaves nothing below the memory limit");
            }
            (Some(said), Some(limit)) if said * 100 < limit * 50 => {
                sink.service(service, way, "GOMEMLIMIT is less than half of the memory limit");
            }
            (None, _) if GO_PROGRAMS.contains(&service.program()) => {
                sink.service(
                    service,
                    way,
                    format!("{} is a Go program without GOMEMLIMIT", service.program()),
                );
            }
            _ => {}
        }
    }
}

const NAMES_OF_MANY_FILES: [&str; 11] = [
    "traefik",
    "resgate",
    "nats-server",
    "keydb",
    "valkey",
    "redis",
    "postgres",
    "sonarqube",
    "otelcol",
    "loki",
    "mimir",
];
const FILES_MIN: u64 = 65536;

/// Whether it holds a connection or a file for each of many things.
fn holds_many_files(service: Service<'_>) -> bool {
    NAMES_OF_MANY_FILES.contains(&service.program())
}

fn open_files(project: &Project, sink: &mut Sink<'_>) {
    for service in project.services().filter(|service| holds_many_files(*service)) {
        let limit = service.node.at(&["ulimits", "nofile"]);
        let soft = limit.and_then(|node| node.text_at(&["soft"]).or(node.text())).and_then(bytes);
        match soft {
            None => {
                sink.service(service, &["ulimits", "nofile"], "the engine decides how many files it may open")
            }
            Some(files) if files < FILES_MIN => {
                sink.service(
                    service,
                    &["ulimits", "nofile"],
                    format!("{files} files are fewer than {FILES_MIN}"),
                );
            }
            Some(_) => {}
        }
    }
}

fn logging(project: &Project, sink: &mut Sink<'_>) {
    for service in project.services() {
        let said = |way: &[&str]| service.node.text_at(way);
        let way = &["logging"];
        match said(&["logging", "driver"]) {
            Some("json-file" | "local") => {
                for option in ["max-size", "max-file"] {
                    if said(&["logging", "options", option]).is_none() {
                        sink.service(service, way, format!("the log has no {option}"));
                    }
                }
            }
            Some(driver) => sink.service(service, way, format!("the driver {driver} can block the engine")),
            None => sink.service(service, way, "the log grows without an end"),
        }
    }
}
