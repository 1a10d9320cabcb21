//! People who run the box office: let in to its tools, or turned away.

use std::time::Duration;

use anyhow::{Context, ensure};
use futures::{FutureExt, future::BoxFuture};
use livehouse_testkit::Page;

use super::{
    browser,
    secret::renew,
    service::{Task, tasks, with_stack},
};
use crate::{certificate::DOMAIN, command::run_with_input, swarm::Swarm};

const SEEN: Duration = Duration::from_secs(30);
/// Each of its commands starts a virtual machine of Java.
const MADE: Duration = Duration::from_secs(180);
/// Of the page that tells an operator how to begin.
const FIRST_OPERATOR: &str = "### 8. The first operator";
/// Of the same page: what Keycloak has to be told.
const RENEWED_CLIENTS: &str = "After `identity`, with the administrator of step 8:";
const OPERATOR: &str = "ada@example.org";
const BUYER: &str = "bob@example.org";

/// An operator who is made as the page for operators says, and a buyer who is none.
pub(super) async fn an_operator_signs_in_and_a_buyer_is_turned_away(swarm: &Swarm) -> anyhow::Result<String> {
    with_keycloak(swarm, sign_in_both(swarm.clone()).boxed()).await
}

/// Keycloak keeps the secrets of its clients that it knows, until it is told the new ones as the page for operators says.
pub(super) async fn an_operator_signs_in_after_the_secrets_of_the_clients_were_renewed(
    swarm: &Swarm,
) -> anyhow::Result<String> {
    with_keycloak(swarm, sign_in_with_renewed_clients(swarm.clone()).boxed()).await
}

/// Does something with Keycloak, whose people are gone afterwards, as [`with_stack`] does.
async fn with_keycloak(
    swarm: &Swarm,
    drill: BoxFuture<'static, anyhow::Result<String>>,
) -> anyhow::Result<String> {
    let done = with_stack(swarm, "identity", drill).await;
    let forgotten = forget_people(swarm).await;
    let said = done?;
    forgotten?;
    Ok(said)
}

async fn sign_in_both(swarm: Swarm) -> anyhow::Result<String> {
    let swarm = &swarm;
    let began = std::time::Instant::now();
    let passwords = [(); 4].map(|()| uuid::Uuid::now_v7().simple().to_string());
    let [administrators, first, operators, buyers] = &passwords;
    make_people(swarm, administrators, first, buyers).await?;
    let made = began.elapsed();

    let folder = crate::site::folder(&swarm.workspace).join("people");
    let browser = browser::start(swarm, &folder, 1).await?;
    let operator = browser.person().await?;
    sign_in_for_the_first_time(&operator, first, operators).await?;
    operator.screenshot(&folder.join("operator.png")).await?;

    let buyer = browser.person().await?;
    sign_in(&buyer, BUYER, buyers).await?;
    let refused = format!(
        "location.host === 'operators.{DOMAIN}' && document.body.innerText.includes('403') && document.body.innerText"
    );
    let refused = buyer.wait_for("the buyer to be turned away", &refused, SEEN).await;
    ensure!(!refused.to_string().contains("routers"), "the buyer sees {refused}");
    buyer.screenshot(&folder.join("buyer.png")).await?;
    nothing_else_is_open(swarm).await?;
    Ok(format!("two people made in {:.0} s, one let in, one turned away", made.as_secs_f64()))
}

async fn sign_in_with_renewed_clients(swarm: Swarm) -> anyhow::Result<String> {
    let swarm = &swarm;
    let passwords = [(); 4].map(|()| uuid::Uuid::now_v7().simple().to_string());
    let [administrators, first, operators, buyers] = &passwords;
    make_people(swarm, administrators, first, buyers).await?;
    let renewed = renew(swarm, "identity").await?;
    let page = std::fs::read_to_string(swarm.workspace.root().join("stack/README.md"))?;
    let told =
        script_of(&page, RENEWED_CLIENTS).context("the page for operators has no script for clients")?;
    inside(&keycloak(swarm).await?, &format!("set -e\nkeeper={administrators}\n{told}")).await?;
    let folder = crate::site::folder(&swarm.workspace).join("people");
    let browser = browser::start(swarm, &folder, 1).await?;
    sign_in_for_the_first_time(&browser.person().await?, first, operators).await?;
    Ok(format!("{renewed}; told to Keycloak, an operator signed in"))
}

