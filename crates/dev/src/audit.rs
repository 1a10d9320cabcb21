//! `cargo dev audit`: the invariants of the running sale, checked in its databases by the services that own them.

use std::process::Stdio;

use anyhow::Context;
use livehouse_parts::Workspace;
use serde_json::{Map, Value, json};
use tokio::process::Command;

use crate::{
    cli::AuditOptions,
    terminal::{Paint, Terminal, print},
    up::{
        sale::{environment_of, program_of},
        state::State,
    },
};

const AUDITED: [&str; 2] = ["tickets", "orders"];

/// Lets each service that keeps books audit them. 0 when every invariant holds, 1 on a violation.
pub(crate) async fn run(options: AuditOptions, terminal: &Terminal) -> anyhow::Result<u8> {
    let state = State::of_running_sale(&Workspace::find())?;
    let mut all_hold = true;
    let mut results = Map::new();
    for service in AUDITED {
        let mut command = Command::new(program_of(&state.programs, service)?);
        command.arg("audit").envs(environment_of(&state, service)).stdin(Stdio::null()).kill_on_drop(true);
        if options.json {
            command.arg("--json");
        }
        let output = command.stderr(Stdio::inherit()).output().await;
        let output = output.with_context(|| format!("cannot run livehouse-{service} audit"))?;
        let said = String::from_utf8_lossy(&output.stdout).trim().to_string();
        let holds = output.status.success();
        all_hold &= holds;
        if options.json {
            let result = serde_json::from_str(&said).unwrap_or(Value::String(said));
            results.insert(service.into(), json!({ "holds": holds, "result": result }));
        } else {
            said.lines().for_each(print);
            // Without a code of its own it did not find a violation but failed to look.
            if output.status.code() != Some(0) && said.is_empty() {
                terminal.warn(&format!(
                    "livehouse-{service} audit said nothing and ended with {}",
                    output.status
                ));
            }
        }
    }
    if options.json {
        results.insert("holds".into(), all_hold.into());
        print(&Value::from(results).to_string());
    } else if all_hold {
        terminal.line(&Paint::Good.on("every invariant holds", terminal.colour()));
    } else {
        terminal.line(&Paint::Bad.on("an invariant is violated: see above", terminal.colour()));
    }
    Ok(u8::from(!all_hold))
}
