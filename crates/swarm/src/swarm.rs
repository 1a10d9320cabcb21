//! The swarm as a whole: up, down, and how it is.

use std::process::ExitCode;

use livehouse_parts::Workspace;

use crate::{
    certificate::{Certificate, DOMAIN},
    cluster::{Cluster, NODES},
    deployment::Deployment,
    edge::Door,
    image::{self, Built},
    line::{DockerOptions, UpOptions},
    machine, network,
    registry::Registry,
    say, site,
};

/// What the sale runs on, in the order in which it is deployed.
pub(crate) const STACKS: [&str; 4] = ["bus", "data", "app", "edge"];

/// A swarm that is up, with what is needed to change it.
#[derive(Debug, Clone)]
pub(crate) struct Swarm {
    pub(crate) workspace: Workspace,
    pub(crate) cluster: Cluster,
    pub(crate) deployment: Deployment,
    pub(crate) certificate: Certificate,
}

impl Swarm {
    /// Makes what is not there yet. Deploys nothing.
    pub(crate) async fn make() -> anyhow::Result<Swarm> {
        machine::prepare().await?;
        let workspace = Workspace::find();
        let folder = site::folder(&workspace);
        let built = say::step("the services", Built::make(&workspace)).await?;
        let tags = built.tags(&workspace).await?;
        let certificate = Certificate::make(&folder).await?;
        let cluster = Cluster::in_folder(&folder);
        say::step("three nodes, one swarm", cluster.start()).await?;
        Registry::in_folder(&folder).start(&workspace, &tags.parts).await?;
        for image in image::all(&built, &tags) {
            image.ensure(&workspace, cluster.node(1), &folder.join("images")).await?;
        }
        let deployment = Deployment::new(&workspace, certificate.clone(), &tags);
        say::step("networks and secrets", deployment.prepare(&cluster)).await?;
        Ok(Swarm { workspace, cluster, deployment, certificate })
    }

    /// The same swarm, told something else when it is deployed to.
    pub(crate) fn saying(&self, name: &str, value: &str) -> Swarm {
        Swarm { deployment: self.deployment.saying(name, value), ..self.clone() }
    }

    /// Its door, for programs.
    pub(crate) fn door(&self) -> Door {
        Door { authority: self.certificate.authority.clone() }
    }

    /// Deploys these stacks, one after the other.
    pub(crate) async fn deploy<'a>(&self, stacks: impl IntoIterator<Item = &'a str>) -> anyhow::Result<()> {
        for stack in stacks {
            self.deployment.deploy(&self.cluster, stack).await?;
        }
        Ok(())
    }
}

/// `up`.
pub(crate) async fn up(options: &UpOptions) -> anyhow::Result<ExitCode> {
    let swarm = Swarm::make().await?;
    swarm.deploy(options.stacks.iter().map(String::as_str)).await?;
    crate::sale::open(&swarm).await?;
    let authority = swarm.certificate.authority.display();
    say::line(&format!(
        "\n  https://{DOMAIN}/ on 10.77.0.1, .2 and .3\n  look:  curl --cacert {authority} --resolve {DOMAIN}:443:10.77.0.1 https://{DOMAIN}/\n  \
         ask:   cargo dev swarm docker service ls\n  end:   cargo dev swarm down\n"
    ));
    Ok(ExitCode::SUCCESS)
}

/// `down`.
pub(crate) async fn down() -> anyhow::Result<ExitCode> {
    let workspace = Workspace::find();
    let folder = site::folder(&workspace);
    say::step("taking the swarm down", async {
        let cluster = Cluster::in_folder(&folder);
        for node in cluster.nodes() {
            node.end().await?;
        }
        Registry::in_folder(&folder).stop()?;
        network::remove(NODES).await?;
        for node in cluster.nodes() {
            node.remove()?;
        }
        // What the registry has stays: it is what takes time to make, and belongs to nobody.
        for name in ["images", "tls", "browser", "people", "layer", "changed", "kept-backup"] {
            let folder = folder.join(name);
            if folder.exists() {
                std::fs::remove_dir_all(folder)?;
            }
        }
        Ok(())
    })
    .await?;
    Ok(ExitCode::SUCCESS)
}

/// `status`.
pub(crate) async fn status() -> anyhow::Result<ExitCode> {
    let cluster = Cluster::in_folder(&site::folder(&Workspace::find()));
    let states = cluster.states().await?;
    let services = cluster
        .anyone()
        .await?
        .ask(&["service", "ls", "--format", "{{.Name}} {{.Mode}} {{.Replicas}}"])
        .await?;
    let mut is_well = states.iter().all(|line| line.contains("Ready"));
    for line in states.iter().map(String::as_str).chain(services.lines()) {
        say::print(line);
        let replicas = line.split_whitespace().find_map(|word| word.split_once('/'));
        is_well &= replicas.is_none_or(|(running, wanted)| running == wanted || line.contains("completed"));
    }
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// `docker`.
pub(crate) async fn docker(options: &DockerOptions) -> anyhow::Result<ExitCode> {
    let cluster = Cluster::in_folder(&site::folder(&Workspace::find()));
    let status = cluster.node(options.node).docker(&options.rest).status().await?;
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}
