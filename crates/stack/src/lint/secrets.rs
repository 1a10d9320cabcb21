//! Secrets and configs: files with a version in their name, seen by one user.

use super::{Rule, Sink};
use crate::{
    project::{Project, Service},
    variables::uses,
};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "config-name",
        what: "A config's name ends with the hash of its content, and its file is there.",
        why: "Configs cannot be changed: a deployment with a changed file and the same name is refused, and one without the name restarts nothing.",
        instead: "name: {name: \"NAME_${NAME_SHA:-unset}\", file: ./…}; stack/environment.sh sets NAME_SHA.",
        check: config,
    },
    Rule {
        name: "secret-name",
        what: "A secret is made outside (external), and the version of its group is in its name.",
        why: "Secrets cannot be changed or read back: a new one needs a new name while the old one is in use. One that is made from a file is a password in the repository.",
        instead: "name: {external: true, name: \"NAME_v${GROUP_SECRETS_V:-1}\"}.",
        check: secret,
    },
    Rule {
        name: "secret-in-environment",
        what: "No password, key or token is written in an environment or a command.",
        why: "Environments and commands are shown by `docker inspect`, in crash reports and in the engine's own store, and stay in the repository for ever.",
        instead: "A secret, and the name of its file: NAME_FILE, or `/entry run NAME=/run/secrets/name -- program`.",
        check: environment,
    },
    Rule {
        name: "secret-mode",
        what: "A secret can be read by one user: mode 0400, and the service's own number as its owner.",
        why: "A short entry is readable for every user of the container; one that belongs to root cannot be read by a program that is not.",
        instead: "{source: name, target: name, uid: \"65532\", mode: 0400}.",
        check: mode,
    },
];

fn config(project: &Project, sink: &mut Sink<'_>) {
    for stack in &project.stacks {
        let raw = stack.raw.get("configs").map_or(&[][..], |node| node.entries());
        for (key, node) in raw {
            let hash = format!("{}_SHA", key.to_uppercase());
            let name = node.text_at(&["name"]).unwrap_or_default();
            let (file, line) = (&stack.file, node.line);
            if !name.starts_with(&format!("{key}_")) || !uses(name).iter().any(|found| found.name == hash) {
                sink.file(
                    file,
                    line,
                    "configs",
                    format!("the name of {key} does not end with ${{{hash}:-unset}}"),
                );
            }
            match node.text_at(&["file"]) {
                None => sink.file(file, line, "configs", format!("{key} has no file")),
                Some(path) if !path.contains('$') && !project.root.join("stack").join(path).is_file() => {
                    sink.file(file, line, "configs", format!("there is no {path}"));
                }
                Some(_) => {}
            }
        }
    }
}

fn secret(project: &Project, sink: &mut Sink<'_>) {
    for stack in &project.stacks {
        for (key, node) in stack.raw.get("secrets").map_or(&[][..], |node| node.entries()) {
            let (file, line) = (&stack.file, node.line);
            if node.text_at(&["external"]) != Some("true") {
                sink.file(file, line, "secrets", format!("{key} is made by the deployment"));
            }
            let name = node.text_at(&["name"]).unwrap_or_default();
            let found = uses(name);
            let versioned = found.len() == 1 && name.contains("_v${") && found[0].name.ends_with("_V");
            if !versioned {
                sink.file(
                    file,
                    line,
                    "secrets",
                    format!("the name of {key} does not end with _v${{GROUP_SECRETS_V:-1}}"),
                );
            }
        }
    }
}

const SECRET_WORDS: [&str; 8] =
    ["PASSWORD", "PASSWD", "PASS", "SECRET", "TOKEN", "KEY", "CREDENTIALS", "APIKEY"];

/// Whether a variable of this name holds something secret itself, and not the name of a file.
fn names_a_secret(name: &str) -> bool {
    let words: Vec<&str> = name.split('_').filter(|word| !word.is_empty()).collect();
    words.last() != Some(&"FILE") && words.iter().any(|word| SECRET_WORDS.contains(word))
}

/// Whether a URL carries a password: `scheme://user:password@host`.
fn has_password(text: &str) -> bool {
    text.split("://").skip(1).any(|rest| {
        let authority = rest.split(['/', '?', ' ', '"']).next().unwrap_or_default();
        authority
            .split_once('@')
            .is_some_and(|(user, _)| user.split_once(':').is_some_and(|(_, password)| !password.is_empty()))
    })
}

/// Whether a value says where a secret is, instead of being one.
fn points_elsewhere(value: &str) -> bool {
    value.is_empty()
        || value.starts_with('/')
        || (value.contains("://") && !has_password(value))
        || value.starts_with("$(cat /run/secrets/")
        || matches!(value, "true" | "false")
}

fn environment(project: &Project, sink: &mut Sink<'_>) {
    for service in project.services() {
        for (name, node) in service.environment() {
            let value = node.text().unwrap_or_default();
            if (names_a_secret(&name) && !points_elsewhere(value)) || has_password(value) {
                sink.at_line(
                    service,
                    node.line,
                    "environment",
                    format!("{name} is a secret for everybody to read"),
                );
            }
        }
        for key in ["command", "entrypoint"] {
            let Some(node) = service.node.get(key) else { continue };
            for word in
                node.scalars().into_iter().filter(|word| is_secret_word(word.text().unwrap_or_default()))
            {
                sink.at_line(service, word.line, key, "the command carries a secret for everybody to read");
            }
        }
    }
}

fn is_secret_word(word: &str) -> bool {
    let flag = word.trim_start_matches('-').replace('-', "_").to_uppercase();
    let assigns = flag.split_once('=').is_some_and(|(name, _)| {
        let value = word.split_once('=').map(|(_, value)| value).unwrap_or_default();
        names_a_secret(name.rsplit(' ').next().unwrap_or_default()) && !points_elsewhere(value)
    });
    assigns || has_password(word)
}

fn mode(project: &Project, sink: &mut Sink<'_>) {
    for service in project.services() {
        for secret in service.node.get("secrets").map_or(&[][..], |node| node.items()) {
            if let Some(message) = loose(service, secret) {
                sink.at_line(service, secret.line, "secrets", message);
            }
        }
    }
}

fn loose(service: Service<'_>, secret: &crate::yaml::Node) -> Option<String> {
    if let Some(name) = secret.text() {
        return Some(format!("{name} is readable for every user of the container"));
    }
    let name = secret.text_at(&["source"]).unwrap_or_default();
    let mode = secret.text_at(&["mode"]).unwrap_or("0444");
    if !matches!(mode.trim_start_matches("0o").trim_start_matches('0'), "400" | "440") {
        return Some(format!("{name} has the mode {mode}"));
    }
    let user = service.node.text_at(&["user"])?.split(':').next()?;
    let owner = secret.text_at(&["uid"]).unwrap_or("0");
    (user != owner).then(|| format!("{name} belongs to {owner}, and the service runs as {user}"))
}
