//! A deployment: checked before anything is touched, done stack by stack, waited for, tried from outside, taken back
//! when it fails.

mod back;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::bail;
use serde::Serialize;
use tokio::time::{Instant, sleep};

use crate::{
    engine::{Engine, Inspected},
    environment::Environment,
    project::STACKS,
    rendered::Rendered,
    settle::{Change, Standing, change, standing},
    smoke::{Probed, Smoke},
};

const LOOK_AGAIN: Duration = Duration::from_secs(1);
const COMPLAINTS_MAX: usize = 5;
const FIRST_OF_ALL: &str = "stack/secrets.sh makes secrets, stack/networks.sh networks";

/// What is deployed, where, and how.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// The manager.
    pub engine: Engine,
    /// The project's folder: `stack/`, `traefik/`, `versions.env`.
    pub root: PathBuf,
    /// What wins over `stack/environment.sh`: `DOMAIN`, `REGISTRY`, `IMAGE_TAG`, images, numbers of replicas.
    pub given: BTreeMap<String, String>,
    /// Files merged over every stack that they name, or folders with a file for each stack.
    pub overlays: Vec<PathBuf>,
    /// Whether tags are pinned to digests by asking the registry.
    pub resolve_image: ResolveImage,
    /// How long one wave of services may take.
    pub wave_seconds_max: u64,
    /// What is tried from outside afterwards; none for nothing.
    pub smoke: Option<Smoke>,
    /// Whether a deployment that failed is taken back.
    pub takes_back: bool,
}

/// As `docker stack deploy --resolve-image`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResolveImage {
    /// Each tag becomes the digest it has now.
    Always,
    /// Only of images that changed.
    Changed,
    /// Tags stay tags: for nodes that were given their images by hand.
    Never,
}

impl ResolveImage {
    fn word(self) -> &'static str {
        match self {
            ResolveImage::Always => "always",
            ResolveImage::Changed => "changed",
            ResolveImage::Never => "never",
        }
    }
}

/// How a deployment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Everything is what it should be.
    Done,
    /// Something it needs is not there: nothing was changed.
    Refused,
    /// It failed, and what it had changed is as before.
    TakenBack,
    /// It failed, and not everything is as before.
    Failed,
}

/// What a deployment did.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// How it ended.
    pub outcome: Outcome,
    /// Why it did not end well; empty when it did.
    pub problems: Vec<String>,
    /// Each service it touched, in the order of touching.
    pub services: Vec<Deployed>,
    /// What was tried from outside.
    pub probes: Vec<Probed>,
}

/// A service that was deployed.
#[derive(Debug, Clone, Serialize)]
pub struct Deployed {
    /// With its stack: `app_tickets`.
    pub name: String,
    /// What was done to it.
    pub change: Change,
    /// Whether it was taken back.
    pub taken_back: bool,
}

/// Where a person sees how it goes on.
pub trait Progress: Send {
    /// A piece of work begins; the one before is over.
    fn begins(&mut self, what: &str);
    /// What it waits for.
    fn waits(&mut self, what: &str);
}

/// Nobody looks.
impl Progress for () {
    fn begins(&mut self, _: &str) {}
    fn waits(&mut self, _: &str) {}
}

impl Report {
    fn new() -> Report {
        Report { outcome: Outcome::Done, problems: Vec::new(), services: Vec::new(), probes: Vec::new() }
    }
}

impl Deployment {
    /// A deployment of the project at `root` with nothing said otherwise.
    pub fn of(root: impl Into<PathBuf>) -> Deployment {
        Deployment {
            engine: Engine::default(),
            root: root.into(),
            given: BTreeMap::new(),
            overlays: Vec::new(),
            resolve_image: ResolveImage::Always,
            wave_seconds_max: 600,
            smoke: None,
            takes_back: true,
        }
    }

