//! Docker's own client, asked for one thing at a time.

use std::{collections::BTreeMap, path::Path, process::Stdio, time::Duration};

use anyhow::{Context, bail};
use serde::{Deserialize, de::DeserializeOwned};
use tokio::{io::AsyncWriteExt, process::Command, time::timeout};

/// How long one question to the engine may take. A deployment of a stack pulls nothing itself; it is quick too.
const ANSWER_SECONDS_MAX: u64 = 120;
const NAMESPACE: &str = "com.docker.stack.namespace";

/// A manager of the swarm.
#[derive(Debug, Clone, Default)]
pub struct Engine {
    /// As for `docker --host`; none means what the client is set to.
    pub host: Option<String>,
}

/// A service as `docker service inspect` tells of it; only what is looked at.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Inspected {
    /// What it should be.
    pub spec: Spec,
    /// What it was before.
    #[serde(default)]
    pub previous_spec: Option<Spec>,
    /// How its last update went on; none before the first.
    #[serde(default)]
    pub update_status: Option<UpdateStatus>,
}

/// What a service should be.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Spec {
    /// With the stack before it: `app_tickets`.
    pub name: String,
    /// Labels of the service.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// What its tasks are; compared as a whole.
    pub task_template: serde_json::Value,
    /// How it is updated.
    #[serde(default)]
    pub update_config: Option<UpdateConfig>,
}

/// How a service is updated; only what is looked at.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct UpdateConfig {
    /// `pause`, `rollback` or `continue`.
    #[serde(default)]
    pub failure_action: String,
}

/// How an update goes on.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct UpdateStatus {
    /// `updating`, `paused`, `completed`, `rollback_started`, `rollback_paused` or `rollback_completed`.
    #[serde(default)]
    pub state: String,
    /// Why.
    #[serde(default)]
    pub message: String,
}

/// A line of `docker service ls`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Listed {
    /// With the stack before it.
    pub name: String,
    /// `replicated`, `global`, `replicated job` or `global job`.
    pub mode: String,
    /// Such as `2/3`, or `0/1 (1/1 completed)` of a job.
    pub replicas: String,
}

/// A line of `docker stack ps`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Task {
    /// Such as `app_tickets.2`.
    pub name: String,
    /// Where it is; empty when nowhere.
    pub node: String,
    /// Such as `Running 3 minutes ago`.
    pub current_state: String,
    /// Such as `No such image`; empty when all is well.
    #[serde(default)]
    pub error: String,
}

impl Spec {
    /// Names of the secrets that its tasks are given.
    pub fn secrets(&self) -> Vec<String> {
        let secrets = self.task_template.pointer("/ContainerSpec/Secrets").and_then(|value| value.as_array());
        let name = |secret: &serde_json::Value| Some(secret.get("SecretName")?.as_str()?.to_string());
        secrets.into_iter().flatten().filter_map(name).collect()
    }
}

impl Engine {
    /// The engine at an address such as `unix:///run/docker.sock` or `ssh://node-1`.
    pub fn at(host: impl Into<String>) -> Engine {
        Engine { host: Some(host.into()) }
    }

    /// Runs `docker …` and gives what it says.
    ///
    /// # Errors
    /// When it fails, with what it said; when there is no client; when it does not end in time.
    pub async fn ask(&self, arguments: &[&str]) -> anyhow::Result<String> {
        self.run(arguments, Path::new("."), &BTreeMap::new(), None).await
    }

