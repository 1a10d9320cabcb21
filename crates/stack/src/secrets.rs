//! Secrets of a swarm: made by `stack/secrets.sh`, listed, and renewed while they are used.
//!
//! Servers of `bus` and `data` accept two versions: the one that is used and the next. So clients change first, and
//! then the next version takes the place of the old one in the servers. All other groups have one side.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use anyhow::{Context, bail};
use serde::Serialize;
use tokio::process::Command;

use crate::{
    deploy::{Deployment, Outcome, Progress, Report},
    project::{Project, STACKS},
    script,
    variables::uses,
};

/// A group: secrets that are made and renewed together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    /// As `stack/secrets.sh` calls it.
    pub name: &'static str,
    /// Whether its servers accept the next version already.
    pub accepts_next: bool,
    /// What a person should know before it is renewed; empty for nothing.
    pub note: &'static str,
}

/// Every group, in the order in which they are made.
pub const GROUPS: [Group; 9] = [
    Group { name: "bus", accepts_next: true, note: "" },
    Group {
        name: "routes",
        accepts_next: false,
        note: "NATS has one password for its routes: while the servers change one by one, the bus is without a majority \
               for the seconds in which the second of them restarts, and writes wait",
    },
    Group { name: "data", accepts_next: true, note: "KeyDB restarts, services work without it meanwhile" },
    Group {
        name: "replication",
        accepts_next: false,
        note: "both PostgreSQL servers restart, one after the other: sales wait for the seconds that the primary takes",
    },
    Group {
        name: "identity",
        accepts_next: false,
        note: "Keycloak keeps the clients' secrets that it knows: set the new ones in the realm livehouse too",
    },
    Group {
        name: "edge",
        accepts_next: false,
        note: "TLS_CERTIFICATE and TLS_KEY name the new files; open WebSockets come back within seconds",
    },
    Group { name: "site", accepts_next: false, note: "everybody who is signed in signs in again" },
    Group {
        name: "observability",
        accepts_next: false,
        note: "Grafana keeps the administrator's password that it knows",
    },
    Group { name: "ops", accepts_next: false, note: "REGISTRY_PASSWORD is the new password of the registry" },
];

impl Group {
    /// The group called `name`.
    ///
    /// # Errors
    /// When there is none, with the names of all.
    pub fn named(name: &str) -> anyhow::Result<Group> {
        let all = GROUPS.map(|group| group.name).join(", ");
        GROUPS
            .into_iter()
            .find(|group| group.name == name)
            .with_context(|| format!("there is no group {name}: {all}"))
    }

    /// The variable that says which version is used.
    pub fn variable(self) -> String {
        format!("{}_SECRETS_V", self.name.to_uppercase())
    }

    /// The variable that says which version the servers accept for numbers like `version`.
    fn accepted_variable(self, version: u32) -> String {
        let side = if version.is_multiple_of(2) { "EVEN" } else { "ODD" };
        format!("{}_{side}_V", self.name.to_uppercase())
    }
}

/// One deployment of a rotation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Phase {
    /// What it is for.
    pub what: &'static str,
    /// Variables that win over `stack/environment.sh`.
    pub variables: BTreeMap<String, String>,
    /// The stacks to deploy with them.
    pub stacks: Vec<String>,
}

/// How a group is renewed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The group.
    pub group: &'static str,
    /// The version that is made now; with the next one, where servers accept that.
    pub make: u32,
    /// The deployments, in their order.
    pub phases: Vec<Phase>,
    /// The version that nobody needs afterwards.
    pub remove: u32,
    /// What a person should know before; empty for nothing.
    pub note: &'static str,
}

/// What is used now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InUse {
    /// The version that clients have.
    pub version: u32,
    /// The two versions that servers accept, of the groups where they accept two.
    pub accepted: (u32, u32),
}

