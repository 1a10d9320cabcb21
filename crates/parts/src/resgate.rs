//! A private Resgate.

use std::path::PathBuf;

use serde_json::json;

use crate::{
    Error, Part, ProcessSpec,
    server::{Kind, Server, ask, write_private},
};

/// A private Resgate.
pub type Resgate = Server<ResgateGateway>;

/// What a caller may choose about a Resgate. The default is that of a running sale.
#[derive(Clone, Debug)]
pub struct ResgateOptions {
    /// Its port; none: a free one.
    pub port: Option<u16>,
    /// Web origins that may connect, separated by `;`. Requests without an origin (tests, tools) always may.
    pub allow_origin: String,
    /// The service method asked who a WebSocket is, before it opens: `service.resource.method`.
    pub ws_header_auth: Option<String>,
    /// The service method asked who an HTTP request is.
    pub header_auth: Option<String>,
    /// How long a service has to answer, in milliseconds.
    pub request_timeout_ms: u32,
    /// Resources fetched at once after a reset.
    pub reset_throttle: u32,
    /// References followed at once for one subscription.
    pub reference_throttle: u32,
    /// Messages from NATS it may fall behind before it gives up.
    pub buffer_size: u32,
    /// A second port with OpenMetrics at `/metrics`; none: no metrics.
    pub metrics_port: Option<u16>,
}

impl Default for ResgateOptions {
    fn default() -> ResgateOptions {
        let authenticate = || Some("identity.session.authenticate".to_string());
        ResgateOptions {
            port: None,
            allow_origin: "*".into(),
            ws_header_auth: authenticate(),
            header_auth: authenticate(),
            request_timeout_ms: 3000,
            reset_throttle: 64,
            reference_throttle: 32,
            buffer_size: 131_072,
            metrics_port: None,
        }
    }
}

impl ResgateOptions {
    /// No service is asked who a connection is: for tests without an identity service.
    #[must_use]
    pub fn without_authentication(mut self) -> ResgateOptions {
        self.ws_header_auth = None;
        self.header_auth = None;
        self
    }

    /// Services may take four times as long to answer: for tests that are about what they answer, on a machine that is
    /// busy with something else.
    #[must_use]
    pub fn patient(mut self) -> ResgateOptions {
        self.request_timeout_ms *= 4;
        self
    }

    /// Only pages from this port of this machine may connect.
    #[must_use]
    pub fn for_site_on(mut self, port: u16) -> ResgateOptions {
        self.allow_origin = format!("http://127.0.0.1:{port};http://localhost:{port}");
        self
    }
}

/// What is particular to Resgate.
#[derive(Debug)]
pub struct ResgateGateway {
    port: u16,
}

impl Kind for ResgateGateway {
    async fn ready(&self) -> Result<(), String> {
        // It listens only after NATS has answered. A preflight request involves no service.
        let question = b"OPTIONS /api/ready HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
        let answer = ask(self.port, question).await?;
        if answer.starts_with("HTTP/1.1 ") { Ok(()) } else { Err(answer) }
    }
}

impl Server<ResgateGateway> {
    /// Starts Resgate between NATS at `nats_url` and the web. It ends by design when it loses NATS: whoever wants it
    /// back restarts it.
    pub async fn start(
        folder: impl Into<PathBuf>,
        nats_url: &str,
        options: ResgateOptions,
    ) -> Result<Resgate, Error> {
        let program = Part::Resgate.ensure_in_background().await?.path;
        let folder = folder.into();
        let at = folder.clone();
        let nats_url = nats_url.to_string();
        Server::launch(folder, "resgate", options.port, move |port| {
            let config = json!({
                "natsUrl": nats_url,
                "addr": "127.0.0.1",
                "port": port,
                "wsPath": "/",
                "apiPath": "/api",
                "apiEncoding": "json",
                "requestTimeout": options.request_timeout_ms,
                "bufferSize": options.buffer_size,
                "headerAuth": options.header_auth,
                "wsHeaderAuth": options.ws_header_auth,
                "allowOrigin": options.allow_origin,
                "resetThrottle": options.reset_throttle,
                "referenceThrottle": options.reference_throttle,
                "metricsPort": options.metrics_port.unwrap_or_default(),
            });
            let file = at.join("resgate.json");
            write_private(&file, &format!("{config:#}\n"))?;
            let spec = ProcessSpec::new("resgate", &program, at.join("resgate.log"))
                // All logs in one time zone.
                .environment("TZ", "UTC")
                .arguments(["--config".into(), file.into_os_string()]);
            Ok((spec, ResgateGateway { port }))
        })
        .await
    }

    /// `http://127.0.0.1:PORT`: resources are below `/api/`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// `ws://127.0.0.1:PORT/`.
    pub fn live_url(&self) -> String {
        format!("ws://{}/", self.address())
    }
}
