//! Which images run: known ones, of known versions.

use super::{Rule, Sink};
use crate::{
    project::{Project, Service},
    variables::uses,
};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "unpinned-image",
        what: "Every image has a tag that does not move.",
        why: "`latest` is another program on each node and each day; nobody can go back to what ran yesterday.",
        instead: "Give it the exact version; the deployment adds the digest (--resolve-image always).",
        check: unpinned,
    },
    Rule {
        name: "image-source",
        what: "Images of others come from versions.env, images of our own from REGISTRY with a tag made by the build.",
        why: "A version that is written in two places is two versions before long.",
        instead: "Add NAME_IMAGE to versions.env and write ${NAME_IMAGE:?read versions.env}.",
        check: source,
    },
];

const MOVING: [&str; 9] =
    ["latest", "stable", "edge", "main", "master", "nightly", "alpine", "lts", "current"];

/// Why an image may be another one tomorrow.
fn moving(image: &str) -> Option<String> {
    if image.contains("@sha256:") {
        return None;
    }
    let last = image.rsplit('/').next().unwrap_or_default();
    match last.split_once(':') {
        None => Some(format!("{image} has no tag, which means latest")),
        Some((_, tag)) if MOVING.contains(&tag) => Some(format!("the tag {tag} moves")),
        Some((_, tag)) if tag.chars().all(|c| c.is_ascii_digit()) && tag.len() < 4 => {
            Some(format!("the tag {tag} moves with each minor version"))
        }
        Some(_) => None,
    }
}

fn unpinned(project: &Project, sink: &mut Sink<'_>) {
    for service in project.services() {
        let image = service.node.text_at(&["image"]).unwrap_or_default();
        if let Some(why) = moving(image) {
            sink.service(service, &["image"], why);
        }
    }
}

fn source(project: &Project, sink: &mut Sink<'_>) {
    for service in project.services() {
        if let Some(message) = foreign(project, service) {
            sink.service(service, &["image"], message);
        }
    }
}

fn foreign(project: &Project, service: Service<'_>) -> Option<String> {
    let raw = service.raw.text_at(&["image"]).unwrap_or_default();
    let names: Vec<String> = uses(raw).into_iter().map(|found| found.name).collect();
    match names.first().map(String::as_str) {
        Some("REGISTRY") => {
            let tag_is_made =
                names.iter().any(|name| matches!(name.as_str(), "IMAGE_TAG" | "PARTS_TAG" | "JENKINS_TAG"));
            let known = |name: &String| !name.ends_with("_VERSION") || project.versions.contains_key(name);
            if !tag_is_made {
                Some(format!(
                    "{raw} has none of IMAGE_TAG, PARTS_TAG and JENKINS_TAG: it would not change with its build"
                ))
            } else {
                names.iter().find(|name| !known(name)).map(|name| format!("versions.env has no {name}"))
            }
        }
        Some(name) if name.ends_with("_IMAGE") => {
            (!project.versions.contains_key(name)).then(|| format!("versions.env has no {name}"))
        }
        _ => Some(format!("{raw} is written here and not in versions.env")),
    }
}
