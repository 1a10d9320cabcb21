//! Networks, secrets and stacks: put onto the swarm by the same files and programs as anywhere else.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use livehouse_parts::{Workspace, pinned};

use crate::{
    certificate::{Certificate, DOMAIN},
    cluster::Cluster,
    command::{program, run},
    image::Tags,
    registry, say,
};

/// Images that other registries than the public one have.
const ELSEWHERE: [&str; 1] = ["OAUTH2_PROXY_IMAGE"];

/// What one stack may take until it is what it should be.
const STACK_SECONDS_MAX: u64 = 240;

/// How stacks get onto the swarm.
#[derive(Debug, Clone)]
pub(crate) struct Deployment {
    root: PathBuf,
    certificate: Certificate,
    variables: Vec<(String, String)>,
}

impl Deployment {
    pub(crate) fn new(workspace: &Workspace, certificate: Certificate, tags: &Tags) -> Deployment {
        let variable = |name: &str, value: &str| (name.to_string(), value.to_string());
        let variables = vec![
            variable("DOMAIN", DOMAIN),
            variable("REGISTRY", registry::ADDRESS),
            variable("IMAGE_TAG", &tags.services),
            variable("PARTS_TAG", &tags.parts),
            variable("NOFILE", "16384"),
            variable("POSTGRES_CPUS", "2"),
            variable("DEPLOY_SECONDS", &STACK_SECONDS_MAX.to_string()),
            // Kernels of small virtual machines have no ESP, and the wires here are this machine's own.
            variable("NETWORK_ENCRYPTED", "0"),
            variable("REGISTRY_PASSWORD", "not-used-by-anybody-here"),
        ];
        let variables = variables
            .into_iter()
            .chain(
                ELSEWHERE.iter().filter_map(|name| Some(variable(name, &registry::renamed(pinned(name))?))),
            )
            .collect();
        Deployment { root: workspace.root().to_path_buf(), certificate, variables }
    }

    /// The same with one variable changed.
    pub(crate) fn with(&self, name: &str, value: &str) -> Deployment {
        let mut changed = self.clone();
        changed.variables.retain(|(known, _)| known != name);
        changed.variables.push((name.to_string(), value.to_string()));
        changed
    }

    /// The same from another folder: with other files.
    pub(crate) fn from_folder(&self, root: &Path) -> Deployment {
        Deployment { root: root.to_path_buf(), ..self.clone() }
    }

    /// The full name of an image of the programs of others.
    pub(crate) fn image(&self, name: &str, version: &str) -> String {
        let tag = self.variables.iter().find(|(known, _)| known == "PARTS_TAG").map_or("", |(_, tag)| tag);
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
        command
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .env("DOCKER_HOST", node.host());
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

    /// Deploys a stack and waits until it is what it should be.
    pub(crate) async fn deploy(&self, cluster: &Cluster, stack: &str) -> anyhow::Result<()> {
        let deadline = Duration::from_secs(STACK_SECONDS_MAX + 60);
        say::step(&format!("stack {stack}"), self.script(cluster, "deploy.sh", &[stack], deadline))
            .await
            .map(drop)
    }
}
