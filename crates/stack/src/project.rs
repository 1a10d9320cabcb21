//! The files of a swarm, read once: stacks, the edge's configuration, networks, versions.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use crate::{
    variables,
    yaml::{self, Node},
};

/// The stacks, in the order in which they are deployed.
pub const STACKS: [&str; 7] = ["edge", "bus", "data", "identity", "app", "observability", "ops"];

/// A file that could not be read as what it should be.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not there, or may not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no YAML.
    #[error("{}: {source}", path.display())]
    Yaml {
        /// Which.
        path: PathBuf,
        /// Why.
        source: yaml::Error,
    },
}

/// A text file with its name as a person says it: relative to the project.
#[derive(Debug, Clone)]
pub struct File {
    /// Such as `stack/edge.yml`.
    pub name: String,
    /// Its content.
    pub text: String,
}

/// A file `stack/NAME.yml`.
#[derive(Debug, Clone)]
pub struct Stack {
    /// Such as `edge`.
    pub name: String,
    /// The file.
    pub file: File,
    /// As it is written, with `${…}`.
    pub raw: Node,
    /// With the variables replaced as far as the project knows them.
    pub root: Node,
}

/// A service of a stack.
#[derive(Debug, Clone, Copy)]
pub struct Service<'a> {
    /// Where it is.
    pub stack: &'a Stack,
    /// Its name within the stack.
    pub name: &'a str,
    /// With the variables replaced.
    pub node: &'a Node,
    /// As it is written.
    pub raw: &'a Node,
}

/// A file that changes a stack: `stack/overlays/WHERE/NAME.yml`.
#[derive(Debug, Clone)]
pub struct Overlay {
    /// The stack that it is laid over, such as `edge`.
    pub stack: String,
    /// The file.
    pub file: File,
    /// Its content.
    pub root: Node,
}

/// What the edge is told by files.
#[derive(Debug, Clone)]
pub struct Edge {
    /// `traefik/traefik.yml`.
    pub file: File,
    /// Its content.
    pub fixed: Node,
    /// The files of `traefik/dynamic`.
    pub dynamic: Vec<(File, Node)>,
}

/// Everything that a deployment is made of.
#[derive(Debug, Clone)]
pub struct Project {
    /// The folder that `stack` and `traefik` lie in.
    pub root: PathBuf,
    /// The stacks, in the order of [`STACKS`].
    pub stacks: Vec<Stack>,
    /// What is laid over them, of every folder of `stack/overlays`.
    pub overlays: Vec<Overlay>,
    /// Traefik's files.
    pub edge: Edge,
    /// `stack/networks.sh`.
    pub networks: File,
    /// `versions.env`.
    pub versions: BTreeMap<String, String>,
}

impl Project {
    /// Reads the project at `root`.
    ///
    /// # Errors
    /// When a file is missing or no YAML.
    pub fn load(root: &Path) -> Result<Project, Error> {
        let versions = variables::assignments(&read(root, "versions.env")?.text);
        let stack = |name: &&str| {
            let file = format!("stack/{name}.yml");
            root.join(&file).exists().then(|| Stack::parse(name, read(root, &file)?, &versions, root))
        };
        let stacks = STACKS.iter().filter_map(stack).collect::<Result<_, _>>()?;
        let file = read(root, "traefik/traefik.yml")?;
        let fixed = parse(&file, root)?;
        let mut names: Vec<PathBuf> = fs::read_dir(root.join("traefik/dynamic"))
            .map_err(|source| Error::Read { path: root.join("traefik/dynamic"), source })?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect();
        names.sort();
        let dynamic = names
            .iter()
            .filter_map(|path| path.file_name()?.to_str())
            .map(|name| {
                let file = read(root, &format!("traefik/dynamic/{name}"))?;
                let node = parse(&file, root)?;
                Ok((file, node))
            })
            .collect::<Result<_, Error>>()?;
        let networks = read(root, "stack/networks.sh")?;
        Ok(Project {
            root: root.to_path_buf(),
            stacks,
            overlays: overlays(root)?,
            edge: Edge { file, fixed, dynamic },
            networks,
            versions,
        })
    }

    /// The stack called `name`.
    pub fn stack(&self, name: &str) -> Option<&Stack> {
        self.stacks.iter().find(|stack| stack.name == name)
    }

    /// Every service of every stack.
    pub fn services(&self) -> impl Iterator<Item = Service<'_>> {
        self.stacks.iter().flat_map(Stack::services)
    }
}

impl Stack {
    /// A stack from a file's text; `root` only names it in errors.
    ///
    /// # Errors
    /// When it is no YAML.
    pub fn parse(
        name: &str,
        file: File,
        versions: &BTreeMap<String, String>,
        root: &Path,
    ) -> Result<Stack, Error> {
        let raw = parse(&file, root)?;
        let resolved = raw.map(&mut |text, _| variables::resolved(text, versions));
        Ok(Stack { name: name.to_string(), file, raw, root: resolved })
    }