    /// Deploys `stacks`, in the order of [`STACKS`]; all of them when there are none.
    ///
    /// # Errors
    /// When the files cannot be rendered, or the engine does not answer. What a deployment itself runs into is in the
    /// report.
    pub async fn deploy(&self, stacks: &[String], progress: &mut dyn Progress) -> anyhow::Result<Report> {
        let mut report = Report::new();
        progress.begins("what it needs");
        let environment = self.environment().await?;
        let mut rendered = Vec::new();
        for stack in in_order(stacks)? {
            rendered.push(self.render(stack, &environment).await?);
        }
        report.problems = self.missing(&rendered).await?;
        if !report.problems.is_empty() {
            report.outcome = Outcome::Refused;
            report.problems.push(FIRST_OF_ALL.into());
            return Ok(report);
        }
        for stack in &rendered {
            if let Err(error) = self.deploy_stack(stack, &mut report, progress).await {
                report.problems.push(format!("{}: {error:#}", stack.stack));
                break;
            }
        }
        if let (Some(smoke), true) = (&self.smoke, report.problems.is_empty()) {
            progress.begins("from outside");
            match smoke.run(&self.engine, progress).await {
                Ok(probes) => report.probes = probes,
                Err(error) => report.problems.push(format!("from outside: {error:#}")),
            }
            let failed = report.probes.iter().filter(|probe| !probe.passed);
            report.problems.extend(failed.map(|probe| format!("{}: {}", probe.what, probe.said)));
        }
        if report.problems.is_empty() {
            for stack in &rendered {
                // What is left is only untidy; the next deployment tries again.
                if let Err(error) = self.sweep(&stack.stack).await {
                    progress.begins(&format!("old configs of {} stay: {error:#}", stack.stack));
                }
            }
        }
        if !report.problems.is_empty() {
            report.outcome = Outcome::Failed;
            if self.takes_back {
                self.take_back(&mut report, progress).await;
            }
        }
        Ok(report)
    }

    /// The variables: `stack/environment.sh` asked with this engine, and what was given.
    ///
    /// # Errors
    /// When the script fails, or does not end.
    pub async fn environment(&self) -> anyhow::Result<Environment> {
        let mut given = self.given.clone();
        if let Some(host) = &self.engine.host {
            given.insert("DOCKER_HOST".into(), host.clone());
        }
        Environment::read(&self.root, &given).await
    }

    /// A stack as it would be deployed.
    ///
    /// # Errors
    /// When the client refuses the files: a variable that is not set, a key it does not know. When an overlay would
    /// close a port.
    pub async fn render(&self, stack: &str, environment: &Environment) -> anyhow::Result<Rendered> {
        let folder = self.root.join("stack");
        let base = format!("{stack}.yml");
        let overlays = self.overlays.iter().filter_map(|overlay| overlay_for(overlay, stack));
        let files: Vec<String> = overlays.map(|file| file.to_string_lossy().into_owned()).collect();
        let mut arguments = vec!["stack", "config", "--compose-file", &base];
        let text = self.engine.run(&arguments, &folder, environment.variables(), None).await?;
        let base = Rendered::read(stack, text)?;
        if files.is_empty() {
            return Ok(base);
        }
        files.iter().for_each(|file| arguments.extend(["--compose-file", file]));
        let text = self.engine.run(&arguments, &folder, environment.variables(), None).await?;
        let whole = Rendered::read(stack, text)?;
        let lost = base.ports_lost_in(&whole);
        anyhow::ensure!(
            lost.is_empty(),
            "with {} these ports would no longer be published: {}; of a service that an overlay names, Docker keeps one of \
             two ports with the same number: take the service out of the overlay",
            files.join(" and "),
            lost.join(", ")
        );
        Ok(whole)
    }

    /// All secrets and networks that are not there.
    async fn missing(&self, rendered: &[Rendered]) -> anyhow::Result<Vec<String>> {
        let mut missing = BTreeSet::new();
        for (section, kind) in [("secrets", "secret"), ("networks", "network")] {
            let there: BTreeSet<String> = self.engine.names(kind).await?.into_iter().collect();
            for stack in rendered {
                let absent = stack.needed(section).into_iter().filter(|name| !there.contains(name));
                missing.extend(absent.map(|name| format!("{}: there is no {kind} {name}", stack.stack)));
            }
        }
        Ok(missing.into_iter().collect())
    }

