//! A private KeyDB, Valkey or Redis, whichever this machine has.

use std::{fs, path::PathBuf};

use crate::{
    Error, Part, ProcessSpec,
    server::{Kind, Server, ask, write_private},
};

/// A private KeyDB, Valkey or Redis.
pub type KeyValueServer = Server<KeyValue>;

/// What a caller may choose about a key-value server.
#[derive(Clone, Debug, Default)]
pub struct KeyValueOptions {
    /// Its port; none: a free one.
    pub port: Option<u16>,
}

/// What is particular to KeyDB and its kin.
#[derive(Debug)]
pub struct KeyValue {
    port: u16,
}

impl Kind for KeyValue {
    async fn ready(&self) -> Result<(), String> {
        let answer = ask(self.port, b"PING\r\n").await?;
        if answer.starts_with("+PONG") { Ok(()) } else { Err(answer.trim().to_string()) }
    }
}

impl Server<KeyValue> {
    /// Starts it with an append-only file in `folder`, for connections of this machine only.
    pub async fn start(
        folder: impl Into<PathBuf>,
        options: KeyValueOptions,
    ) -> Result<KeyValueServer, Error> {
        let program = Part::KeyValueServer.ensure_in_background().await?.path;
        let folder = folder.into();
        let at = folder.clone();
        Server::launch(folder, "keydb", options.port, move |port| {
            let data = at.join("data");
            fs::create_dir_all(&data)
                .map_err(Error::system(format!("make the folder {}", data.display())))?;
            let config = format!(
                "bind 127.0.0.1\nport {port}\nprotected-mode yes\ndir \"{}\"\nappendonly yes\nappendfsync everysec\n\
                 save \"\"\ndaemonize no\n",
                data.display()
            );
            let file = at.join("keydb.conf");
            write_private(&file, &config)?;
            let spec = ProcessSpec::new("keydb", &program, at.join("keydb.log"))
                // All logs in one time zone.
                .environment("TZ", "UTC")
                .arguments([file.into_os_string()]);
            Ok((spec, KeyValue { port }))
        })
        .await
    }

    /// `redis://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address())
    }
}
