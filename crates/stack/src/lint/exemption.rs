//! `# lint: RULE: reason`: rules that somebody decided not to keep, with the reason, at the place.

use super::{Finding, Rule, Sink, rule};
use crate::project::{File, Project, Stack};

pub(super) const RULES: &[Rule] = &[Rule {
    name: "exemption",
    what: "An exemption names a rule that exists, gives a reason, and is needed.",
    why: "An exemption without a reason cannot be questioned, and one that nothing needs hides the next mistake.",
    instead: "Write `# lint: RULE: reason` right above the service or the line, or remove it.",
    check: |_, _| {},
}];

const MARK: &str = "# lint: ";

/// One comment.
struct Exemption {
    line: usize,
    rule: String,
    reason: String,
    used: bool,
}

/// Takes away what is exempt, and adds what is wrong with exemptions.
pub(super) fn without_exempt(project: &Project, findings: Vec<Finding>) -> Vec<Finding> {
    let mut kept = Vec::new();
    let mut rest = findings;
    let files = project.stacks.iter().map(|stack| (&stack.file, Some(stack)));
    for (file, stack) in files.chain([(&project.networks, None)]) {
        let (own, others) = rest.into_iter().partition(|finding: &Finding| finding.file == file.name);
        rest = others;
        let mut exemptions = read(&file.text);
        kept.extend(own.into_iter().filter(|finding| !is_exempt(finding, file, stack, &mut exemptions)));
        if let Some(rule) = rule("exemption") {
            let mut sink = Sink { rule, findings: &mut kept };
            exemptions.iter().for_each(|exemption| judge(exemption, file, &mut sink));
        }
    }
    kept.extend(rest);
    kept
}

fn judge(exemption: &Exemption, file: &File, sink: &mut Sink<'_>) {
    let Exemption { line, rule: name, reason, used } = exemption;
    if rule(name).is_none() {
        sink.file(file, *line, "comment", format!("there is no rule {name}"));
    } else if reason.split_whitespace().count() < 3 {
        sink.file(file, *line, "comment", format!("why is {name} not kept here?"));
    } else if !used {
        sink.file(file, *line, "comment", format!("nothing here breaks {name}"));
    }
}

fn read(text: &str) -> Vec<Exemption> {
    let lines = text.lines().enumerate();
    lines
        .filter_map(|(index, line)| {
            let (_, said) = line.split_once(MARK)?;
            let (rule, reason) = said.split_once(':').unwrap_or((said, ""));
            let (rule, reason) = (rule.trim().to_string(), reason.trim().to_string());
            Some(Exemption { line: index + 1, rule, reason, used: false })
        })
        .collect()
}

fn is_exempt(finding: &Finding, file: &File, stack: Option<&Stack>, exemptions: &mut [Exemption]) -> bool {
    let service = stack.zip(finding.service.as_ref());
    let service_line = service.and_then(|(stack, name)| {
        stack.services().find(|service| service.name == name).map(|service| service.node.line)
    });
    let lines: Vec<&str> = file.text.lines().collect();
    for line in [Some(finding.line), service_line].into_iter().flatten() {
        let first = first_comment_above(&lines, line);
        let found = exemptions
            .iter_mut()
            .find(|exemption| (first..=line).contains(&exemption.line) && exemption.rule == finding.rule);
        if let Some(exemption) = found {
            exemption.used = true;
            return true;
        }
    }
    false
}

/// The first line of the block of comments that ends right above `line`; `line` itself when there is none.
fn first_comment_above(lines: &[&str], line: usize) -> usize {
    let above = lines[..line.saturating_sub(1).min(lines.len())].iter().rev();
    line - above.take_while(|text| text.trim_start().starts_with('#')).count()
}
