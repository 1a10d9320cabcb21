//! A WebSocket client of Resgate that does as little as it can: the clients share the machine with what is measured.

use anyhow::Context;
use futures::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// One connection.
pub(crate) struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    requests: u64,
}

impl Socket {
    /// Connects, with a cookie if there is one, and agrees on the protocol's version.
    pub(crate) async fn connect(url: &str, cookie: Option<&str>) -> anyhow::Result<Self> {
        let mut request = url.into_client_request()?;
        if let Some(cookie) = cookie {
            request.headers_mut().insert("Cookie", cookie.parse()?);
        }
        let (stream, _) =
            tokio_tungstenite::connect_async(request).await.context("the gateway refused a connection")?;
        let mut socket = Self { stream, requests: 0 };
        socket.request("version", Some(&serde_json::json!({"protocol": "1.2.3"}))).await?;
        Ok(socket)
    }

    /// Sends a request and answers its response as text; what else arrives meanwhile is passed over.
    pub(crate) async fn request(&mut self, method: &str, params: Option<&Value>) -> anyhow::Result<String> {
        self.requests += 1;
        let id = self.requests;
        let request = match params {
            Some(params) => format!(r#"{{"id":{id},"method":"{method}","params":{params}}}"#),
            None => format!(r#"{{"id":{id},"method":"{method}"}}"#),
        };
        self.stream.send(Message::text(request)).await?;
        loop {
            let text = self.next().await?;
            // Only responses carry an id, and requests go out one at a time.
            if text.contains("\"id\":") {
                anyhow::ensure!(!text.contains("\"error\":{"), "the gateway refused {method}: {text}");
                return Ok(text);
            }
        }
    }

    /// The next text that arrives.
    pub(crate) async fn next(&mut self) -> anyhow::Result<String> {
        loop {
            match self.stream.next().await.context("the gateway closed a connection")?? {
                Message::Text(text) => return Ok(text.as_str().to_owned()),
                Message::Close(_) => anyhow::bail!("the gateway closed a connection"),
                _ => {}
            }
        }
    }
}
