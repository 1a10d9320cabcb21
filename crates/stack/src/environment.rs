//! The variables of a deployment: what `stack/environment.sh` prints, so that people without cargo have the same.

use std::{collections::BTreeMap, path::Path};

use anyhow::bail;
use tokio::process::Command;

use crate::script;

/// Variables for `docker stack …`.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
}

impl Environment {
    /// What `stack/environment.sh` of the project at `root` says, with `given` set before: those win.
    ///
    /// # Errors
    /// When the script fails, or does not end.
    pub async fn read(root: &Path, given: &BTreeMap<String, String>) -> anyhow::Result<Environment> {
        let script = "said=$(stack/environment.sh); eval \"$said\"; exec env --null";
        let mut command = Command::new("bash");
        command.args(["-euo", "pipefail", "-c", script]).current_dir(root).envs(given);
        let output = script::ended(command, "stack/environment.sh").await?;
        if !output.status.success() {
            bail!("stack/environment.sh failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let pairs = text.split('\0').filter_map(|pair| pair.split_once('='));
        let variables = pairs.map(|(name, value)| (name.to_string(), value.to_string())).collect();
        Ok(Environment { variables })
    }

    /// The same, with names that belong to nobody for what only a deployment knows: to look at files.
    ///
    /// # Errors
    /// When the script fails, or does not end.
    pub async fn for_looking(root: &Path) -> anyhow::Result<Environment> {
        let given = [("DOMAIN", "tickets.invalid"), ("REGISTRY", "registry.invalid")];
        Environment::read(root, &given.map(|(name, value)| (name.to_string(), value.to_string())).into())
            .await
    }

    /// All of them.
    pub fn variables(&self) -> &BTreeMap<String, String> {
        &self.variables
    }

    /// One of them; none when it is not set or empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[tokio::test]
    async fn a_script_that_fails_halfway_is_no_environment() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("stack")).unwrap();
        let script = folder.path().join("stack/environment.sh");
        fs::write(&script, "#!/bin/bash\necho export PARTS_TAG=x\necho 'no manager answers' >&2\nexit 1\n")
            .unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        let error = Environment::read(folder.path(), &BTreeMap::new()).await.unwrap_err();
        assert!(error.to_string().contains("no manager answers"), "{error}");
    }
}