/// How `group` gets from what is used now to the next version. A rotation that was broken off after its first deployment
/// is ended first: nothing new is made then.
pub fn plan(group: Group, now: InUse, stacks_by_variable: &BTreeMap<String, Vec<String>>) -> Plan {
    let InUse { version, accepted } = now;
    let stacks = |variable: &str| stacks_by_variable.get(variable).cloned().unwrap_or_default();
    let uses = |version: u32| (group.variable(), version.to_string());
    let drop_phase = |used: u32| {
        let old = group.accepted_variable(used + 1);
        let variables = BTreeMap::from([uses(used), (old.clone(), (used + 1).to_string())]);
        Phase { what: "the old version is refused, the next accepted", variables, stacks: stacks(&old) }
    };
    let unfinished = group.accepts_next && ![accepted.0, accepted.1].contains(&(version + 1));
    let phases = if unfinished {
        vec![drop_phase(version)]
    } else {
        let variables = BTreeMap::from([uses(version + 1)]);
        let change =
            Phase { what: "everybody uses the new version", variables, stacks: stacks(&group.variable()) };
        let drop = group.accepts_next.then(|| drop_phase(version + 1));
        [change].into_iter().chain(drop).collect()
    };
    let (make, remove) = if unfinished { (version, version - 1) } else { (version + 1, version) };
    Plan { group: group.name, make, phases, remove, note: group.note }
}

/// The stacks that have a secret with each variable in its name, in the order of deployment.
pub fn stacks_by_variable(project: &Project) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for stack in &project.stacks {
        let names = stack.raw.get("secrets").map_or(&[][..], |node| node.entries());
        let variables: BTreeSet<String> = names
            .iter()
            .flat_map(|(_, node)| uses(node.text_at(&["name"]).unwrap_or_default()))
            .map(|found| found.name)
            .collect();
        variables
            .into_iter()
            .for_each(|variable| found.entry(variable).or_default().push(stack.name.clone()));
    }
    found
}

/// Names without their version of the secrets of a group.
fn names_of(project: &Project, group: Group) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for stack in &project.stacks {
        for (_, node) in stack.raw.get("secrets").map_or(&[][..], |node| node.entries()) {
            let name = node.text_at(&["name"]).unwrap_or_default();
            let variable = uses(name).into_iter().next().map(|found| found.name).unwrap_or_default();
            let of_group = [group.variable(), group.accepted_variable(1), group.accepted_variable(2)];
            if let Some((stem, _)) = name.split_once("_v${").filter(|_| of_group.contains(&variable)) {
                names.insert(stem.to_string());
            }
        }
    }
    names
}

/// A secret of the swarm.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Listed {
    /// The group; `-` for one that no stack knows.
    pub group: String,
    /// Its name without the version.
    pub name: String,
    /// Its version; none when the name has none.
    pub version: Option<u32>,
    /// The services that have it.
    pub used_by: Vec<String>,
}

/// A rotation that was done.
#[derive(Debug, Clone, Serialize)]
pub struct Rotated {
    /// How it was meant to go.
    pub plan: Plan,
    /// What `stack/secrets.sh` said.
    pub made: String,
    /// Each deployment; none without `deploy`.
    pub reports: Vec<Report>,
    /// The secrets that were removed.
    pub removed: Vec<String>,
}

impl Rotated {
    /// Whether every deployment went well.
    pub fn is_done(&self) -> bool {
        self.reports.iter().all(|report| report.outcome == Outcome::Done)
    }
}

/// Runs `stack/secrets.sh GROUP VERSION` for the engine of `deployment`; what is there stays. Gives what it said.
///
/// # Errors
/// When the script fails, with what it said, or does not end.
pub async fn make(deployment: &Deployment, group: &str, version: u32) -> anyhow::Result<String> {
    let mut command = Command::new(deployment.root.join("stack/secrets.sh"));
    command.args([group, &version.to_string()]).envs(&deployment.given);
    if let Some(host) = &deployment.engine.host {
        command.env("DOCKER_HOST", host);
    }
    let output = script::ended(command, "stack/secrets.sh").await?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).trim().to_string();
    if !output.status.success() {
        bail!("stack/secrets.sh {group} {version}: {said}");
    }
    Ok(said)
}

