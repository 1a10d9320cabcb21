//! `${…}` that nobody set.

use std::collections::BTreeSet;

use super::{Rule, Sink};
use crate::{project::Project, variables::uses};

pub(super) const RULES: &[Rule] = &[Rule {
    name: "unset-variable",
    what: "Every ${NAME} has a default, or a `:?` in the same file that stops a deployment without it.",
    why: "An unset variable becomes nothing, silently: `Host(``)` is a router, and an image without a tag is the newest one.",
    instead: "Write ${NAME:-default}, or ${NAME:?what to do} once in the file.",
    check: unset,
}];

fn unset(project: &Project, sink: &mut Sink<'_>) {
    for stack in &project.stacks {
        let scalars = stack.raw.scalars();
        let all = || {
            scalars.iter().flat_map(|node| {
                uses(node.text().unwrap_or_default()).into_iter().map(|found| (node.line, found))
            })
        };
        let guarded: BTreeSet<String> =
            all().filter(|(_, found)| found.required).map(|(_, found)| found.name).collect();
        for (line, found) in all() {
            if found.default.is_none() && !guarded.contains(&found.name) {
                sink.file(
                    &stack.file,
                    line,
                    "${…}",
                    format!("{} becomes nothing when it is not set", found.name),
                );
            }
        }
    }
}
