//! Geometry as browsers fetch it.

use std::io::Read;

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
