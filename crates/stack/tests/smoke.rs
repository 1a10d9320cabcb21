//! What is tried from outside after a deployment: an edge with TLS that is well, and ones that are not.
#![allow(clippy::unwrap_used)]

use std::{net::SocketAddr, path::Path, process::Command, sync::Arc};

use livehouse_stack::smoke::{Probed, Smoke};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

const DOMAIN: &str = "tickets.example.org";
const PAGE: &str =
    "HTTP/1.1 200 OK\r\nContent-Length: 26\r\nConnection: close\r\n\r\n<!doctype html><html>hello";
const NOT_FOUND: &str = "HTTP/1.1 404 Not Found\r\nContent-Length: 48\r\nConnection: close\r\n\r\n\
                         {\"code\":\"system.notFound\",\"message\":\"Not found\"} ";
const AWAY: &str =
    "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 26\r\nConnection: close\r\n\r\n<!doctype html><html>sorry";
const SWITCHED: &str =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";

/// The answers of an edge.
#[derive(Clone, Copy)]
struct Answers {
    page: &'static str,
    api: &'static str,
    live: &'static str,
}

const WELL: Answers = Answers { page: PAGE, api: NOT_FOUND, live: SWITCHED };

/// An edge with the certificate that `stack/secrets.sh edge` makes.
async fn edge(answers: Answers) -> SocketAddr {
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../stack/secrets.sh");
    let made =
        Command::new(script).arg("edge").env("SECRETS_TO", folder.path()).env("DOMAIN", DOMAIN).output();
    let made = made.unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let certificate = CertificateDer::from_pem_file(folder.path().join("tls_certificate")).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.path().join("tls_key")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client that does not trust the certificate goes away here.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut head = vec![0; 4096];
            let read = stream.read(&mut head).await.unwrap_or_default();
            let head = String::from_utf8_lossy(&head[..read]).into_owned();
            let answer = match head.split(' ').nth(1).unwrap_or_default() {
                "/" => answers.page,
                "/live" if head.to_lowercase().contains("upgrade: websocket") => answers.live,
                path if path.starts_with("/api/") => answers.api,
                _ => AWAY,
            };
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    address
}

async fn tried(answers: Answers, any_certificate: bool) -> Vec<Probed> {
    let address = Some(edge(answers).await);
    let smoke = Smoke { address, any_certificate, seconds_max: 0, ..Smoke::of(DOMAIN) };
    smoke.probe(&mut ()).await.unwrap()
}

fn failed(probed: &[Probed]) -> Vec<&str> {
    probed.iter().filter(|probe| !probe.passed).map(|probe| probe.what).collect()
}

#[tokio::test]
async fn an_edge_that_is_well_passes() {
    let probed = tried(WELL, true).await;
    assert_eq!(failed(&probed), Vec::<&str>::new(), "{probed:?}");
    assert_eq!(probed.len(), 3);
}

#[tokio::test]
async fn a_page_that_is_away_is_noticed() {
    assert_eq!(failed(&tried(Answers { page: AWAY, ..WELL }, true).await), ["the site answers over TLS"]);
}

#[tokio::test]
async fn a_page_for_people_in_the_place_of_an_error_of_the_api_is_noticed() {
    let probed = tried(Answers { api: AWAY, ..WELL }, true).await;
    assert_eq!(failed(&probed), ["errors of the API come through as they are"]);
}

#[tokio::test]
async fn an_edge_that_lets_no_websocket_through_is_noticed() {
    assert_eq!(failed(&tried(Answers { live: PAGE, ..WELL }, true).await), ["a WebSocket opens"]);
}

#[tokio::test]
async fn a_certificate_that_nobody_trusts_is_noticed() {
    let probed = tried(WELL, false).await;
    assert_eq!(failed(&probed).len(), 3, "{probed:?}");
    assert!(probed[0].said.to_lowercase().contains("certificate"), "{probed:?}");
}
