//! The built client: which files an entry needs, by the manifest that the build wrote.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};
use std::time::SystemTime;

use anyhow::Context;
use serde::{Deserialize, Serialize};

/// Entries that the pages ask for; a build without one of them is refused at start.
const ENTRIES: [&str; 5] = [
    "src/styles/site.css",
    "src/pages/events.ts",
    "src/pages/event.ts",
    "src/pages/orders.ts",
    "src/pages/order.ts",
];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Chunk {
    file: String,
    css: Vec<String>,
    imports: Vec<String>,
    assets: Vec<String>,
}

/// Addresses of everything that one entry needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The entry itself.
    pub script: String,
    /// Style sheets.
    pub styles: Vec<String>,
    /// Scripts that it imports.
    pub preloads: Vec<String>,
    /// Fonts.
    pub fonts: Vec<String>,
}

/// All entries of the newest build.
#[derive(Debug)]
pub struct Assets {
    manifest: PathBuf,
    build: RwLock<Build>,
}

/// One build and when it was written.
#[derive(Debug)]
struct Build {
    entries: BTreeMap<String, Entry>,
    written_at: SystemTime,
}

impl Assets {
    /// Reads `manifest.json` of a built client.
    pub fn read(dist: &Path) -> anyhow::Result<Self> {
        let manifest = dist.join("manifest.json");
        let build = Build::read(&manifest)?;
        Ok(Self { manifest, build: RwLock::new(build) })
    }

    /// The files of an entry. A client that was built again under a running sale is taken over with its next page:
    /// the files of the former build are gone.
    #[must_use]
    pub fn entry(&self, name: &str) -> Option<Entry> {
        if let Some(newer) = self.newer_build() {
            *self.build.write().unwrap_or_else(PoisonError::into_inner) = newer;
        }
        self.build.read().unwrap_or_else(PoisonError::into_inner).entries.get(name).cloned()
    }

    /// A build that was written since; none while it is still being written.
    fn newer_build(&self) -> Option<Build> {
        let written_at = std::fs::metadata(&self.manifest).and_then(|file| file.modified()).ok()?;
        if written_at == self.build.read().unwrap_or_else(PoisonError::into_inner).written_at {
            return None;
        }
        Build::read(&self.manifest)
            .inspect_err(|error| {
                tracing::warn!(error = format!("{error:#}"), "a new build of the client is not used")
            })
            .ok()
    }
}

impl Build {
    fn read(manifest: &Path) -> anyhow::Result<Self> {
        let unread =
            || format!("cannot read {}: build the client first (npm run build in web/)", manifest.display());
        // Looked at before it is read: what is written in between is noticed the next time.
        let written_at = std::fs::metadata(manifest).and_then(|file| file.modified()).with_context(unread)?;
        let text = std::fs::read_to_string(manifest).with_context(unread)?;
        let entries =
            parse(&text).with_context(|| format!("{} does not fit these pages", manifest.display()))?;
        Ok(Self { entries, written_at })
    }
}

fn parse(manifest: &str) -> anyhow::Result<BTreeMap<String, Entry>> {
    let chunks: BTreeMap<String, Chunk> = serde_json::from_str(manifest)?;
    let entries = ENTRIES.iter().map(|name| {
        anyhow::ensure!(chunks.contains_key(*name), "the entry {name} is missing");
        Ok(((*name).to_owned(), entry(&chunks, name)))
    });
    entries.collect()
}

fn entry(chunks: &BTreeMap<String, Chunk>, name: &str) -> Entry {
    let mut seen = BTreeSet::new();
    let mut waiting = vec![name];
    let mut entry =
        Entry { script: String::new(), styles: Vec::new(), preloads: Vec::new(), fonts: Vec::new() };
    let address = |file: &str| format!("/{file}");
    while let Some(next) = waiting.pop() {
        let Some(chunk) = chunks.get(next).filter(|_| seen.insert(next)) else { continue };
        if next == name {
            entry.script = address(&chunk.file);
        } else {
            entry.preloads.push(address(&chunk.file));
        }
        for style in chunk.css.iter().map(|file| address(file)) {
            if !entry.styles.contains(&style) {
                entry.styles.push(style);
            }
        }
        entry
            .fonts
            .extend(chunk.assets.iter().filter(|file| file.ends_with(".woff2")).map(|file| address(file)));
        waiting.extend(chunk.imports.iter().map(String::as_str));
    }
    entry
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_names_everything_it_imports_once() {
        let manifest = r#"{
            "src/styles/site.css": {"file": "assets/site-1.css", "assets": ["assets/face-1.woff2"]},
            "src/pages/events.ts": {"file": "assets/events-1.js", "imports": ["_live.js"]},
            "src/pages/event.ts": {"file": "assets/event-1.js", "imports": ["_live.js", "_map.js"], "css": ["assets/map-1.css"]},
            "src/pages/orders.ts": {"file": "assets/orders-1.js"},
            "src/pages/order.ts": {"file": "assets/order-1.js"},
            "_live.js": {"file": "assets/live-1.js", "imports": ["_map.js"]},
            "_map.js": {"file": "assets/map-1.js", "css": ["assets/map-1.css"]}
        }"#;
        let entries = parse(manifest).unwrap();
        let event = &entries["src/pages/event.ts"];
        assert_eq!(event.script, "/assets/event-1.js");
        assert_eq!(event.styles, ["/assets/map-1.css"]);
        assert_eq!(event.preloads.len(), 2);
        assert_eq!(entries["src/styles/site.css"].fonts, ["/assets/face-1.woff2"]);
    }

    #[test]
    fn a_build_without_an_entry_is_refused_by_its_name() {
        assert!(parse("{}").unwrap_err().to_string().contains("src/styles/site.css"));
    }

    fn manifest(script: &str) -> String {
        let chunks: Vec<String> =
            ENTRIES.iter().map(|name| format!(r#""{name}": {{"file": "assets/{script}"}}"#)).collect();
        format!("{{{}}}", chunks.join(","))
    }

    #[test]
    fn a_client_built_again_is_taken_over_and_a_half_written_one_is_not() {
        let dist = tempfile::tempdir().unwrap();
        let file = dist.path().join("manifest.json");
        let write = |text: &str, second: u64| {
            std::fs::write(&file, text).unwrap();
            let written = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(second);
            std::fs::File::options().write(true).open(&file).unwrap().set_modified(written).unwrap();
        };
        write(&manifest("one.js"), 1);
        let assets = Assets::read(dist.path()).unwrap();
        let script = |assets: &Assets| assets.entry("src/pages/event.ts").unwrap().script;
        assert_eq!(script(&assets), "/assets/one.js");
        write("{", 2);
        assert_eq!(script(&assets), "/assets/one.js");
        std::fs::remove_file(&file).unwrap();
        assert_eq!(script(&assets), "/assets/one.js");
        write(&manifest("two.js"), 3);
        assert_eq!(script(&assets), "/assets/two.js");
    }
}
