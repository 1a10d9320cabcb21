//! What clients see of the library: a real nats-server, real Resgates, the real client library in Node. The tests
//! themselves are in `conformance/*.test.mjs`; this starts what they need and runs them.
#![allow(clippy::unwrap_used)]

#[path = "shared/example.rs"]
mod example;
#[path = "shared/gateway.rs"]
mod gateway;
#[path = "shared/nats.rs"]
mod nats;
#[path = "shared/programs.rs"]
mod programs;

#[path = "conformance/access.rs"]
mod access;
#[path = "conformance/answers.rs"]
mod answers;
#[path = "conformance/control.rs"]
mod control;
#[path = "conformance/node.rs"]
mod node;
#[path = "conformance/queries.rs"]
mod queries;
#[path = "conformance/sessions.rs"]
mod sessions;
#[path = "conformance/stored.rs"]
mod stored;
#[path = "conformance/truth.rs"]
mod truth;

use std::sync::Arc;
use std::time::Duration;

use res_service::test_kit::NatsServer;
use res_service::{Builder, Service};
use tokio::sync::Mutex;

use gateway::Gateway;
use nats::{PATIENCE, server_with};
use truth::Truth;

/// A service with resources for every behaviour that the tests ask about.
async fn start_service(nats: &NatsServer, truth: &Truth, fragile: &Arc<Mutex<Gateway>>) -> Service {
    // The later resets of the start, which heal everything, are not to come while the tests run.
    let builder = Builder::new("test").changes_per_second_max(0).request_timeout(Duration::from_secs(600));
    let resources = stored::resources(truth)
        .into_iter()
        .chain(queries::resources(truth))
        .chain(access::resources(truth))
        .chain(sessions::resources())
        .chain(answers::resources())
        .chain(control::resources(nats.url(), truth, fragile));
    resources
        .fold(builder, |builder, resource| builder.resource(resource))
        .start(nats.connect().await.unwrap())
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_a_real_resgate_see_what_the_protocol_promises() {
    node::install().await;
    let nats = server_with("").await;
    let methods = ["--putmethod", "put", "--deletemethod", "remove", "--patchmethod", "patch"];
    let main = Gateway::start(nats.url(), &methods).await;
    let authentication = ["--headauth", "test.session.byHeader", "--wsheadauth", "test.session.byHeader"];
    let asking =
        Gateway::start(nats.url(), &[&authentication[..], &["--apiencoding", "jsonflat"]].concat()).await;
    let impatient = Gateway::start(nats.url(), &["--reqtimeout", "500"]).await;
    let origins = "http://tickets.example;http://box-office.example";
    let choosy = Gateway::start(nats.url(), &["--wscompression", "--alloworigin", origins]).await;
    let fragile = Gateway::start(nats.url(), &[]).await;
    let addresses = [
        ("GATEWAY", main.address().to_owned()),
        ("ASKING_GATEWAY", asking.address().to_owned()),
        ("IMPATIENT_GATEWAY", impatient.address().to_owned()),
        ("FRAGILE_GATEWAY", fragile.address().to_owned()),
        ("CHOOSY_GATEWAY", choosy.address().to_owned()),
    ];
    let truth = Truth::default();
    let fragile = Arc::new(Mutex::new(fragile));
    let service = start_service(&nats, &truth, &fragile).await;
    let other = access::answer_for_another_service(nats.connect().await.unwrap()).await;
    let example = example::Example::start(&nats, "counter", "example.counter").await;

    node::run(&addresses).await;

    example.stop().await;

    service.stop(PATIENCE).await.unwrap();
    other.abort();
}
