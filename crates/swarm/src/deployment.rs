//! Networks, secrets and stacks: put onto the swarm by the same files and programs as anywhere else.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::bail;
use livehouse_parts::{Workspace, pinned};
use livehouse_stack::{
    deploy::{self, Outcome, Progress},
    engine::Engine,
    smoke::Smoke,
};

use crate::{
    certificate::{Certificate, DOMAIN},
    cluster::Cluster,
    command::{program, run},
    image::Tags,
    network, registry, say,
};

/// Images that other registries than the public one have.
const ELSEWHERE: [&str; 1] = ["OAUTH2_PROXY_IMAGE"];
/// What a deployment and a renewal are told of the registry's password, and of where alerts are sent.
pub(crate) const REGISTRY: &str = "REGISTRY_PASSWORD";
pub(crate) const ALERTS: &str = "ALERT_WEBHOOK_URL";
/// Of the registry that nobody but a drill uses.
pub(crate) const REGISTRY_PASSWORD: &str = "of-a-registry-that-is-gone-with-the-swarm";
/// What one wave of services may take until it is what it should be. Three doors, one after the other, each with people at
/// it who are given time to leave, take four to five minutes.
const WAVE_SECONDS_MAX: u64 = 420;
/// How long the sale may need until it is well as seen from outside.
const WELL_SECONDS_MAX: u64 = 60;

/// How stacks get onto the swarm.
#[derive(Debug, Clone)]
pub(crate) struct Deployment {
    root: PathBuf,
    certificate: Certificate,
    variables: BTreeMap<String, String>,
}

/// What a deployment waits for is said when it fails, and not on the way.
pub(crate) struct Told;

impl Progress for Told {
    fn begins(&mut self, what: &str) {
        say::line(&format!("    {what}"));
    }

    fn waits(&mut self, _: &str) {}
}

impl Deployment {
    pub(crate) fn new(workspace: &Workspace, certificate: Certificate, tags: &Tags) -> Deployment {
        let alerts = network::alerts_url();
        let own = [
            ("DOMAIN", DOMAIN),
            ("REGISTRY", registry::ADDRESS),
            ("IMAGE_TAG", &tags.services),
            ("PARTS_TAG", &tags.parts),
            // What a container of this machine may have, which may itself be one.
            ("NOFILE", "16384"),
            ("POSTGRES_CPUS", "2"),
            // Kernels of small virtual machines have no ESP, and the wires here are this machine's own.
            ("NETWORK_ENCRYPTED", "0"),
            (REGISTRY, REGISTRY_PASSWORD),
            (ALERTS, &alerts),
        ];
        let own = own.into_iter().map(|(name, value)| (name.to_string(), value.to_string()));
        let renamed =
            ELSEWHERE.iter().filter_map(|name| Some((name.to_string(), registry::renamed(pinned(name))?)));
        Deployment {
            root: workspace.root().to_path_buf(),
            certificate,
            variables: own.chain(renamed).collect(),
        }
    }

    /// The same from another folder: with other files.
    pub(crate) fn with_folder(&self, root: &Path) -> Deployment {
        Deployment { root: root.to_path_buf(), ..self.clone() }
    }

    /// The same with another value for a variable.
    pub(crate) fn saying(&self, name: &str, value: &str) -> Deployment {
        let mut other = self.clone();
        other.variables.insert(name.to_string(), value.to_string());
        other
    }

    /// The full name of an image of the programs of others.
    pub(crate) fn image(&self, name: &str, version: &str) -> String {
        let tag = self.variables.get("PARTS_TAG").map_or("", String::as_str);
        format!("{}/{name}:{}-{tag}", registry::ADDRESS, pinned(version))
    }

    async fn script(
        &self,
        cluster: &Cluster,
        script: &str,
        arguments: &[&str],
        deadline: Duration,
    ) -> anyhow::Result<String> {
        let node = cluster.anyone().await?;
        let mut command = program(self.root.join("stack").join(script), arguments);
        command.envs(&self.variables).env("DOCKER_HOST", node.host());
        command.env("TLS_CERTIFICATE", &self.certificate.certificate).env("TLS_KEY", &self.certificate.key);
        run(&mut command, deadline).await
    }

    /// The networks that stacks share, and the first version of every secret.
    pub(crate) async fn prepare(&self, cluster: &Cluster) -> anyhow::Result<()> {
        self.script(cluster, "networks.sh", &[], Duration::from_secs(60)).await?;
        self.secrets(cluster, "all", 1).await
    }

    /// A version of a group's secrets.
    pub(crate) async fn secrets(&self, cluster: &Cluster, group: &str, version: u32) -> anyhow::Result<()> {
        let version = version.to_string();
        self.script(cluster, "secrets.sh", &[group, &version], Duration::from_secs(120)).await.map(drop)
    }

    /// As the library of the project deploys it.
    pub(crate) async fn library(&self, cluster: &Cluster) -> anyhow::Result<deploy::Deployment> {
        let mut deployment = deploy::Deployment::of(&self.root);
        deployment.engine = Engine::at(cluster.anyone().await?.host());
        deployment.given.clone_from(&self.variables);
        for (name, file) in
            [("TLS_CERTIFICATE", &self.certificate.certificate), ("TLS_KEY", &self.certificate.key)]
        {
            deployment.given.insert(name.into(), file.to_string_lossy().into_owned());
        }
        deployment.wave_seconds_max = WAVE_SECONDS_MAX;
        // A drill looks at what failed.
        deployment.takes_back = false;
        for overlays in ["stack/overlays/small", "stack/overlays/drill"] {
            deployment.overlays.push(self.root.join(overlays));
        }
        let address = SocketAddr::from((network::address(1).parse::<Ipv4Addr>()?, 443));
        deployment.smoke = Some(Smoke {
            address: Some(address),
            any_certificate: true,
            seconds_max: WELL_SECONDS_MAX,
            ..Smoke::of(DOMAIN)
        });
        Ok(deployment)
    }

    /// Deploys a stack and waits until it is what it should be.
    pub(crate) async fn deploy(&self, cluster: &Cluster, stack: &str) -> anyhow::Result<()> {
        let deployment = self.library(cluster).await?;
        say::step(&format!("stack {stack}"), async {
            let report = deployment.deploy(&[stack.to_string()], &mut Told).await?;
            if report.outcome != Outcome::Done {
                bail!("{:?}: {}", report.outcome, report.problems.join("\n  "));
            }
            Ok(())
        })
        .await
    }
}
