//! Geometry as browsers fetch it.

use std::io::Read;
use std::time::{Duration, Instant};

use livehouse_site::layouts::Layouts;
use livehouse_testkit::World;
use sha2::{Digest, Sha256};

use super::theatre::Theatre;

async fn layout_path(theatre: &Theatre) -> String {
    let page = theatre.get("/events/night-music").await.text();
    let start = page.find("/layouts/").unwrap();
    page[start..].split('"').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layout_is_immutable_compressed_and_what_its_name_says() {
    let theatre = Theatre::open(&[("Night Music", "4500")]).await;
    let path = layout_path(&theatre).await;
    let plain = theatre.get(&path).await;
    assert_eq!(
        (plain.status, plain.header("content-type"), plain.header("content-encoding")),
        (200, Some("application/json"), None)
    );
    let layout: serde_json::Value = serde_json::from_slice(&plain.bytes).unwrap();
    let hash = path.trim_start_matches("/layouts/").trim_end_matches(".json");
    assert_eq!(layout["id"], hash);
    assert_eq!(layout["sections"][0]["rows"][0]["seats"].as_array().unwrap().len(), 3);
    // The name is the beginning of the digest of everything but the name.
    let unnamed = plain.text().replacen(&format!(r#""id":"{hash}","#), "", 1);
    let digest: String =
        Sha256::digest(unnamed.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(digest.starts_with(hash), "the digest is {digest}, the name {hash}");

    let brotli = theatre.get_with(&path, &[("accept-encoding", "gzip, deflate, br")]).await;
    assert_eq!(brotli.header("content-encoding"), Some("br"));
    let mut unpacked = Vec::new();
    brotli::Decompressor::new(brotli.bytes.as_slice(), 4_096).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain.bytes);
    let gzip = theatre.get_with(&path, &[("accept-encoding", "gzip")]).await;
    assert_eq!(gzip.header("content-encoding"), Some("gzip"));
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(gzip.bytes.as_slice()).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain.bytes);
    assert!(brotli.bytes.len() < plain.bytes.len() && gzip.bytes.len() < plain.bytes.len());
    for answer in [&plain, &brotli, &gzip] {
        assert_eq!(answer.header("cache-control"), Some("public, max-age=31536000, immutable"));
        assert_eq!(answer.header("vary"), Some("accept-encoding"));
        assert_eq!(answer.header("set-cookie"), None, "what everybody caches carries nobody's session");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layout_is_there_while_the_broker_is_not() {
    let theatre = Theatre::open(&[("Night Music", "4500")]).await;
    let path = layout_path(&theatre).await;
    let before = theatre.get(&path).await.bytes;
    theatre.world.nats().kill().await;
    let without = theatre.get(&path).await;
    assert_eq!((without.status, without.bytes), (200, before));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_layout_neither_waits_for_another_nor_is_asked_for_twice_in_a_row() {
    let theatre = Theatre::open(&[("Night Music", "4500")]).await;
    let unknown = format!("/layouts/{}.json", "0".repeat(32));
    assert_eq!(theatre.get(&unknown).await.status, 404);
    theatre.world.nats().pause();
    let started = Instant::now();
    assert_eq!(theatre.get(&unknown).await.status, 404, "it was asked for again at once");
    assert!(started.elapsed() < Duration::from_secs(2));
    theatre.world.nats().resume();

    let world = World::builder().nats().start().await.unwrap();
    let client = async_nats::connect(world.nats().url()).await.unwrap();
    let layouts = Layouts::new(async_nats::jetstream::new(client));
    world.nats().pause();
    let started = Instant::now();
    let (hashes, deadline) =
        ([0, 1, 2, 3].map(|digit| digit.to_string().repeat(32)), Duration::from_secs(60));
    let asking = futures::future::join_all(hashes.iter().map(|hash| layouts.get(hash)));
    let answers = tokio::time::timeout(deadline, asking).await.unwrap();
    assert!(answers.iter().all(Result::is_err), "a broker that hangs knows no layout");
    assert!(
        started.elapsed() < Duration::from_secs(15),
        "they waited for each other: {:?}",
        started.elapsed()
    );
}
