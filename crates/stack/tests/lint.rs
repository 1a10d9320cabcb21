//! Each rule is kept by the project's own files, and each has files that break it and nothing else.
#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use livehouse_stack::{
    lint::{Check, Finding, WEAKNESSES, lint, rules},
    project::{Project, STACKS},
    quantity::bytes,
    yaml::Node,
};

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn root() -> &'static Path {
    here().ancestors().nth(2).unwrap()
}

fn said(findings: &[Finding]) -> String {
    findings.iter().map(|finding| format!("{finding}\n")).collect()
}

/// The files of `corpus/bad`, with the rule each is named after: what stands before `--` and the extension.
fn bad_files() -> Vec<(String, PathBuf)> {
    let mut files: Vec<_> = fs::read_dir(here().join("corpus/bad"))
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let stem = path.file_stem().unwrap().to_str().unwrap();
            (stem.split("--").next().unwrap().to_string(), path.clone())
        })
        .collect();
    files.sort();
    files
}

/// The good project with one file replaced by a bad one, whose first line says which.
fn with_bad_file(bad: &Path) -> Project {
    let folder = tempfile::tempdir().unwrap();
    copy(&here().join("corpus/good"), folder.path());
    let text = fs::read_to_string(bad).unwrap();
    let replaced = text.lines().next().unwrap().trim_start_matches("# ");
    assert!(folder.path().join(replaced).exists(), "{}: there is no {replaced} to replace", bad.display());
    fs::write(folder.path().join(replaced), &text).unwrap();
    let mut project = Project::load(folder.path()).unwrap();
    // The files that configs name stay where they are: the folder goes away.
    project.root = here().join("corpus/good");
    project
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir_all(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn the_projects_own_swarm_keeps_every_rule() {
    let findings = lint(&Project::load(root()).unwrap());
    assert!(findings.is_empty(), "\n{}", said(&findings));
}

#[test]
fn the_good_project_keeps_every_rule() {
    let findings = lint(&Project::load(&here().join("corpus/good")).unwrap());
    assert!(findings.is_empty(), "\n{}", said(&findings));
}

#[test]
fn each_bad_file_breaks_the_rule_it_is_named_after_and_no_other() {
    let mut wrong = String::new();
    for (rule, file) in bad_files() {
        let findings = lint(&with_bad_file(&file));
        let broken: BTreeSet<&str> = findings.iter().map(|finding| finding.rule).collect();
        if broken != BTreeSet::from([rule.as_str()]) {
            wrong += &format!("{}: breaks {broken:?}\n{}", file.display(), said(&findings));
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn each_rule_has_a_bad_file_and_each_bad_file_a_rule() {
    let with_files: BTreeSet<String> = bad_files().into_iter().map(|(rule, _)| rule).collect();
    let rules: BTreeSet<String> = rules().map(|rule| rule.name.to_string()).collect();
    assert_eq!(rules, with_files);
}

#[test]
fn each_rule_says_what_why_and_what_to_do_and_has_a_name_of_its_own() {
    let names: Vec<&str> = rules().map(|rule| rule.name).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    for rule in rules() {
        for text in [rule.what, rule.why, rule.instead] {
            assert!(text.len() > 12 && text.ends_with(['.', ']']), "{}: {text}", rule.name);
        }
    }
}

#[test]
fn each_weakness_is_found_by_rules_that_exist_or_by_something_that_is_named() {
    let numbers: Vec<u8> = WEAKNESSES.iter().map(|weakness| weakness.number).collect();
    assert_eq!(numbers, (1..=25).collect::<Vec<u8>>());
    let names: BTreeSet<&str> = rules().map(|rule| rule.name).collect();
    for weakness in WEAKNESSES {
        let (found_by, elsewhere) = match weakness.check {
            Check::Rules(rules) => (rules, ""),
            Check::Both(rules, elsewhere) => (rules, elsewhere),
            Check::Elsewhere(elsewhere) => (&[][..], elsewhere),
        };
        assert!(found_by.iter().all(|rule| names.contains(rule)), "W{}: {found_by:?}", weakness.number);
        assert!(!found_by.is_empty() || elsewhere.len() > 20, "W{}", weakness.number);
    }
}

#[test]
fn all_layers_are_there_and_none_is_empty() {
    let project = Project::load(root()).unwrap();
    let names: Vec<&str> = project.stacks.iter().map(|stack| stack.name.as_str()).collect();
    assert_eq!(names, STACKS);
    assert!(project.stacks.iter().all(|stack| stack.services().count() > 0));
}

#[test]
fn a_finding_says_where_and_what_to_do() {
    let findings = lint(&with_bad_file(&here().join("corpus/bad/virtual-address.yml")));
    let text = findings[0].to_string();
    assert!(text.starts_with("stack/ops.yml:") && text.contains("deploy.endpoint_mode"), "{text}");
    assert!(text.contains("grafana") && findings[0].instead.contains("dnsrr"), "{text}");
}

/// What an overlay may change: how much and how many.
#[test]
fn overlays_only_change_sizes_of_services_that_exist() {
    let project = Project::load(root()).unwrap();
    for stack in &project.stacks {
        let file = root().join(format!("stack/overlays/small/{}.yml", stack.name));
        let overlay = Node::parse(&fs::read_to_string(&file).unwrap()).unwrap();
        for (name, node) in overlay.get("services").unwrap().entries() {
            assert!(
                stack.services().any(|service| service.name == name),
                "{}: there is no {name}",
                file.display()
            );
            let keys: BTreeSet<&str> = node.entries().iter().map(|(key, _)| key.as_str()).collect();
            assert!(
                keys.is_subset(&BTreeSet::from(["environment", "deploy"])),
                "{}: {name}: {keys:?}",
                file.display()
            );
            let limit = bytes(node.text_at(&["deploy", "resources", "limits", "memory"]).unwrap()).unwrap();
            let go = node.text_at(&["environment", "GOMEMLIMIT"]).and_then(bytes);
            assert!(go.is_none_or(|go| go * 100 <= limit * 95), "{}: {name}", file.display());
            let cpus: f64 =
                node.text_at(&["deploy", "resources", "limits", "cpus"]).unwrap().parse().unwrap();
            assert!(cpus <= 2.0);
        }
    }
}

/// Only a running Jenkins knows its own schema; that each variable has a value can be known before.
#[test]
fn the_configuration_of_jenkins_names_what_its_service_is_given() {
    let configuration = fs::read_to_string(root().join("jenkins/jenkins.yaml")).unwrap();
    let is_said = |line: &&str| !line.trim_start().starts_with('#');
    let lines: String = configuration.lines().filter(is_said).collect();
    let named: BTreeSet<&str> =
        lines.split("${").skip(1).map(|rest| rest.split_once('}').expect("a closing brace").0).collect();
    assert!(named.len() > 1, "no variables: {named:?}");
    let stack = Node::parse(&fs::read_to_string(root().join("stack/ops.yml")).unwrap()).unwrap();
    let service = stack.at(&["services", "jenkins"]).expect("the service");
    let environment = service.get("environment").expect("an environment").entries();
    let mut given: BTreeSet<&str> = environment.iter().map(|(name, _)| name.as_str()).collect();
    let secrets = service.get("secrets").expect("secrets").items();
    given.extend(secrets.iter().filter_map(|secret| secret.text_at(&["target"])));
    assert!(named.is_subset(&given), "named {named:?}, given {given:?}");
}
