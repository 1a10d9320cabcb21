//! What the documents say of the code is so.

const README: &str = include_str!("../../README.md");
const MANIFEST: &str = include_str!("../../Cargo.toml");

/// The text of a file's first code block in this language.
fn first_block(text: &'static str, language: &str) -> &'static str {
    let (_, block) = text.split_once(&format!("```{language}\n")).unwrap();
    block.split_once("```").unwrap().0
}

#[test]
fn the_readmes_first_example_is_the_counter_word_for_word_but_for_the_address() {
    let example = include_str!("../../examples/counter.rs");
    let (code, _) = example.split_once("\nfn nats_url() -> String {").unwrap();
    let code = code.replace("nats_url()", "\"127.0.0.1:4222\"");
    let code = code.lines().skip_while(|line| line.starts_with("//!") || line.is_empty());
    let readme: Vec<&str> = first_block(README, "rust,no_run").lines().collect();
    assert_eq!(readme, code.collect::<Vec<_>>());
    assert!(README.split("```rust").count() == 2, "this is also its only example in Rust");
}

#[test]
fn every_feature_is_in_the_readme() {
    let (_, features) = MANIFEST.split_once("[features]\n").unwrap();
    let features = features.split_once("\n[").unwrap().0.lines();
    let names = features.filter_map(|line| line.split_once(" = ")).map(|(name, _)| name);
    let names: Vec<&str> = names.filter(|name| !name.starts_with('#') && *name != "default").collect();
    assert!(names.len() >= 2, "{names:?}");
    for name in names {
        assert!(README.contains(&format!("| `{name}` |")), "the README has no row for the feature {name}");
    }
}

#[test]
fn the_versions_in_the_readme_are_those_of_the_manifest() {
    let dependencies = first_block(README, "toml");
    let (major, minor) = (env!("CARGO_PKG_VERSION_MAJOR"), env!("CARGO_PKG_VERSION_MINOR"));
    assert!(dependencies.contains(&format!("res-service = \"{major}.{minor}\"")), "{dependencies}");
    let (_, of_async_nats) =
        MANIFEST.split_once("[dependencies").unwrap().1.split_once("async-nats").unwrap();
    let async_nats = of_async_nats.split("version = \"").nth(1).unwrap().split('"').next().unwrap();
    assert!(dependencies.contains(&format!("async-nats = \"{async_nats}\"")), "{dependencies}");
    assert!(README.contains(&format!("oldest Rust that builds it is {}", env!("CARGO_PKG_RUST_VERSION"))));
    assert!(
        include_str!("../../CHANGELOG.md").contains(env!("CARGO_PKG_VERSION")),
        "the changelog knows the version"
    );
}