/// Every secret of the swarm, and who has it.
///
/// # Errors
/// When the engine does not answer, or the project cannot be read.
pub async fn list(deployment: &Deployment) -> anyhow::Result<Vec<Listed>> {
    let project = Project::load(&deployment.root)?;
    let mut users: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let names =
        deployment.engine.listed(None).await?.into_iter().map(|service| service.name).collect::<Vec<_>>();
    for service in deployment.engine.inspected(&names).await? {
        for secret in service.spec.secrets() {
            users.entry(secret).or_default().push(service.spec.name.clone());
        }
    }
    let groups: Vec<(&str, BTreeSet<String>)> =
        GROUPS.iter().map(|group| (group.name, names_of(&project, *group))).collect();
    let mut listed: Vec<Listed> = deployment
        .engine
        .names("secret")
        .await?
        .into_iter()
        .map(|full| {
            let (name, version) = split(&full);
            let group =
                groups.iter().find(|(_, names)| names.contains(&name)).map_or("-", |(group, _)| group);
            Listed { group: group.into(), name, version, used_by: users.remove(&full).unwrap_or_default() }
        })
        .collect();
    listed.sort();
    Ok(listed)
}

/// `nats_users_v3` as its name and version.
fn split(full: &str) -> (String, Option<u32>) {
    let versioned = full.rsplit_once("_v").and_then(|(name, version)| Some((name, version.parse().ok()?)));
    versioned.map_or_else(|| (full.to_string(), None), |(name, version)| (name.to_string(), Some(version)))
}

/// Makes the next version of a group; with `deploys`, deploys whatever uses it, in the order in which no connection is
/// refused, and removes the old version when everything runs with the new one.
///
/// # Errors
/// When the secrets cannot be made or the engine does not answer. A deployment that fails ends the rotation: what it
/// says is in its report, and rotating again goes on from there.
pub async fn rotate(
    deployment: &Deployment,
    group: Group,
    deploys: bool,
    progress: &mut dyn Progress,
) -> anyhow::Result<Rotated> {
    let project = Project::load(&deployment.root)?;
    let there: BTreeSet<String> = deployment
        .engine
        .listed(None)
        .await?
        .iter()
        .filter_map(|service| service.name.split_once('_').map(|(stack, _)| stack.to_string()))
        .collect();
    let mut plan = plan(group, in_use(deployment, group).await?, &stacks_by_variable(&project));
    // What was never deployed takes the new version when it is.
    plan.phases.iter_mut().for_each(|phase| phase.stacks.retain(|stack| there.contains(stack)));
    progress.begins(&format!("{} version {}", group.name, plan.make));
    let made = make(deployment, group.name, plan.make).await?;
    let mut rotated = Rotated { plan, made, reports: Vec::new(), removed: Vec::new() };
    if !deploys {
        return Ok(rotated);
    }
    for phase in rotated.plan.phases.clone().into_iter().filter(|phase| !phase.stacks.is_empty()) {
        progress.begins(phase.what);
        let mut with = deployment.clone();
        with.given.extend(phase.variables);
        rotated.reports.push(with.deploy(&phase.stacks, progress).await?);
        if !rotated.is_done() {
            return Ok(rotated);
        }
    }
    progress.begins("removing the old version");
    let old = rotated.plan.remove;
    let names: BTreeSet<String> = deployment.engine.names("secret").await?.into_iter().collect();
    for name in names_of(&project, group)
        .iter()
        .map(|name| format!("{name}_v{old}"))
        .filter(|name| names.contains(name))
    {
        deployment.engine.ask(&["secret", "rm", &name]).await?;
        rotated.removed.push(name);
    }
    Ok(rotated)
}

/// What services use now, as `stack/environment.sh` finds it.
async fn in_use(deployment: &Deployment, group: Group) -> anyhow::Result<InUse> {
    let environment = deployment.environment().await?;
    let number = |variable: &str, usual: u32| match environment.get(variable) {
        Some(text) => text.parse::<u32>().with_context(|| format!("{variable} is {text:?}")),
        None => Ok(usual),
    };
    let accepted = (number(&group.accepted_variable(1), 1)?, number(&group.accepted_variable(2), 2)?);
    Ok(InUse { version: number(&group.variable(), 1)?, accepted })
}

