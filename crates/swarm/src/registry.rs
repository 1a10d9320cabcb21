//! Where the nodes get their images: the real registry, on the bridge. It answers for the names of the public one too,
//! so that a stack names `traefik:v3.7.9` here as anywhere.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use livehouse_parts::Workspace;
use livehouse_testkit::try_wait_until;

use crate::{
    command::{QUICK, program, run},
    image::programs,
};

/// Where it listens: the registry that images are named after.
pub(crate) const ADDRESS: &str = "10.77.0.254:5000";
const START_DEADLINE: Duration = Duration::from_secs(20);

/// The registry's files.
#[derive(Debug, Clone)]
pub(crate) struct Registry {
    folder: PathBuf,
}

impl Registry {
    pub(crate) fn in_folder(folder: &Path) -> Registry {
        Registry { folder: folder.join("registry") }
    }

    /// Starts it, unless it answers, with the images that were made as `recipes` says. Some are named after other people's
    /// versions alone, and made in another way they would be others under the same names.
    pub(crate) async fn start(&self, workspace: &Workspace, recipes: &str) -> anyhow::Result<()> {
        let images = self.folder.join(format!("images-{recipes}"));
        if answers().await {
            if images.exists() {
                return Ok(());
            }
            self.stop()?;
            try_wait_until("the registry ends", START_DEADLINE, || async {
                if answers().await { Err("it still answers".to_string()) } else { Ok(()) }
            })
            .await
            .map_err(anyhow::Error::msg)?;
        }
        let program_file = programs::go(workspace, "registry").await?;
        self.forget_others(&images)?;
        fs::create_dir_all(&images)?;
        let configuration = serde_json::json!({
            "version": "0.1",
            "log": { "level": "warn", "accesslog": { "disabled": true } },
            "storage": { "filesystem": { "rootdirectory": images }, "delete": { "enabled": true } },
            "http": { "addr": ADDRESS },
        });
        let file = self.folder.join("config.yml");
        fs::write(&file, configuration.to_string())?;
        let log = fs::File::options().create(true).append(true).open(self.folder.join("registry.log"))?;
        let child = program("setsid", [program_file.as_os_str()])
            .arg("serve")
            .arg(&file)
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdin(std::process::Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start the registry")?;
        let pid = child.id().context("the registry ended at once")?;
        fs::write(self.folder.join("pid"), pid.to_string())?;
        try_wait_until("the registry answers", START_DEADLINE, || async {
            if answers().await { Ok(()) } else { Err("no answer yet".to_string()) }
        })
        .await
        .map_err(|state| anyhow::anyhow!("the registry on {ADDRESS}: {state}"))
    }

    fn forget_others(&self, images: &Path) -> anyhow::Result<()> {
        let Ok(entries) = fs::read_dir(&self.folder) else { return Ok(()) };
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() && path != images {
                fs::remove_dir_all(path)?;
            }
        }
        Ok(())
    }

    /// Stops it, if it runs.
    pub(crate) fn stop(&self) -> anyhow::Result<()> {
        let Ok(pid) = fs::read_to_string(self.folder.join("pid")) else { return Ok(()) };
        let command = fs::read_to_string(format!("/proc/{}/cmdline", pid.trim())).unwrap_or_default();
        // Another process may have its number by now.
        if command.contains(&*self.folder.join("config.yml").to_string_lossy()) {
            let pid = nix::unistd::Pid::from_raw(pid.trim().parse()?);
            nix::sys::signal::kill(pid, nix::sys::signal::SIGTERM)?;
        }
        fs::remove_file(self.folder.join("pid"))?;
        Ok(())
    }
}

async fn answers() -> bool {
    run(&mut program("curl", ["-sf", "--max-time", "2", &format!("http://{ADDRESS}/v2/")]), QUICK)
        .await
        .is_ok()
}

/// Whether it has this image: `livehouse-tickets`, `tag`.
pub(crate) async fn has(name: &str, tag: &str) -> bool {
    let url = format!("http://{}/v2/{name}/manifests/{tag}", ADDRESS);
    let accept = "Accept: application/vnd.docker.distribution.manifest.v2+json";
    run(&mut program("curl", ["-sfI", "--max-time", "5", "-H", accept, &url]), QUICK).await.is_ok()
}

/// Name and tag under which an image of others is kept here. The public registry's own images are in `library`; an engine
/// asks a mirror only for those of the public registry, so the host of any other is left out, and [`renamed`] puts this
/// registry in its place.
pub(crate) fn kept_as(image: &str) -> (String, String) {
    let (name, tag) = image.rsplit_once(':').unwrap_or((image, "latest"));
    let name = match name.split_once('/') {
        None => format!("library/{name}"),
        Some((host, rest)) if host.contains('.') => rest.to_string(),
        Some(_) => name.to_string(),
    };
    (name, tag.to_string())
}

/// What a stack has to call an image of another registry than the public one; nothing for the others.
pub(crate) fn renamed(image: &str) -> Option<String> {
    let host = image.split_once('/')?.0;
    host.contains('.').then(|| image.replacen(host, ADDRESS, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_of_others_are_kept_where_engines_ask_for_them() {
        assert_eq!(kept_as("traefik:v3"), ("library/traefik".into(), "v3".into()));
        assert_eq!(kept_as("grafana/loki:3"), ("grafana/loki".into(), "3".into()));
        assert_eq!(kept_as("quay.io/a/b:1"), ("a/b".into(), "1".into()));
        assert_eq!(renamed("quay.io/a/b:1"), Some(format!("{ADDRESS}/a/b:1")));
        assert_eq!(renamed("grafana/loki:3"), None);
    }
}
