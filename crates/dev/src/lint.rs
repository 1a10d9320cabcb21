//! `cargo dev lint`: the swarm's files, with the project's own rules and with what this machine has to look at them.

use std::{path::Path, process::Command};

use livehouse_parts::Workspace;
use livehouse_stack::{
    environment::Environment,
    lint::{Check, Finding, Rule, WEAKNESSES, lint, rule, rules},
    project::{Project, STACKS},
};
use serde::Serialize;
use serde_json::json;

use crate::{
    cli::LintOptions,
    terminal::{Paint, Terminal, print},
};

/// What another program said of the files.
#[derive(Debug, Serialize)]
struct Tool {
    name: &'static str,
    /// None when it is not on this machine.
    passed: Option<bool>,
    #[serde(skip_serializing_if = "String::is_empty")]
    said: String,
}

/// Looks at everything. 1 when something breaks a rule, else 0.
pub(crate) async fn run(options: LintOptions, terminal: &Terminal) -> anyhow::Result<u8> {
    if let Some(name) = &options.explain {
        return Ok(explain(name, terminal));
    }
    if options.list {
        list();
        return Ok(0);
    }
    let root = options.root.unwrap_or_else(|| Workspace::find().root().to_path_buf());
    let environment = Environment::for_looking(&root).await;
    let (findings, tools) = tokio::task::spawn_blocking(move || {
        let findings = lint(&Project::load(&root)?);
        anyhow::Ok((findings, tools(&root, environment)))
    })
    .await??;
    let passed = findings.is_empty() && tools.iter().all(|tool| tool.passed != Some(false));
    if options.json {
        print(&json!({ "ok": passed, "findings": findings, "tools": tools }).to_string());
    } else {
        show(&findings, &tools, terminal);
    }
    Ok(u8::from(!passed))
}

fn show(findings: &[Finding], tools: &[Tool], terminal: &Terminal) {
    let colour = terminal.colour();
    for finding in findings {
        print(&format!("{} {finding}", Paint::Bad.on("✗", colour)));
        print(&format!("  {}", Paint::Quiet.on(&format!("instead: {}", finding.instead), colour)));
    }
    if !findings.is_empty() {
        print(&format!("{} findings; cargo dev lint --explain RULE says why", findings.len()));
    } else {
        print(&format!("{} {} rules", Paint::Good.on("✓", colour), rules().count()));
    }
    for Tool { name, passed, said } in tools {
        match passed {
            Some(true) => print(&format!("{} {name}", Paint::Good.on("✓", colour))),
            Some(false) => {
                print(&format!("{} {name}", Paint::Bad.on("✗", colour)));
                said.lines().take(40).for_each(|line| print(&format!("  {line}")));
            }
            None => print(&format!("{} {name} is not on this machine", Paint::Warn.on("!", colour))),
        }
    }
}

fn explain(name: &str, terminal: &Terminal) -> u8 {
    let Some(Rule { name, what, why, instead, .. }) = rule(name) else {
        terminal.warn(&format!("there is no rule {name}; cargo dev lint --list names them all"));
        return 1;
    };
    let strong = |text| Paint::Strong.on(text, terminal.colour());
    print(&format!("{}\n{what}\n\n{} {why}\n{} {instead}", strong(name), strong("Why:"), strong("Instead:")));
    print(&format!("{} # lint: {name}: the reason", strong("Exempt:")));
    0
}

fn list() {
    for Rule { name, what, .. } in rules() {
        print(&format!("{name:<24} {what}"));
    }
    print("\nWeaknesses that platforms of this kind were seen to have, and what finds them here:");
    for weakness in WEAKNESSES {
        let by = match weakness.check {
            Check::Rules(rules) => rules.join(", "),
            Check::Elsewhere(what) => what.to_string(),
            Check::Both(rules, what) => format!("{}; {what}", rules.join(", ")),
        };
        print(&format!("W{:<3} {}: {by}", weakness.number, weakness.what));
    }
}

