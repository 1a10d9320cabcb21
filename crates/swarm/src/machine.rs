//! What the machine must have, and who one must be.

use std::path::PathBuf;

use anyhow::{Context, bail};

use crate::{
    command::{QUICK, program, run},
    say,
};

/// Programs that make nodes, and the Debian package of each.
const PROGRAMS: [(&str, &str); 12] = [
    ("dockerd", "docker.io"),
    ("docker", "docker.io"),
    ("containerd", "docker.io"),
    ("ip", "iproute2"),
    ("iptables", "iptables"),
    ("nsenter", "util-linux"),
    ("openssl", "openssl"),
    ("curl", "curl"),
    ("haproxy", "haproxy"),
    ("redis-server", "redis-server"),
    ("wget", "wget"),
    ("htpasswd", "apache2-utils"),
];
/// The oldest client that knows `docker stack config`, `start_interval` and `docker stack deploy --detach`.
const CLIENT_MAJOR_MIN: u32 = 26;
const INSTALL_DEADLINE: std::time::Duration = std::time::Duration::from_secs(300);

/// Fails when this machine or this user cannot make a swarm; installs what Debian's packages have.
pub(crate) async fn prepare() -> anyhow::Result<()> {
    if !nix::unistd::Uid::effective().is_root() {
        bail!(
            "namespaces, bridges and engines need root: run `sudo -E cargo dev swarm …`, or use `cargo dev up` for a sale without a swarm"
        );
    }
    if !cfg!(target_os = "linux") {
        bail!("network namespaces are Linux's: run this on a Linux machine");
    }
    let missing: Vec<_> = PROGRAMS.into_iter().filter(|(name, _)| find(name).is_none()).collect();
    if missing.is_empty() {
        return knows_stacks().await;
    }
    let mut packages: Vec<&str> = missing.iter().map(|(_, package)| *package).collect();
    packages.dedup();
    let by_hand = format!("apt-get install --no-install-recommends {}", packages.join(" "));
    if find("apt-get").is_none() {
        bail!("there is no {}: install it with this system's packages", missing[0].0);
    }
    say::step(&format!("installing {}", packages.join(", ")), async {
        run(&mut program("apt-get", ["update", "-qq"]), INSTALL_DEADLINE).await?;
        let mut install = program("apt-get", ["install", "-y", "-qq", "--no-install-recommends"]);
        // Debian starts an engine of its own with the package; the swarm brings its own three.
        install.args(&packages).env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1");
        run(&mut install, INSTALL_DEADLINE).await
    })
    .await
    .with_context(|| format!("try it by hand: {by_hand}"))?;
    knows_stacks().await
}

/// Fails when the docker client is too old for the stacks.
async fn knows_stacks() -> anyhow::Result<()> {
    let said = run(&mut program("docker", ["--version"]), QUICK).await?;
    let major =
        said.split(|letter: char| !letter.is_ascii_digit()).find_map(|number| number.parse::<u32>().ok());
    match major {
        Some(major) if major < CLIENT_MAJOR_MIN => bail!(
            "the docker client is of version {major}, and stacks need {CLIENT_MAJOR_MIN} or newer: put the `docker` of \
             https://download.docker.com/linux/static/stable/x86_64/ before this one on the PATH (the engine may be older)"
        ),
        _ => Ok(()),
    }
}

/// A program on the PATH; also where only root's PATH leads.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}