    async fn deploy_stack(
        &self,
        stack: &Rendered,
        report: &mut Report,
        progress: &mut dyn Progress,
    ) -> anyhow::Result<()> {
        let listed = self.engine.listed(Some(&stack.stack)).await?;
        let running: BTreeSet<String> = listed.into_iter().map(|service| service.name).collect();
        for wave in stack.waves(&running) {
            let what = if wave.len() == stack.services().len() {
                String::new()
            } else {
                format!(" {}", wave.join(" "))
            };
            progress.begins(&format!("{}{what}", stack.stack));
            let full: Vec<String> = wave.iter().map(|name| format!("{}_{name}", stack.stack)).collect();
            let before = self.inspected(full.iter().filter(|name| running.contains(*name))).await?;
            let arguments = [
                "stack",
                "deploy",
                "--compose-file",
                "-",
                "--with-registry-auth",
                "--detach=true",
                "--resolve-image",
                self.resolve_image.word(),
                &stack.stack,
            ];
            let piece = stack.only(&wave);
            // What was changed before it failed is known too: it is taken back.
            let done = self.engine.run(&arguments, &self.root, &BTreeMap::new(), Some(&piece)).await;
            let listed = self.engine.listed(Some(&stack.stack)).await?;
            let there: BTreeSet<String> = listed.into_iter().map(|service| service.name).collect();
            let after = self.inspected(full.iter().filter(|name| there.contains(*name))).await?;
            let changes: BTreeMap<String, Change> = after
                .iter()
                .map(|(name, service)| (name.clone(), change(before.get(name), service)))
                .collect();
            let deployed = |name: &String| {
                let change = changes.get(name).copied().unwrap_or(Change::Same);
                Deployed { name: name.clone(), change, taken_back: false }
            };
            report.services.extend(full.iter().map(deployed));
            done?;
            self.settle(&stack.stack, &changes, progress).await?;
        }
        Ok(())
    }

    async fn inspected(
        &self,
        names: impl Iterator<Item = &String>,
    ) -> anyhow::Result<BTreeMap<String, Inspected>> {
        let names: Vec<String> = names.cloned().collect();
        let services = self.engine.inspected(&names).await?;
        Ok(services.into_iter().map(|service| (service.spec.name.clone(), service)).collect())
    }

