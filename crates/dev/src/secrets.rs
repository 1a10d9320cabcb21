//! `cargo dev secrets`: made, listed, renewed while they are used.

use livehouse_stack::secrets::{Group, Rotated, commands, list, make, rotate};
use serde_json::json;

use crate::{
    cli::{SecretsOptions, SecretsWork},
    deploy::{Shown, code, deployment, show},
    terminal::{Paint, Terminal, print},
};

/// Does what is asked. 0 when all is well; for `rotate --deploy` the codes of `cargo dev deploy`.
pub(crate) async fn run(options: SecretsOptions, terminal: &Terminal) -> anyhow::Result<u8> {
    match options.work {
        SecretsWork::Make { group, version, engine } => {
            print(&make(&deployment(&engine), &group, version).await?);
            Ok(0)
        }
        SecretsWork::List { json, engine } => {
            let secrets = list(&deployment(&engine)).await?;
            if json {
                print(&json!({ "secrets": secrets }).to_string());
                return Ok(0);
            }
            for secret in secrets {
                let version = secret.version.map_or_else(String::new, |version| format!("v{version}"));
                let users = secret.used_by.join(" ");
                let line = format!("{:<14} {:<30} {version:<4} {users}", secret.group, secret.name);
                print(&if users.is_empty() { Paint::Quiet.on(&line, terminal.colour()) } else { line });
            }
            Ok(0)
        }
        SecretsWork::Rotate { group, deploy, json, engine } => {
            let group = Group::named(&group)?;
            let deployment = deployment(&engine);
            let rotated = terminal
                .step_judged(
                    &format!("renewing {}", group.name),
                    |step| async move {
                        rotate(&deployment, group, deploy, &mut Shown::new(terminal, &step)).await
                    },
                    Rotated::is_done,
                )
                .await?;
            if json {
                print(&serde_json::to_string(&rotated)?);
            } else {
                tell(&rotated, deploy, terminal);
            }
            Ok(rotated.reports.last().map_or(0, |report| code(report.outcome)))
        }
    }
}

fn tell(rotated: &Rotated, deployed: bool, terminal: &Terminal) {
    print(&rotated.made);
    if !rotated.plan.note.is_empty() {
        terminal.warn(rotated.plan.note);
    }
    if !deployed {
        print("\nWhat is to be done (or: the same again with --deploy):");
        commands(&rotated.plan).iter().skip(1).for_each(|line| print(&format!("  {line}")));
        return;
    }
    rotated.reports.iter().for_each(|report| show(report, terminal));
    if rotated.is_done() {
        print(&format!("removed: {}", rotated.removed.join(" ")));
    } else {
        terminal.warn("the old version is still there; the same command again goes on from here");
    }
}
