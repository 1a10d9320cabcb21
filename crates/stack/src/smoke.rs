//! What can be seen of a sale from outside, over TLS, as a browser sees it.

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use hyper::header;
use serde::Serialize;
use tokio::time::{Instant, sleep};

use self::https::{Answer, Client};
use crate::{deploy::Progress, engine::Engine};

mod https;

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
    /// How long each thing may take until it is well.
    pub seconds_max: u64,
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
    /// The sale at `domain`, where its name says it is, with a certificate that browsers trust.
    pub fn of(domain: impl Into<String>) -> Smoke {
        Smoke { domain: domain.into(), address: None, any_certificate: false, seconds_max: WELL_SECONDS_MAX }
    }

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
        let client = Client::of(&self.domain, self.address, self.any_certificate)?;
        let mut probed = Vec::new();
        for what in [PAGE, API, LIVE] {
            let started = Instant::now();
            loop {
                let seen = self.once(&client, what).await;
                let over = started.elapsed().as_secs() >= self.seconds_max;
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

    async fn once(&self, client: &Client, what: &'static str) -> Result<String, String> {
        let asked = match what {
            PAGE => client.get("/", &[]).await,
            API => client.get("/api/tickets/nothing/of/this/name", &[]).await,
            _ => {
                let origin = format!("https://{}", self.domain);
                let headers = [
                    (header::ORIGIN, origin.as_str()),
                    (header::CONNECTION, "Upgrade"),
                    (header::UPGRADE, "websocket"),
                    (header::SEC_WEBSOCKET_VERSION, "13"),
                    (header::SEC_WEBSOCKET_KEY, "bGl2ZWhvdXNlLXNtb2tlIQ=="),
                ];
                client.get("/live", &headers).await
            }
        };
        // With its causes: the first line alone says only that it failed.
        let answer = asked.map_err(|error| format!("{error:#}"))?;
        match what {
            PAGE => page(&answer),
            API => api(&answer),
            _ => live(&answer),
        }
    }
}

const PAGE: &str = "the site answers over TLS";
const API: &str = "errors of the API come through as they are";
const LIVE: &str = "a WebSocket opens";

fn page(answer: &Answer) -> Result<String, String> {
    let status = answer.status;
    let text = String::from_utf8_lossy(&answer.body);
    if status.is_success() && text.to_lowercase().contains("<html") {
        return Ok(format!("{status}, {} bytes", text.len()));
    }
    Err(format!("/ answers {status}, {} bytes", text.len()))
}

fn api(answer: &Answer) -> Result<String, String> {
    let status = answer.status;
    let code = serde_json::from_slice::<serde_json::Value>(&answer.body)
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

fn live(answer: &Answer) -> Result<String, String> {
    let status = answer.status;
    if status.as_u16() == 101 { Ok(status.to_string()) } else { Err(format!("/live answers {status}")) }
}