/// Every other program that knows something about these files.
fn tools(root: &Path, environment: anyhow::Result<Environment>) -> Vec<Tool> {
    let mut tools = vec![rendered(root, environment)];
    let scripts = files(root, &["stack/*.sh", "stack/images/postgres/*", ".ci/run"]);
    tools.push(tool(root, "shellcheck", &["--severity=style", "--external-sources"], &scripts));
    let recipes = files(root, &["stack/images/*.Dockerfile"]);
    // The pins of the base images are variables from versions.env; packages come from a pinned base.
    let ignored = ["--failure-threshold", "warning", "--ignore", "DL3006", "--ignore", "DL3008"];
    tools.push(tool(root, "hadolint", &ignored, &recipes));
    let yaml = files(
        root,
        &[
            "stack/*.yml",
            "stack/overlays/*/*.yml",
            "traefik/*.yml",
            "traefik/dynamic/*.yml",
            "observability/*.yaml",
            "observability/**/*.yaml",
            "jenkins/*.yaml",
        ],
    );
    let rules = "{extends: relaxed, rules: {line-length: disable, braces: disable, commas: disable, colons: disable}}";
    tools.push(tool(root, "yamllint", &["--strict", "-d", rules], &yaml));
    let alerts = files(root, &["observability/mimir/rules/*.yaml"]);
    tools.push(tool(root, "promtool", &["check", "rules", "--lint=all", "--lint-fatal"], &alerts));
    let cases = files(root, &["observability/mimir/tests/*.yaml"]);
    let tested = tool(root, "promtool", &["test", "rules"], &cases);
    tools.push(Tool { name: "promtool test", ..tested });
    let routes = files(root, &["observability/alertmanager/*.yaml"]);
    tools.push(tool(root, "amtool", &["check-config"], &routes));
    tools
}

/// `git ls-files`: what is in the repository, and nothing that was built.
fn files(root: &Path, patterns: &[&str]) -> Vec<String> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "--"])
        .args(patterns.iter().map(|pattern| format!(":(glob){pattern}")))
        .current_dir(root)
        .output();
    let text =
        listed.ok().filter(|output| output.status.success()).map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&text).lines().map(str::to_string).collect()
}

fn tool(root: &Path, name: &'static str, arguments: &[&str], files: &[String]) -> Tool {
    if files.is_empty() {
        // The repository has some for each tool: git did not say which.
        return Tool { name, passed: Some(false), said: "git ls-files names no file for it".into() };
    }
    outcome(name, Command::new(name).args(arguments).args(files).current_dir(root))
}

fn outcome(name: &'static str, command: &mut Command) -> Tool {
    match command.output() {
        Err(_) => Tool { name, passed: None, said: String::new() },
        Ok(output) => {
            let passed = output.status.success();
            let both = [output.stdout, output.stderr].concat();
            let said = if passed { String::new() } else { String::from_utf8_lossy(&both).into_owned() };
            Tool { name, passed: Some(passed), said }
        }
    }
}

/// Each stack as Docker's own client reads it, alone and with each overlay.
fn rendered(root: &Path, environment: anyhow::Result<Environment>) -> Tool {
    let name = "docker stack config";
    let environment = match environment {
        Ok(environment) => environment,
        Err(error) => return Tool { name, passed: Some(false), said: format!("{error:#}") },
    };
    let overlays = files(root, &["stack/overlays/*/*.yml"]);
    for stack in STACKS {
        let base = format!("stack/{stack}.yml");
        let own = overlays.iter().filter(|file| file.ends_with(&format!("/{stack}.yml")));
        for overlay in std::iter::once(None).chain(own.map(Some)) {
            let mut command = Command::new("docker");
            command.args(["stack", "config", "--compose-file", &base]).envs(environment.variables());
            if let Some(overlay) = overlay {
                command.args(["--compose-file", overlay]);
            }
            let found = outcome(name, command.current_dir(root));
            if found.passed != Some(true) {
                let said = format!("{base} {}: {}", overlay.map_or("", String::as_str), found.said);
                return Tool { said, ..found };
            }
        }
    }
    Tool { name, passed: Some(true), said: String::new() }
}
