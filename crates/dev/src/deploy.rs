//! `cargo dev deploy`: stacks into a swarm, waited for, tried from outside, taken back when it fails.

use livehouse_parts::Workspace;
use livehouse_stack::{
    deploy::{Deployment, Outcome, Progress, Report, ResolveImage},
    engine::Engine,
    settle::Change,
    smoke::Smoke,
};

use crate::{
    cli::{DeployOptions, EngineOptions, Resolve},
    terminal::{Paint, Step, Terminal, print},
};

/// What a person sees of a deployment: a line for each piece of work, and what it waits for meanwhile.
pub(crate) struct Shown<'a> {
    step: Option<&'a Step>,
    terminal: &'a Terminal,
}

impl<'a> Shown<'a> {
    pub(crate) fn new(terminal: &'a Terminal, step: &'a Step) -> Shown<'a> {
        Shown { step: Some(step), terminal }
    }
}

impl Progress for Shown<'_> {
    fn begins(&mut self, what: &str) {
        self.terminal.note(what);
    }

    fn waits(&mut self, what: &str) {
        if let Some(step) = self.step {
            step.detail(what);
        }
    }
}

/// A deployment with what the command line says of the engine.
pub(crate) fn deployment(options: &EngineOptions) -> Deployment {
    let mut deployment = Deployment::of(Workspace::find().root());
    deployment.engine = options.host.as_ref().map_or_else(Engine::default, Engine::at);
    deployment.overlays.clone_from(&options.overlay);
    deployment.wave_seconds_max = options.seconds;
    deployment.resolve_image = match options.resolve_image {
        Resolve::Always => ResolveImage::Always,
        Resolve::Changed => ResolveImage::Changed,
        Resolve::Never => ResolveImage::Never,
    };
    deployment
}

/// Deploys or takes back. 0 when all is well, 1 when nothing was changed, 3 when it failed and was taken back, 4 when it
/// failed and not all of it was.
pub(crate) async fn run(options: DeployOptions, terminal: &Terminal) -> anyhow::Result<u8> {
    let mut deployment = deployment(&options.engine);
    deployment.takes_back = !options.keep;
    if !options.no_smoke {
        let domain = deployment.environment().await?.get("DOMAIN").map(str::to_string);
        deployment.smoke = domain.map(|domain| Smoke {
            domain,
            address: options.address,
            any_certificate: options.any_certificate,
        });
    }
    let what = if options.rollback { "taking back" } else { "deploying" };
    let stacks = &options.stacks;
    let report = terminal
        .step(what, |step| async move {
            let mut shown = Shown::new(terminal, &step);
            if options.rollback {
                deployment.roll_back(stacks, &mut shown).await
            } else {
                deployment.deploy(stacks, &mut shown).await
            }
        })
        .await?;
    if options.json {
        print(&serde_json::to_string(&report)?);
    } else {
        show(&report, terminal);
    }
    Ok(code(report.outcome))
}

/// The exit code of an outcome.
pub(crate) fn code(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Done => 0,
        Outcome::Refused => 1,
        Outcome::TakenBack => 3,
        Outcome::Failed => 4,
    }
}

/// What happened, for a person.
pub(crate) fn show(report: &Report, terminal: &Terminal) {
    let colour = terminal.colour();
    for service in report.services.iter().filter(|service| service.change != Change::Same) {
        let word = match (service.taken_back, service.change) {
            (true, _) => Paint::Warn.on("as before", colour),
            (false, Change::New) => Paint::Good.on("new", colour),
            _ => Paint::Good.on("updated", colour),
        };
        print(&format!("{:<36} {word}", service.name));
    }
    let same = report.services.iter().filter(|service| service.change == Change::Same).count();
    if same > 0 {
        print(&Paint::Quiet.on(&format!("{same} services had nothing to update"), colour));
    }
    for probe in &report.probes {
        let mark = if probe.passed { Paint::Good.on("✓", colour) } else { Paint::Bad.on("✗", colour) };
        print(&format!("{mark} {}: {}", probe.what, probe.said));
    }
    report.problems.iter().for_each(|problem| print(&Paint::Bad.on(problem, colour)));
    let end = match report.outcome {
        Outcome::Done => return,
        Outcome::Refused => "nothing was changed",
        Outcome::TakenBack => "it failed, and everything is as before",
        Outcome::Failed => "it failed, and not everything is as before: see above",
    };
    terminal.warn(end);
}
