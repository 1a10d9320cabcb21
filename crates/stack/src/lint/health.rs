//! How a swarm knows that a service is well, and how it is asked to stop.

use super::{Rule, Sink};
use crate::{
    project::{Project, Service},
    quantity::seconds,
};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "health-check",
        what: "Every service that stays has a health check with a start period.",
        why: "Without one a task is called running when its process exists: roll-outs go on over services that do not answer, and the edge sends them buyers.",
        instead: "Ask it something that needs it to work; images without a shell carry `/entry probe`.",
        check: check,
    },
    Rule {
        name: "restart-policy",
        what: "Every service says how it is started again: always with a delay, jobs a limited number of times.",
        why: "There is no order of starting: programs end when what they need is away. Without a delay they do so a thousand times a minute; a job without a limit never fails.",
        instead: "restart_policy: {condition: any, delay: 5s}; for a job {condition: on-failure, delay: 5s, max_attempts: 24}.",
        check: restart,
    },
    Rule {
        name: "stop-grace",
        what: "Every service says how long it may take to stop.",
        why: "After ten seconds, which is what it gets otherwise, it is killed, with what it had in hand.",
        instead: "stop_grace_period: longer than its longest piece of work.",
        check: grace,
    },
    Rule {
        name: "drain",
        what: "The time to stop is longer than what the program needs to send its clients away.",
        why: "The edge goes on sending requests to a task until it asks the swarm again; Traefik and NATS say goodbye for a time that is written in their own files.",
        instead: "Raise stop_grace_period above the time that the finding names.",
        check: drain,
    },
];

fn check(project: &Project, sink: &mut Sink<'_>) {
    for service in project.services().filter(|service| !service.is_job()) {
        let Some(node) = service.node.get("healthcheck") else {
            sink.service(service, &["healthcheck"], "there is no health check");
            continue;
        };
        if node.text_at(&["disable"]) == Some("true") {
            sink.service(service, &["healthcheck"], "the health check is switched off");
        } else if node.get("test").is_none() {
            sink.service(service, &["healthcheck"], "the health check asks nothing");
        } else if node.get("start_period").is_none() {
            sink.service(service, &["healthcheck"], "without start_period a slow start is a failure");
        }
    }
}

fn restart(project: &Project, sink: &mut Sink<'_>) {
    let way = &["deploy", "restart_policy"];
    for service in project.services() {
        let said = |key: &str| service.node.text_at(&["deploy", "restart_policy", key]);
        let wrong = if said("delay").is_none() {
            Some("no delay between two starts")
        } else if service.is_job()
            && (said("condition") != Some("on-failure") || said("max_attempts").is_none())
        {
            Some("a job is tried again on failure, and not for ever")
        } else if !service.is_job() && said("condition").is_some_and(|condition| condition != "any") {
            Some("a service that ended by itself stays away")
        } else {
            None
        };
        if let Some(wrong) = wrong {
            sink.service(service, way, wrong);
        }
    }
}

fn grace(project: &Project, sink: &mut Sink<'_>) {
    for service in project.services() {
        if service.node.text_at(&["stop_grace_period"]).and_then(seconds).is_none() {
            sink.service(service, &["stop_grace_period"], "it is killed after ten seconds");
        }
    }
}

fn drain(project: &Project, sink: &mut Sink<'_>) {
    for service in project.services() {
        let Some(grace) = service.node.text_at(&["stop_grace_period"]).and_then(seconds) else { continue };
        for (needed, why) in needs(project, service) {
            if grace <= needed {
                let message = format!("{grace} s are not longer than the {needed} s of {why}");
                sink.service(service, &["stop_grace_period"], message);
            }
        }
    }
}

/// What must be over before the program is killed, in seconds.
fn needs(project: &Project, service: Service<'_>) -> Vec<(f64, &'static str)> {
    let fixed = &project.edge.fixed;
    let mut needs = Vec::new();
    if service.labels().iter().any(|(label, _)| label.contains(".loadbalancer.server.port")) {
        let refresh =
            fixed.text_at(&["providers", "swarm", "refreshSeconds"]).and_then(seconds).unwrap_or(15.0);
        needs.push((refresh + 1.0, "the edge's refreshSeconds and one more"));
    }
    if service.program() == "traefik" {
        let of = |key| {
            fixed
                .at(&["entryPoints"])
                .map_or(&[][..], |node| node.entries())
                .iter()
                .filter_map(|(_, point)| point.text_at(&["transport", "lifeCycle", key]).and_then(seconds))
                .fold(0.0, f64::max)
        };
        needs.push((of("requestAcceptGraceTimeout") + of("graceTimeOut"), "lifeCycle in traefik.yml"));
    }
    if service.program().starts_with("nats-server") {
        needs.push((lame_duck(project, service).unwrap_or(120.0), "lame_duck_duration"));
    }
    needs
}

/// `lame_duck_duration` of the configuration that the service is given.
fn lame_duck(project: &Project, service: Service<'_>) -> Option<f64> {
    let configs = service.stack.section("configs");
    configs.iter().filter_map(|(_, node)| node.text_at(&["file"])).find_map(|file| {
        let text = std::fs::read_to_string(project.root.join("stack").join(file)).ok()?;
        let line = text.lines().find_map(|line| line.trim().strip_prefix("lame_duck_duration:"))?;
        seconds(line.trim().trim_matches('"'))
    })
}
