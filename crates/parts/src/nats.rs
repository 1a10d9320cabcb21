//! A private nats-server with JetStream.

use std::path::PathBuf;

use serde_json::json;

use crate::{
    Error, Part, ProcessSpec,
    server::{Kind, Server, ask, write_private},
};

/// A private nats-server.
pub type NatsServer = Server<Nats>;

/// What a caller may choose about a nats-server.
#[derive(Clone, Debug, Default)]
pub struct NatsOptions {
    /// Its port; none: a free one.
    pub port: Option<u16>,
    /// A second port on which it tells about itself over HTTP (`/varz`, `/jsz`); none: it does not.
    pub monitor_port: Option<u16>,
}

/// What is particular to nats-server.
#[derive(Debug)]
pub struct Nats {
    port: u16,
    name: String,
}

impl Kind for Nats {
    async fn ready(&self) -> Result<(), String> {
        let hello = ask(self.port, b"").await?;
        // The name in its greeting tells it from another server on the same port.
        if hello.contains(&self.name) { Ok(()) } else { Err(format!("port {}: {hello}", self.port)) }
    }
}

impl Server<Nats> {
    /// Starts nats-server with JetStream in `folder` (file store) and messages of up to 1 MiB.
    pub async fn start(folder: impl Into<PathBuf>, options: NatsOptions) -> Result<NatsServer, Error> {
        let program = Part::NatsServer.ensure_in_background().await?.path;
        let folder = folder.into();
        let at = folder.clone();
        Server::launch(folder, "nats", options.port, move |port| {
            let name = format!("livehouse-{}-{port}", std::process::id());
            let config = json!({
                "server_name": name,
                "listen": format!("127.0.0.1:{port}"),
                "http": options.monitor_port.map(|port| format!("127.0.0.1:{port}")),
                "max_payload": 1024 * 1024,
                "jetstream": { "store_dir": at.join("jetstream") },
            });
            let mut config = config;
            if let Some(members) = config.as_object_mut() {
                members.retain(|_, value| !value.is_null());
            }
            let file = at.join("nats.conf");
            write_private(&file, &format!("{config:#}\n"))?;
            let spec = ProcessSpec::new("nats", &program, at.join("nats.log"))
                // All logs in one time zone.
                .environment("TZ", "UTC")
                .arguments(["--config".into(), file.into_os_string()]);
            Ok((spec, Nats { port, name }))
        })
        .await
    }

    /// `nats://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("nats://{}", self.address())
    }
}
