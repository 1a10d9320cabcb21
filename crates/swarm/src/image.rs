//! The images of the swarm. Services come from this repository; programs of others stand under the names that the stacks
//! give them, made from the same programs, without a base that would have to come from outside.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use livehouse_parts::{Workspace, pinned};
use sha2::{Digest, Sha256};

use crate::{
    command::{program, run},
    node::Node,
    registry, say,
};

#[cfg(test)]
mod archive_tests;
mod content;
pub(crate) mod programs;
mod tree;

use content::Content;

/// Packing and sending one image.
const PUSH_DEADLINE: Duration = Duration::from_secs(240);

/// An image that the stacks ask for.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    /// As the registry knows it: `livehouse-tickets`, `library/traefik`.
    name: String,
    tag: String,
    content: Content,
}

/// What the images are tagged with.
#[derive(Debug, Clone)]
pub(crate) struct Tags {
    /// Of the services: changes with their programs and pages.
    pub(crate) services: String,
    /// Of the programs of others: changes with what is put around them.
    pub(crate) parts: String,
}

/// What is made into images of services: built programs, and the web client.
#[derive(Debug, Clone)]
pub(crate) struct Built {
    pub(crate) programs: Vec<(&'static str, PathBuf)>,
    pub(crate) web: PathBuf,
}

/// How images are made: another way makes another image of the same programs.
const RECIPES: &str = include_str!("image/content.rs");

/// The project's own services.
const SERVICES: [&str; 4] = ["tickets", "orders", "identity", "site"];

impl Built {
    /// Builds the services. The web client was built by who called: `LIVEHOUSE_WEB_DIST` says where.
    pub(crate) async fn make(workspace: &Workspace) -> anyhow::Result<Built> {
        let mut programs = Vec::new();
        for service in SERVICES {
            let package = format!("livehouse-{service}");
            programs
                .push((service, livehouse_testkit::binary(&package, livehouse_testkit::Build::Debug).await?));
        }
        let web = std::env::var_os("LIVEHOUSE_WEB_DIST")
            .map_or_else(|| workspace.root().join("web/dist"), PathBuf::from);
        anyhow::ensure!(
            web.join("manifest.json").is_file(),
            "the web client is not built: cd web && npm ci && npm run build"
        );
        Ok(Built { programs, web })
    }

    /// A name for exactly these programs and pages.
    fn tag(&self) -> anyhow::Result<String> {
        let mut hash = Sha256::new();
        hash.update(RECIPES);
        for (_, file) in &self.programs {
            hash.update(fs::read(file).with_context(|| format!("read {}", file.display()))?);
        }
        for page in files_below(&self.web)? {
            hash.update(page.to_string_lossy().as_bytes());
            hash.update(fs::read(&page).with_context(|| format!("read {}", page.display()))?);
        }
        Ok(hex::encode(hash.finalize())[..12].to_string())
    }

    /// The tags of what was built and of the repository's own files.
    pub(crate) async fn tags(&self, workspace: &Workspace) -> anyhow::Result<Tags> {
        let script = workspace.root().join("stack/parts-tag.sh");
        let parts = run(&mut program(script, [""; 0]), Duration::from_secs(20)).await?;
        let recipes = hex::encode(Sha256::digest(RECIPES));
        Ok(Tags { services: self.tag()?, parts: format!("{}-{}", parts.trim(), &recipes[..6]) })
    }
}

/// Every file of a folder and its folders, in the order of their names.
fn files_below(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("look into {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(files_below(&path)?);
        } else {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// All images that the swarm needs.
pub(crate) fn all(built: &Built, tags: &Tags) -> Vec<Image> {
    let mut images: Vec<Image> = built
        .programs
        .iter()
        .map(|(service, file)| Image {
            name: format!("livehouse-{service}"),
            tag: tags.services.clone(),
            content: Content::Service { name: service, program: file.clone(), web: built.web.clone() },
        })
        .collect();
    let own = |name: &str, version: &str, content| Image {
        name: format!("livehouse-{name}"),
        tag: format!("{}-{}", pinned(version), tags.parts),
        content,
    };
    images.push(own("nats-server", "NATS_SERVER_VERSION", Content::NatsServer));
    images.push(own("resgate", "RESGATE_VERSION", Content::Resgate));
    images.push(own("postgres", "POSTGRES_VERSION", Content::Postgres));
    images.push(own("otelcol", "OTELCOL_VERSION", Content::Collector));
    images.push(own("keycloak", "KEYCLOAK_VERSION", Content::Keycloak));
    images.push(own("mimir", "MIMIR_VERSION", Content::Mimir));
    images.push(Image { name: "livehouse-entry".into(), tag: tags.parts.clone(), content: Content::Entry });
    for (pin, content) in [
        ("TRAEFIK_IMAGE", Content::Traefik),
        ("SOCKET_PROXY_IMAGE", Content::SocketProxy),
        ("KEYDB_IMAGE", Content::KeyValueServer),
        ("LOKI_IMAGE", Content::Loki),
        ("TEMPO_IMAGE", Content::Tempo),
        ("ALERTMANAGER_IMAGE", Content::Alertmanager),
        ("REGISTRY_IMAGE", Content::Registry),
        ("OAUTH2_PROXY_IMAGE", Content::OauthProxy),
    ] {
        let (name, tag) = registry::kept_as(pinned(pin));
        images.push(Image { name, tag, content });
    }
    images
}

impl Image {
    /// Makes the image and puts it into the registry, unless it is there. Answers its size in bytes when it was made.
    pub(crate) async fn ensure(
        &self,
        workspace: &Workspace,
        node: &Node,
        folder: &Path,
    ) -> anyhow::Result<Option<u64>> {
        if registry::has(&self.name, &self.tag).await {
            return Ok(None);
        }
        let full = format!("{}/{}:{}", registry::ADDRESS, self.name, self.tag);
        let size = say::step(&format!("image {}:{}", self.name, self.tag), async {
            let at = folder.join(self.name.replace('/', "-"));
            let tree = tree::Tree::new(&at)?;
            let changes =
                self.content.fill(&tree, workspace).await.with_context(|| format!("make {full}"))?;
            let archive = at.with_extension("tar");
            let mut pack = program("tar", ["--create", "--numeric-owner", "--directory"]);
            pack.arg(tree.root()).arg("--file").arg(&archive).arg(".");
            run(&mut pack, PUSH_DEADLINE).await?;
            let size = fs::metadata(&archive)?.len();
            let mut import = node.docker(["import"]);
            for change in changes {
                import.args(["--change", &change]);
            }
            import.arg(&archive).arg(&full);
            run(&mut import, PUSH_DEADLINE).await?;
            run(&mut node.docker(["push", "--quiet", &full]), PUSH_DEADLINE).await?;
            fs::remove_dir_all(&at)?;
            fs::remove_file(&archive)?;
            anyhow::Ok(size)
        })
        .await?;
        say::line(&format!("    {} MB", size / 1_000_000));
        Ok(Some(size))
    }
}

/// A second image of a service that never gets ready: for what happens when somebody deploys one.
pub(crate) fn broken(service: &'static str) -> Image {
    Image { name: format!("livehouse-{service}"), tag: "broken".into(), content: Content::Broken { service } }
}
