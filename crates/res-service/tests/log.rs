//! What is in the log of a service. Alone in its program: whether a line is wanted at all is decided once for the whole
//! process.
#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use res_service::test_kit::NatsServer;
use res_service::{Access, Auth, Builder, Call, Error, Get, Grant, Model, Reply, Resource, Service};
use serde::Deserialize;
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

/// How long a test waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(15);

#[derive(Deserialize)]
struct Params {
    #[allow(dead_code)]
    amount: u32,
}

async fn start(client: async_nats::Client) -> Service {
    let resource = Resource::model("thing.$id", |get: Get| async move {
        if get.parameter::<String>("id")? == "broken" {
            return Err(Error::internal("the database is down"));
        }
        Model::from_serialize(&json!({"a": 1}))
    })
    .access(|access: Access| async move { access.token::<u32>().map(|_| Grant::all()) })
    .call("set", |call: Call| async move { call.params::<Params>().map(|_| Reply::null()) })
    .call("panic", |_: Call| async { panic!("on purpose") })
    .call("hang", |_: Call| std::future::pending())
    .auth("enter", |auth: Auth| async move { auth.params::<Params>().map(|_| Reply::null()) });
    let builder = Builder::new("test").handler_time_max(Duration::from_millis(200)).resource(resource);
    builder.start(client).await.unwrap()
}

/// Everything that is logged.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Written {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[test]
fn a_log_of_everything_names_resource_method_and_connection_and_never_a_token_or_a_parameter() {
    let written = Written::default();
    let log = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
        .with_ansi(false)
        .with_writer(written.clone())
        .finish();
    // One thread, so that all of the service's work is in the one log.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let guard = tracing::subscriber::set_default(log);
    let requests = async {
        let server = NatsServer::start().await.unwrap();
        let client = server.connect().await.unwrap();
        let ask = async |subject: &str, payload: String| {
            let answer = client.request(subject.to_owned(), payload.into());
            tokio::time::timeout(PATIENCE, answer).await.expect("an answer").unwrap();
        };
        let service = start(server.connect().await.unwrap()).await;
        let secrets =
            r#""cid":"connection1","token":{"key":"token-secret"},"header":{"Cookie":["cookie-secret"]}"#;
        for (subject, params) in [
            ("access.test.thing.1", "null"),
            ("call.test.thing.1.set", r#"{"amount":1,"other":"parameter-secret"}"#),
            ("call.test.thing.1.panic", r#""parameter-secret""#),
            ("call.test.thing.1.hang", r#""parameter-secret""#),
            ("call.test.thing.1.none", r#""parameter-secret""#),
            ("auth.test.thing.1.enter", r#"{"parameter-secret":1}"#),
            ("auth.test.thing.1.none", r#"{"parameter-secret":1}"#),
            ("get.test.thing.broken", "null"),
        ] {
            ask(subject, format!("{{{secrets},\"params\":{params}}}")).await;
        }
        ask("call.test.thing.1.set", format!("{{{secrets},\"params\":parameter-secret}}")).await;
        service.set_token("connection1", &json!("token-secret"), Some("id-1")).await.unwrap();
        service.stop(PATIENCE).await.unwrap();
        // One whose connection somebody closes: it takes no requests, and nobody else would say why.
        let cut_off = start(server.connect().await.unwrap()).await;
        cut_off.client().drain().await.unwrap();
        let told = async {
            while !written.text().contains("the connection to NATS is closed") {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, told).await.expect("a line about the closed connection");
    };
    runtime.block_on(requests);
    drop(guard);
    let text = written.text();
    for named in [
        r#"res.kind="call" res.resource="test.thing.1" res.method="set" res.cid="connection1""#,
        r#"res.kind="access" res.resource="test.thing.1" res.cid="connection1""#,
        "test.thing.broken",
        "the database is down",
    ] {
        assert!(text.contains(named), "{named:?} is not in the log:\n{text}");
    }
    let own: Vec<&str> = text.lines().filter(|line| line.contains("res_service")).collect();
    assert!(own.len() > 20, "{text}");
    for secret in ["token-secret", "parameter-secret", "cookie-secret"] {
        let told: Vec<&&str> = own.iter().filter(|line| line.contains(secret)).collect();
        assert!(told.is_empty(), "{secret:?} is in the log: {told:#?}");
    }
}