/// The commands of a plan for somebody without cargo.
pub fn commands(plan: &Plan) -> Vec<String> {
    let mut lines = vec![format!("stack/secrets.sh {} {}", plan.group, plan.make)];
    for phase in &plan.phases {
        let variables: Vec<String> =
            phase.variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
        lines.push(format!("# {}", phase.what));
        lines.push(format!("export {}", variables.join(" ")));
        let in_order = STACKS.iter().filter(|stack| phase.stacks.iter().any(|name| name == *stack));
        lines.extend(in_order.map(|stack| {
            format!("(said=$(stack/environment.sh) && eval \"$said\" && docker stack deploy --with-registry-auth --compose-file stack/{stack}.yml {stack})")
        }));
    }
    lines.push(format!(
        "docker secret ls --quiet --filter label=livehouse.group={} --filter label=livehouse.version={} | xargs docker secret rm",
        plan.group, plan.remove
    ));
    lines
}

/// The project at `root`, for [`plan`].
///
/// # Errors
/// When its files cannot be read.
pub fn stacks_of(root: &Path) -> anyhow::Result<BTreeMap<String, Vec<String>>> {
    Ok(stacks_by_variable(&Project::load(root)?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn stacks() -> BTreeMap<String, Vec<String>> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
        stacks_of(root).unwrap()
    }

    fn planned(group: &str, version: u32, accepted: (u32, u32)) -> Plan {
        plan(Group::named(group).unwrap(), InUse { version, accepted }, &stacks())
    }

    fn variables(phase: &Phase) -> Vec<String> {
        phase.variables.iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    #[test]
    fn clients_of_the_bus_change_before_the_servers_refuse_the_old_version() {
        let plan = planned("bus", 1, (1, 2));
        assert_eq!((plan.make, plan.remove), (2, 1));
        assert_eq!(variables(&plan.phases[0]), ["BUS_SECRETS_V=2"]);
        assert_eq!(plan.phases[0].stacks, ["bus", "app"]);
        assert_eq!(variables(&plan.phases[1]), ["BUS_ODD_V=3", "BUS_SECRETS_V=2"]);
        assert_eq!(plan.phases[1].stacks, ["bus"]);
    }

    #[test]
    fn no_phase_refuses_what_somebody_still_uses() {
        for group in GROUPS.into_iter().filter(|group| group.accepts_next) {
            let (mut version, mut odd, mut even) = (1, 1, 2);
            for _ in 0..6 {
                let plan = plan(group, InUse { version, accepted: (odd, even) }, &stacks());
                for phase in &plan.phases {
                    let said =
                        |name: String| phase.variables.get(&name).map(|value| value.parse::<u32>().unwrap());
                    let before = version;
                    version = said(group.variable()).unwrap();
                    // The servers change while clients have either version.
                    odd = said(group.accepted_variable(1)).unwrap_or(odd);
                    even = said(group.accepted_variable(2)).unwrap_or(even);
                    for used in [before, version] {
                        assert!([odd, even].contains(&used), "{}: {used} is refused: {phase:?}", group.name);
                    }
                }
                assert_eq!(odd.max(even), version + 1, "the next version is accepted");
            }
            assert_eq!(version, 7);
        }
    }

    #[test]
    fn a_rotation_that_was_broken_off_is_ended_before_another_begins() {
        let plan = planned("data", 2, (1, 2));
        assert_eq!((plan.make, plan.remove, plan.phases.len()), (2, 1, 1));
        assert_eq!(variables(&plan.phases[0]), ["DATA_ODD_V=3", "DATA_SECRETS_V=2"]);
        assert_eq!(plan.phases[0].stacks, ["data"]);
    }

    #[test]
    fn groups_with_one_side_are_deployed_once() {
        let plan = planned("site", 4, (1, 2));
        assert_eq!((plan.make, plan.remove, plan.phases.len()), (5, 4, 1));
        assert_eq!(plan.phases[0].stacks, ["app"]);
    }

    #[test]
    fn every_secret_of_the_stacks_belongs_to_a_group() {
        let known: BTreeSet<String> = GROUPS
            .iter()
            .flat_map(|group| [group.variable(), group.accepted_variable(1), group.accepted_variable(2)])
            .collect();
        for (variable, stacks) in stacks() {
            assert!(known.contains(&variable), "{stacks:?}: {variable} is of no group");
        }
    }

    #[test]
    fn versions_are_read_from_names() {
        assert_eq!(split("nats_users_v12"), ("nats_users".into(), Some(12)));
        assert_eq!(split("somebody_else_s"), ("somebody_else_s".into(), None));
    }
}