    /// The same in a folder, with variables, and with something on its standard input.
    ///
    /// # Errors
    /// As [`Engine::ask`].
    pub async fn run(
        &self,
        arguments: &[&str],
        folder: &Path,
        variables: &BTreeMap<String, String>,
        input: Option<&str>,
    ) -> anyhow::Result<String> {
        let mut command = Command::new("docker");
        command.args(arguments).envs(variables).current_dir(folder).kill_on_drop(true);
        if let Some(host) = &self.host {
            command.env_remove("DOCKER_CONTEXT").env("DOCKER_HOST", host);
        }
        let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let said = arguments.join(" ");
        let mut child = command.spawn().context("cannot run docker: is its client on this machine?")?;
        if let (Some(mut pipe), Some(text)) = (child.stdin.take(), input) {
            pipe.write_all(text.as_bytes()).await.with_context(|| format!("docker {said} took nothing"))?;
        }
        let output = timeout(Duration::from_secs(ANSWER_SECONDS_MAX), child.wait_with_output())
            .await
            .with_context(|| format!("docker {said} did not end within {ANSWER_SECONDS_MAX} s"))??;
        if !output.status.success() {
            bail!("docker {said}: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The services of a stack, or of all.
    ///
    /// # Errors
    /// As [`Engine::ask`].
    pub async fn listed(&self, stack: Option<&str>) -> anyhow::Result<Vec<Listed>> {
        let filter = stack.map_or(format!("label={NAMESPACE}"), |stack| format!("label={NAMESPACE}={stack}"));
        lines(&self.ask(&["service", "ls", "--filter", &filter, "--format", "{{json .}}"]).await?)
    }

    /// What the services called `names` are.
    ///
    /// # Errors
    /// As [`Engine::ask`]; also when one of them is not there.
    pub async fn inspected(&self, names: &[String]) -> anyhow::Result<Vec<Inspected>> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let mut arguments = vec!["service", "inspect"];
        arguments.extend(names.iter().map(String::as_str));
        let text = self.ask(&arguments).await?;
        serde_json::from_str(&text).context("docker service inspect says what is not understood")
    }

    /// Tasks of a stack that have something to say of why they are not there.
    ///
    /// # Errors
    /// As [`Engine::ask`].
    pub async fn complaints(&self, stack: &str) -> anyhow::Result<Vec<Task>> {
        let text = self.ask(&["stack", "ps", "--no-trunc", "--format", "{{json .}}", stack]).await?;
        let tasks: Vec<Task> = lines(&text)?;
        Ok(tasks.into_iter().filter(|task| !task.error.is_empty()).collect())
    }

    /// Names of all networks, or of all secrets.
    ///
    /// # Errors
    /// As [`Engine::ask`].
    pub async fn names(&self, kind: &str) -> anyhow::Result<Vec<String>> {
        let text = self.ask(&[kind, "ls", "--format", "{{.Name}}"]).await?;
        Ok(text.lines().map(str::to_string).collect())
    }
}

/// One JSON object per line.
fn lines<T: DeserializeOwned>(text: &str) -> anyhow::Result<Vec<T>> {
    let read = |line: &str| serde_json::from_str(line).with_context(|| format!("docker says {line:?}"));
    text.lines().filter(|line| !line.trim().is_empty()).map(read).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_the_client_prints_is_read() {
        let listed: Vec<Listed> = lines(concat!(
            r#"{"ID":"a","Image":"x:1","Mode":"replicated","Name":"app_tickets","Ports":"","Replicas":"2/3"}"#,
            "\n",
            r#"{"ID":"b","Image":"x:1","Mode":"replicated job","Name":"app_tickets-migrate","Ports":"","Replicas":"0/1 (1/1 completed)"}"#,
            "\n",
        ))
        .unwrap();
        assert_eq!(listed[0].replicas, "2/3");
        assert_eq!(listed[1].mode, "replicated job");
    }

    #[test]
    fn an_inspected_service_says_its_update_and_its_secrets() {
        let text = r#"[{"ID":"x","Version":{"Index":12},"Spec":{"Name":"app_site","Labels":{"a":"b"},"TaskTemplate":
            {"ContainerSpec":{"Image":"x","Secrets":[{"File":{"Name":"k"},"SecretID":"s","SecretName":"session_key_v1"}]},"ForceUpdate":0},
            "UpdateConfig":{"Parallelism":1,"FailureAction":"rollback"}},
            "UpdateStatus":{"State":"completed","StartedAt":"2026-11-21T10:00:00Z","Message":"update completed"}}]"#;
        let service: Vec<Inspected> = serde_json::from_str(text).unwrap();
        assert_eq!(service[0].spec.secrets(), ["session_key_v1"]);
        assert_eq!(service[0].update_status.as_ref().unwrap().state, "completed");
        assert_eq!(service[0].previous_spec, None);
    }
}