    /// Its services.
    pub fn services(&self) -> impl Iterator<Item = Service<'_>> {
        let raw = self.raw.get("services").map_or(&[][..], Node::entries);
        let resolved = self.root.get("services").map_or(&[][..], Node::entries);
        raw.iter().zip(resolved).map(|((name, raw), (_, node))| Service { stack: self, name, node, raw })
    }

    /// The entries of a section such as `networks`.
    pub fn section(&self, name: &str) -> &[(String, Node)] {
        self.root.get(name).map_or(&[][..], Node::entries)
    }

    /// The name a network, config or secret has in the swarm.
    pub fn full_name(&self, section: &str, key: &str) -> String {
        let node = self.section(section).iter().find(|(name, _)| name == key);
        match node.and_then(|(_, node)| node.text_at(&["name"])) {
            Some(name) => name.to_string(),
            None => format!("{}_{key}", self.name),
        }
    }
}

impl Service<'_> {
    /// Whether it runs to its end and is done.
    pub fn is_job(&self) -> bool {
        matches!(self.node.text_at(&["deploy", "mode"]), Some("replicated-job" | "global-job"))
    }

    /// Whether it runs once on each node.
    pub fn is_global(&self) -> bool {
        matches!(self.node.text_at(&["deploy", "mode"]), Some("global" | "global-job"))
    }

    /// The image without its registry and tag: `nats-server` of `registry.example.org/livehouse-nats-server:2`.
    pub fn program(&self) -> &str {
        let image = self.node.text_at(&["image"]).unwrap_or_default();
        let last = image.rsplit('/').next().unwrap_or_default();
        let name = last.split([':', '@']).next().unwrap_or_default();
        name.strip_prefix("livehouse-").unwrap_or(name)
    }

    /// The keys of the networks it is attached to.
    pub fn networks(&self) -> Vec<String> {
        let Some(node) = self.node.get("networks") else { return Vec::new() };
        let listed = node.items().iter().filter_map(|item| item.text().map(str::to_string));
        node.entries().iter().map(|(name, _)| name.clone()).chain(listed).collect()
    }

    /// The names that its networks have in the swarm.
    pub fn full_networks(&self) -> Vec<String> {
        self.networks().iter().map(|key| self.stack.full_name("networks", key)).collect()
    }

    /// What is mounted, as source and target. A source that starts with `/` or `.` is a path of the node.
    pub fn mounts(&self) -> Vec<Mount> {
        self.node.get("volumes").map_or(&[][..], Node::items).iter().filter_map(Mount::read).collect()
    }

    /// Named volumes among the mounts.
    pub fn volumes(&self) -> Vec<Mount> {
        self.mounts().into_iter().filter(Mount::is_volume).collect()
    }

    /// `deploy.labels`.
    pub fn labels(&self) -> Vec<(String, Node)> {
        self.node.at(&["deploy", "labels"]).map(Node::pairs).unwrap_or_default()
    }

    /// `environment`.
    pub fn environment(&self) -> Vec<(String, Node)> {
        self.node.get("environment").map(Node::pairs).unwrap_or_default()
    }

    /// Where a key of it is; the service's own line when it is not there.
    pub fn line_of(&self, way: &[&str]) -> usize {
        (0..=way.len())
            .rev()
            .find_map(|end| self.node.at(&way[..end]))
            .map_or(self.node.line, |node| node.line)
    }
}

/// An entry of `volumes` of a service.
#[derive(Debug, Clone)]
pub struct Mount {
    /// A volume, a path, or nothing (tmpfs).
    pub source: String,
    /// Where it is in the container.
    pub target: String,
    /// Whether it can only be read.
    pub read_only: bool,
    /// Where it is written.
    pub line: usize,
}

impl Mount {
    fn read(node: &Node) -> Option<Mount> {
        let line = node.line;
        let Some(text) = node.text() else {
            let text = |key: &str| node.text_at(&[key]).unwrap_or_default().to_string();
            let read_only = node.text_at(&["read_only"]) == Some("true");
            return Some(Mount { source: text("source"), target: text("target"), read_only, line });
        };
        let parts: Vec<&str> = text.split(':').collect();
        let (source, target) = (parts.first()?.to_string(), parts.get(1)?.to_string());
        let read_only = parts.get(2).is_some_and(|options| options.split(',').any(|option| option == "ro"));
        Some(Mount { source, target, read_only, line })
    }

    /// Whether it is a named volume.
    pub fn is_volume(&self) -> bool {
        !self.source.is_empty() && !self.source.starts_with(['/', '.', '~'])
    }
}

fn read(root: &Path, name: &str) -> Result<File, Error> {
    let path = root.join(name);
    let text = fs::read_to_string(&path).map_err(|source| Error::Read { path, source })?;
    Ok(File { name: name.to_string(), text })
}

/// Every file of an overlay that belongs to a stack; a project may have none.
fn overlays(root: &Path) -> Result<Vec<Overlay>, Error> {
    let Ok(folders) = fs::read_dir(root.join("stack/overlays")) else { return Ok(Vec::new()) };
    let mut folders: Vec<PathBuf> = folders.filter_map(|entry| Some(entry.ok()?.path())).collect();
    folders.sort();
    let mut found = Vec::new();
    for folder in folders.iter().filter_map(|folder| folder.file_name()?.to_str()) {
        for stack in STACKS {
            let name = format!("stack/overlays/{folder}/{stack}.yml");
            if root.join(&name).exists() {
                let file = read(root, &name)?;
                found.push(Overlay { stack: stack.to_string(), root: parse(&file, root)?, file });
            }
        }
    }
    Ok(found)
}

fn parse(file: &File, root: &Path) -> Result<Node, Error> {
    Node::parse(&file.text).map_err(|source| Error::Yaml { path: root.join(&file.name), source })
}