/// The first password of an operator is for once; the tool that was asked for is there afterwards.
async fn sign_in_for_the_first_time(operator: &Page, first: &str, lasting: &str) -> anyhow::Result<()> {
    sign_in(operator, OPERATOR, first).await?;
    fill(operator, "#password-new", lasting).await?;
    fill(operator, "#password-confirm", lasting).await?;
    submit(operator).await?;
    let shown = format!("location.host === 'traefik.{DOMAIN}' && document.body.innerText");
    let shown = operator.wait_for("the tool of the operators", &shown, SEEN).await;
    let shown = shown.as_str().unwrap_or_default();
    ensure!(shown.contains("\"routers\""), "the operator sees {shown:?}");
    Ok(())
}

/// Does what the page for operators tells, and then makes a buyer with the rights of the new administrator.
async fn make_people(swarm: &Swarm, keeper: &str, first: &str, buyer: &str) -> anyhow::Result<()> {
    let server = &keycloak(swarm).await?;
    let page = std::fs::read_to_string(swarm.workspace.root().join("stack/README.md"))?;
    let told = script_of(&page, FIRST_OPERATOR).context("the page for operators has no script")?;
    inside(server, &format!("set -e\nkeeper={keeper} first={first}\n{told}")).await?;
    let own = format!(
        r#"set -e
kcadm() {{ /opt/keycloak/bin/kcadm.sh "$@" --config /tmp/kcadm; }}
KC_CLI_PASSWORD={keeper} kcadm config credentials --server http://127.0.0.1:8080 --realm master --user keeper </dev/null
kcadm create users -r livehouse -f - <<'USER'
{{"username": "{BUYER}", "email": "{BUYER}", "emailVerified": true, "firstName": "Bob", "lastName": "Example", "enabled": true,
  "credentials": [{{"type": "password", "value": "{buyer}", "temporary": false}}]}}
USER
rm /tmp/kcadm
"#
    );
    inside(server, &own).await
}

/// Empties Keycloak's database: the next one begins with the realm alone.
async fn forget_people(swarm: &Swarm) -> anyhow::Result<()> {
    let servers = tasks(&swarm.cluster, "data_postgres-1").await;
    let primary = servers.first().context("the primary does not run")?;
    let empty = "drop schema public cascade; create schema public authorization pg_database_owner; \
                 grant usage on schema public to public";
    primary
        .node
        .ask(&[
            "exec",
            &primary.container,
            "psql",
            "-XAtq",
            "-h",
            "/tmp",
            "-U",
            "postgres",
            "-d",
            "keycloak",
            "-c",
            empty,
        ])
        .await
        .map(drop)
}

async fn keycloak(swarm: &Swarm) -> anyhow::Result<Task> {
    tasks(&swarm.cluster, "identity_keycloak").await.into_iter().next().context("Keycloak does not run")
}

/// Runs a script in a task; it goes by standard input, as it knows passwords.
async fn inside(task: &Task, script: &str) -> anyhow::Result<()> {
    let mut shell = task.node.docker(["exec", "--interactive", &task.container, "bash", "-s"]);
    run_with_input(&mut shell, Some(script.as_bytes()), MADE).await.map(drop)
}

/// The text between `<<'SCRIPT'` and `SCRIPT` below a heading.
fn script_of<'a>(page: &'a str, heading: &str) -> Option<&'a str> {
    let section = page.split_once(heading)?.1;
    let script = section.split_once("<<'SCRIPT'\n")?.1;
    Some(script.split_once("\nSCRIPT\n")?.0)
}

async fn sign_in(page: &Page, name: &str, password: &str) -> anyhow::Result<()> {
    page.open(&format!("https://traefik.{DOMAIN}/api/overview")).await?;
    fill(page, "#username", name).await?;
    fill(page, "#password", password).await?;
    submit(page).await
}

async fn fill(page: &Page, field: &str, text: &str) -> anyhow::Result<()> {
    page.click(field).await?;
    page.type_text(text).await
}

async fn submit(page: &Page) -> anyhow::Result<()> {
    page.press("Enter").await
}

/// What the world has no business with is not there.
async fn nothing_else_is_open(swarm: &Swarm) -> anyhow::Result<()> {
    for path in ["/admin/", "/realms/master/", "/metrics", "/health"] {
        let answer = swarm.door().ask_host(1, &format!("auth.{DOMAIN}"), path, &[]).await?;
        ensure!(answer.status == 404, "auth.{DOMAIN}{path} answers {}", answer.status);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_for_operators_has_the_script() {
        let page = include_str!("../../../../stack/README.md");
        let script = script_of(page, FIRST_OPERATOR).expect("a script");
        assert!(script.contains(OPERATOR) && script.contains("--rolename operator"), "{script}");
        let script = script_of(page, RENEWED_CLIENTS).expect("a script");
        assert!(script.contains("clients/$id"), "{script}");
    }
}