    /// Waits until all services are what they should be.
    async fn settle(
        &self,
        stack: &str,
        changes: &BTreeMap<String, Change>,
        progress: &mut dyn Progress,
    ) -> anyhow::Result<()> {
        let started = Instant::now();
        // Since when each has all its tasks: a moment is not enough.
        let mut complete: BTreeMap<String, Instant> = BTreeMap::new();
        loop {
            let inspected = self.inspected(changes.keys()).await?;
            let mut waiting = Vec::new();
            for listed in self.engine.listed(Some(stack)).await? {
                let (Some(change), Some(service)) = (changes.get(&listed.name), inspected.get(&listed.name))
                else {
                    continue;
                };
                let now = standing(*change, &listed, service, Duration::from_secs(3600));
                if now == Standing::Done {
                    complete.entry(listed.name.clone()).or_insert_with(Instant::now);
                } else {
                    complete.remove(&listed.name);
                }
                let since = complete.get(&listed.name).map_or(Duration::ZERO, Instant::elapsed);
                match standing(*change, &listed, service, since) {
                    Standing::Done => {}
                    Standing::Waiting(why) => waiting.push(format!("{}: {why}", listed.name)),
                    Standing::Failed(why) => bail!("{}: {why}{}", listed.name, self.complaints(stack).await),
                }
            }
            if waiting.is_empty() && complete.len() == changes.len() {
                return Ok(());
            }
            progress.waits(&waiting.join(", "));
            if started.elapsed().as_secs() > self.wave_seconds_max {
                let seconds = self.wave_seconds_max;
                bail!("after {seconds} s: {}{}", waiting.join(", "), self.complaints(stack).await);
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Removes configs that neither what runs nor what ran before it has: each change of a file leaves one behind.
    async fn sweep(&self, stack: &str) -> anyhow::Result<()> {
        let listed = self.engine.listed(Some(stack)).await?;
        let names: Vec<String> = listed.into_iter().map(|service| service.name).collect();
        let services = self.engine.inspected(&names).await?;
        let needed = needed_configs(&services);
        for name in self.engine.configs(stack).await?.into_iter().filter(|name| !needed.contains(name)) {
            self.engine.ask(&["config", "rm", &name]).await?;
        }
        Ok(())
    }

    /// What tasks say of why they ended, for a message.
    async fn complaints(&self, stack: &str) -> String {
        let tasks = self.engine.complaints(stack).await.unwrap_or_default();
        let line = |task: &crate::engine::Task| {
            format!("\n  {} on {}: {}: {}", task.name, task.node, task.current_state, task.error)
        };
        tasks.iter().take(COMPLAINTS_MAX).map(line).collect()
    }
}

/// Configs of the services as they are, and as they would be after a rollback.
fn needed_configs(services: &[Inspected]) -> BTreeSet<String> {
    let specs = services.iter().flat_map(|service| [Some(&service.spec), service.previous_spec.as_ref()]);
    specs.flatten().flat_map(|spec| spec.configs()).collect()
}

/// The stacks in the order of deployment; all of them for none and for `all`.
fn in_order(stacks: &[String]) -> anyhow::Result<Vec<&'static str>> {
    if let Some(unknown) = stacks.iter().find(|name| *name != "all" && !STACKS.contains(&name.as_str())) {
        bail!("there is no stack {unknown}: {}", STACKS.join(", "));
    }
    let all = stacks.is_empty() || stacks.iter().any(|name| name == "all");
    Ok(STACKS.into_iter().filter(|stack| all || stacks.iter().any(|name| name == stack)).collect())
}

/// The file of an overlay for a stack: of a folder the one called like it, else the file itself.
fn overlay_for(overlay: &Path, stack: &str) -> Option<PathBuf> {
    let whole = std::path::absolute(overlay).unwrap_or_else(|_| overlay.to_path_buf());
    if !whole.is_dir() {
        return Some(whole);
    }
    let file = whole.join(format!("{stack}.yml"));
    file.exists().then_some(file)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn inspected(text: &str) -> Inspected {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn stacks_are_deployed_in_their_order_whatever_the_order_of_asking() {
        let asked =
            |names: &[&str]| in_order(&names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        assert_eq!(asked(&["app", "bus"]), ["bus", "app"]);
        assert_eq!(asked(&[]), STACKS);
        assert_eq!(asked(&["all"]), STACKS);
        assert!(in_order(&["apps".to_string()]).unwrap_err().to_string().contains("edge"));
    }

    #[test]
    fn configs_to_go_back_to_are_kept() {
        let spec = |name: &str| {
            format!(
                r#"{{"Name":"x","TaskTemplate":{{"ContainerSpec":{{"Configs":[{{"ConfigName":"{name}"}}]}}}}}}"#
            )
        };
        let service =
            inspected(&format!(r#"{{"Spec":{},"PreviousSpec":{}}}"#, spec("word_2"), spec("word_1")));
        assert_eq!(needed_configs(&[service]), BTreeSet::from(["word_1".to_string(), "word_2".to_string()]));
    }

    #[test]
    fn an_overlay_is_a_file_or_a_folder_with_a_file_for_each_stack() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("app.yml"), "services: {}").unwrap();
        assert_eq!(overlay_for(folder.path(), "app").unwrap(), folder.path().join("app.yml"));
        assert_eq!(overlay_for(folder.path(), "bus"), None);
        assert_eq!(
            overlay_for(&folder.path().join("app.yml"), "bus").unwrap(),
            folder.path().join("app.yml")
        );
    }
}
