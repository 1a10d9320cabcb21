//! The swarm's linter: what `docker stack deploy` ignores, forgets or finds out too late, found in the files.
//!
//! A rule has a name, says what is wrong, why it matters and what to do instead. A comment
//! `# lint: RULE: reason` above the service, or above the line, exempts from it; an exemption that is not needed any
//! more is itself a finding.

mod edge;
mod exemption;
mod hardening;
mod health;
mod images;
mod network;
mod references;
mod resources;
mod roll_out;
mod secrets;
mod variables;
mod weakness;

use std::fmt;

use serde::Serialize;

use crate::project::{File, Project, Service};

pub(crate) use roll_out::ONE_AT_A_TIME;
pub use weakness::{Check, WEAKNESSES, Weakness};

/// Something to check, and why.
#[derive(Debug)]
pub struct Rule {
    /// Its name, as in an exemption and in `--explain`.
    pub name: &'static str,
    /// What must be, in a sentence.
    pub what: &'static str,
    /// What happens otherwise.
    pub why: &'static str,
    /// What to do.
    pub instead: &'static str,
    check: fn(&Project, &mut Sink<'_>),
}

/// A place where a rule is not kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The file, relative to the project.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The service, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The key, such as `deploy.update_config.order`.
    pub key: String,
    /// The name of the rule.
    pub rule: &'static str,
    /// What is wrong here.
    pub message: String,
    /// What to do instead.
    pub instead: &'static str,
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let service = self.service.as_ref().map(|name| format!("{name}, ")).unwrap_or_default();
        write!(
            formatter,
            "{}:{}: {service}{}: {} [{}]",
            self.file, self.line, self.key, self.message, self.rule
        )
    }
}

/// Where a rule puts what it finds.
pub(crate) struct Sink<'a> {
    rule: &'a Rule,
    findings: &'a mut Vec<Finding>,
}

impl Sink<'_> {
    /// Something about a key of a service.
    pub(crate) fn service(&mut self, service: Service<'_>, way: &[&str], message: impl Into<String>) {
        self.at_line(service, service.line_of(way), &way.join("."), message);
    }

    /// Something about a line of a service.
    pub(crate) fn at_line(
        &mut self,
        service: Service<'_>,
        line: usize,
        key: &str,
        message: impl Into<String>,
    ) {
        self.push(&service.stack.file, line, Some(service.name.to_string()), key, message.into());
    }

    /// Something about a file.
    pub(crate) fn file(&mut self, file: &File, line: usize, key: &str, message: impl Into<String>) {
        self.push(file, line, None, key, message.into());
    }

    fn push(&mut self, file: &File, line: usize, service: Option<String>, key: &str, message: String) {
        let (rule, instead) = (self.rule.name, self.rule.instead);
        let file = file.name.clone();
        self.findings.push(Finding { file, line, service, key: key.to_string(), rule, message, instead });
    }
}

/// Every rule.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    [
        references::RULES,
        images::RULES,
        variables::RULES,
        health::RULES,
        resources::RULES,
        roll_out::RULES,
        network::RULES,
        hardening::RULES,
        secrets::RULES,
        edge::RULES,
        exemption::RULES,
    ]
    .into_iter()
    .flatten()
}

/// The rule called `name`.
pub fn rule(name: &str) -> Option<&'static Rule> {
    rules().find(|rule| rule.name == name)
}

/// Everything in `project` that breaks a rule and is not exempt, by file and line.
pub fn lint(project: &Project) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rule in rules() {
        (rule.check)(project, &mut Sink { rule, findings: &mut findings });
    }
    let mut kept = exemption::without_exempt(project, findings);
    kept.sort();
    kept.dedup();
    kept
}
