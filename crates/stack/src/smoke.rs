//! What can be seen of a sale from outside, over TLS, as a browser sees it.

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use anyhow::Context;
use reqwest::{Client, Response, Version, header, redirect::Policy};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use crate::{deploy::Progress, engine::Engine};

const ANSWER_SECONDS_MAX: u64 = 5;
/// The edge asks the swarm every few seconds, and asks a new task itself before it sends anybody there.
const WELL_SECONDS_MAX: u64 = 45;
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// Without these nothing is there to be seen from outside.
const STACKS_NEEDED: [&str; 4] = ["edge_traefik", "bus_resgate", "app_site", "app_tickets"];

/// Where the sale is.
#[derive(Debug, Clone)]
pub struct Smoke {
    /// Its name, as in the certificate.
    pub domain: String,
    /// Where it is reached, when its name does not say so yet.
    pub address: Option<SocketAddr>,
    /// Whether a certificate that no browser trusts will do.
    pub any_certificate: bool,
}

/// One thing that was tried.
#[derive(Debug, Clone, Serialize)]
pub struct Probed {
    /// What.
    pub what: &'static str,
    /// Whether it was as it should be.
    pub passed: bool,
    /// What was seen.
    pub said: String,
}

impl Smoke {
    /// Tries everything, each thing until it is well or its time is over. Nothing when the sale is not there as a whole.
    ///
    /// # Errors
    /// When the engine does not answer or no TLS client can be made.
    pub async fn run(&self, engine: &Engine, progress: &mut dyn Progress) -> anyhow::Result<Vec<Probed>> {
        let there: BTreeSet<String> =
            engine.listed(None).await?.into_iter().map(|service| service.name).collect();
        let absent: Vec<&str> = STACKS_NEEDED.into_iter().filter(|name| !there.contains(*name)).collect();
        if !absent.is_empty() {
            progress.waits(&format!("not tried: there is no {}", absent.join(", ")));
            return Ok(Vec::new());
        }
        self.probe(progress).await
    }

    /// The same without asking what is there.
    ///
    /// # Errors
    /// When no TLS client can be made.
    pub async fn probe(&self, progress: &mut dyn Progress) -> anyhow::Result<Vec<Probed>> {
        let client = self.client()?;
        let mut probed = Vec::new();
        for what in [PAGE, API, LIVE] {
            let started = Instant::now();
            loop {
                let seen = self.once(&client, what).await;
                let over = started.elapsed().as_secs() > WELL_SECONDS_MAX;
                match seen {
                    Ok(said) => probed.push(Probed { what, passed: true, said }),
                    Err(said) if over => probed.push(Probed { what, passed: false, said }),
                    Err(said) => {
                        progress.waits(&format!("{what}: {said}"));
                        sleep(TRY_AGAIN).await;
                        continue;
                    }
                }
                break;
            }
        }
        Ok(probed)
    }

    fn client(&self) -> anyhow::Result<Client> {
        // Another part of the program may have chosen one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .timeout(Duration::from_secs(ANSWER_SECONDS_MAX))
            .redirect(Policy::none())
            .http1_only()
            .pool_max_idle_per_host(0)
            .tls_danger_accept_invalid_certs(self.any_certificate);
        if let Some(address) = self.address {
            builder = builder.resolve(&self.domain, address);
        }
        builder.build().context("cannot make a TLS client")
    }

    async fn once(&self, client: &Client, what: &'static str) -> Result<String, String> {
        let port = self.address.map_or(443, |address| address.port());
        let url = |path: &str| format!("https://{}:{port}{path}", self.domain);
        match what {
            PAGE => page(client.get(url("/")).send().await.map_err(causes)?).await,
            API => {
                api(client.get(url("/api/tickets/nothing/of/this/name")).send().await.map_err(causes)?).await
            }
            _ => {
                let request = client
                    .get(url("/live"))
                    .version(Version::HTTP_11)
                    .header(header::ORIGIN, format!("https://{}", self.domain))
                    .header(header::CONNECTION, "Upgrade")
                    .header(header::UPGRADE, "websocket")
                    .header(header::SEC_WEBSOCKET_VERSION, "13")
                    .header(header::SEC_WEBSOCKET_KEY, "bGl2ZWhvdXNlLXNtb2tlIQ==");
                live(&request.send().await.map_err(causes)?)
            }
        }
    }
}

const PAGE: &str = "the site answers over TLS";
const API: &str = "errors of the API come through as they are";
const LIVE: &str = "a WebSocket opens";

async fn page(answer: Response) -> Result<String, String> {
    let status = answer.status();
    let text = answer.text().await.map_err(causes)?;
    if status.is_success() && text.to_lowercase().contains("<html") {
        return Ok(format!("{status}, {} bytes", text.len()));
    }
    Err(format!("/ answers {status}, {} bytes", text.len()))
}

async fn api(answer: Response) -> Result<String, String> {
    let status = answer.status();
    let text = answer.text().await.map_err(causes)?;
    let code = serde_json::from_str::<serde_json::Value>(&text)
        .ok()
        .and_then(|value| Some(value.get("code")?.as_str()?.to_string()));
    match code {
        Some(code) if status.is_client_error() && code.starts_with("system.") => {
            Ok(format!("{status}, {code}"))
        }
        Some(code) => Err(format!("an unknown resource is answered with {status}, {code}")),
        None => Err(format!("an unknown resource is answered with {status} and no JSON error")),
    }
}

fn live(answer: &Response) -> Result<String, String> {
    let status = answer.status();
    if status.as_u16() == 101 { Ok(status.to_string()) } else { Err(format!("/live answers {status}")) }
}

/// An error with its causes: the first line alone says only that it failed.
fn causes(error: reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    text
}
