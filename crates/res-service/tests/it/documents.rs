//! What the documents say of the code is so.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::{ConnectOptions, Event};
use res_service::{Access, Auth, Builder, Call, Get, Grant, KvLease, Model, Reply, Resource};
use serde_json::json;

use crate::world::{PATIENCE, World, eventually};

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
    let code = example.replace("nats::url()", "\"127.0.0.1:4222\"").replace("mod nats;\n\n", "");
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

/// The subjects that the README's sections on permissions give for publishing or subscribing, as a list of NATS.
fn permitted(what: &str) -> String {
    let (_, section) = README.split_once("\n# Permissions\n").unwrap();
    let section = section.split_once("\n# ").unwrap().0;
    let blocks = section.split("```text\n").skip(1).map(|block| block.split_once("```").unwrap().0);
    let mut subjects = Vec::new();
    for block in blocks {
        let mut kind = "";
        for line in block.lines() {
            let said = line.split_once(':').map_or(line, |(named, said)| {
                kind = named;
                said
            });
            if kind == what {
                let names = said.split(',').map(str::trim).filter(|subject| !subject.is_empty());
                subjects.extend(names.map(|subject| format!("\"{subject}\"")));
            }
        }
    }
    assert!(subjects.len() > 5, "{subjects:?}");
    subjects.join(", ")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_readme_permits_is_enough_for_all_that_a_service_does() {
    let [publish, subscribe] = ["publish", "subscribe"].map(permitted);
    let world = World::with(&format!(
        "no_auth_user: gateway\n\
         authorization {{ users: [\n\
           {{ user: gateway, password: gateway }}\n\
           {{ user: service, password: service, permissions: {{\n\
             publish: [{publish}, \"conn.>\"], subscribe: [{subscribe}], allow_responses: true }} }} ] }}"
    ))
    .await;
    let refused: Arc<Mutex<Vec<String>>> = Arc::default();
    let mut services = Vec::new();
    for _ in 0..2 {
        let noted = Arc::clone(&refused);
        let options = ConnectOptions::with_user_and_password("service".to_owned(), "service".to_owned());
        let options = options.event_callback(move |event| {
            let noted = Arc::clone(&noted);
            async move {
                if let Event::ServerError(error) = event {
                    noted.lock().unwrap().push(error.to_string());
                }
            }
        });
        let client = options.connect(world.url()).await.unwrap();
        let jetstream = async_nats::jetstream::new(client.clone());
        let lease = KvLease::new(&jetstream, "owners", Duration::from_secs(2)).await;
        let lease = lease.unwrap_or_else(|error| panic!("{error}; refused: {:?}", refused.lock().unwrap()));
        let model = Resource::model("m", |_: Get| async { Model::from_serialize(&json!({"a": 1})) })
            .access(|_: Access| async { Ok(Grant::get()) })
            .call("do", |call: Call| async move {
                call.service().refresh(call.name()).await?;
                call.service().emit(call.name(), "done", &json!({})).await?;
                Ok(Reply::null())
            })
            .auth("login", |auth: Auth| async move {
                auth.service().set_token(auth.cid(), &json!({}), Some("t")).await?;
                auth.service().reset_tokens(&["t"], "auth.example.m.login").await?;
                Ok(Reply::null())
            });
        services.push(Builder::new("example").lease(lease).resource(model).start(client).await.unwrap());
    }
    let owners = || services.iter().filter(|service| service.owns("name.0").is_some()).count();
    eventually("one of them owns the model", owners, |owners| *owners == 1).await;
    for subject in ["get.example.m", "access.example.m", "call.example.m.do", "auth.example.m.login"] {
        for _ in 0..10 {
            let answer = world.ask(subject, r#"{"cid":"c1"}"#).await;
            assert!(answer.get("result").is_some(), "{subject}: {answer}");
        }
    }
    for service in services {
        service.stop(PATIENCE).await.unwrap();
    }
    assert_eq!(*refused.lock().unwrap(), Vec::<String>::new());
}
