//! The built client: which files an entry needs, by the manifest that the build wrote.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

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

/// All entries of a build.
#[derive(Debug, Clone)]
pub struct Assets(BTreeMap<String, Entry>);

impl Assets {
    /// Reads `manifest.json` of a built client.
    pub fn read(dist: &Path) -> anyhow::Result<Self> {
        let file = dist.join("manifest.json");
        let text = std::fs::read_to_string(&file).with_context(|| {
            format!("cannot read {}: build the client first (npm run build in web/)", file.display())
        })?;
        Self::parse(&text).with_context(|| format!("{} does not fit these pages", file.display()))
    }

    fn parse(manifest: &str) -> anyhow::Result<Self> {
        let chunks: BTreeMap<String, Chunk> = serde_json::from_str(manifest)?;
        let entries = ENTRIES.iter().map(|name| {
            anyhow::ensure!(chunks.contains_key(*name), "the entry {name} is missing");
            Ok(((*name).to_owned(), entry(&chunks, name)))
        });
        Ok(Self(entries.collect::<Result<_, anyhow::Error>>()?))
    }

    /// The files of an entry.
    #[must_use]
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.0.get(name)
    }
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
        let assets = Assets::parse(manifest).unwrap();
        let event = assets.entry("src/pages/event.ts").unwrap();
        assert_eq!(event.script, "/assets/event-1.js");
        assert_eq!(event.styles, ["/assets/map-1.css"]);
        assert_eq!(event.preloads.len(), 2);
        assert_eq!(assets.entry("src/styles/site.css").unwrap().fonts, ["/assets/face-1.woff2"]);
    }

    #[test]
    fn a_build_without_an_entry_is_refused_by_its_name() {
        assert!(Assets::parse("{}").unwrap_err().to_string().contains("src/styles/site.css"));
    }
}
