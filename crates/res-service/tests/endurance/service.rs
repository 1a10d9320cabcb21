//! The service under test, which runs in a process of its own: this test binary, started once more.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use res_service::{
    Access, BoxError, Builder, Call, Collection, Error, Get, Grant, KvLease, Model, Reply, Resource, Service,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use crate::truth::{Connection, Connections, Question};

/// What such a process is told in its environment.
pub(crate) const VARIABLE: &str = "RES_SERVICE_ENDURANCE";
/// How each line begins that the process has for whoever started it; others are of the test harness.
pub(crate) const LINE_START: &str = "endurance: ";
/// How long `item.$id.work` takes.
pub(crate) const WORK_TIME: Duration = Duration::from_millis(50);

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Configuration {
    pub(crate) nats: String,
    pub(crate) truth: Option<SocketAddr>,
    pub(crate) lists: u64,
    /// Of the lease; without it there is no other replica.
    pub(crate) time_to_live: Option<Duration>,
    pub(crate) queue_capacity: usize,
    pub(crate) remembered_max: usize,
    pub(crate) handler_time_max: Duration,
    /// What the service takes for the time that gateways wait; the resets that heal come after it.
    pub(crate) request_timeout: Duration,
}

impl Configuration {
    pub(crate) fn new(nats: String) -> Self {
        Self {
            nats,
            truth: None,
            lists: 0,
            time_to_live: None,
            queue_capacity: 4096,
            remembered_max: 1_000_000,
            handler_time_max: Duration::from_secs(30),
            request_timeout: Duration::from_secs(3),
        }
    }
}

/// Ends when its standard input does, so that it outlives nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "this is what the other tests start as a process of its own"]
async fn it_serves_until_its_input_ends() {
    let Ok(configuration) = std::env::var(VARIABLE) else { return };
    let service = start(serde_json::from_str(&configuration).unwrap()).await.unwrap();
    say("ready").await;
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(_)) = lines.next_line().await {
        let statistics: HashMap<&str, u64> = service.statistics().snapshot().into_iter().collect();
        say(&json!(statistics).to_string()).await;
    }
    std::process::exit(0);
}

async fn say(text: &str) {
    let mut out = tokio::io::stdout();
    out.write_all(format!("\n{LINE_START}{text}\n").as_bytes()).await.unwrap();
    out.flush().await.unwrap();
}

async fn start(configuration: Configuration) -> Result<Service, BoxError> {
    let client = async_nats::connect(&configuration.nats).await?;
    let mut builder = Builder::new("endurance")
        .queue_capacity(configuration.queue_capacity)
        .remembered_max(configuration.remembered_max)
        .handler_time_max(configuration.handler_time_max)
        .request_timeout(configuration.request_timeout)
        .access(|_: Access| async { Ok(Grant::all()) })
        .resource(item())
        .resource(slow());
    if let Some(time_to_live) = configuration.time_to_live {
        let jetstream = async_nats::jetstream::new(client.clone());
        builder = builder.lease(KvLease::new(&jetstream, "endurance_owners", time_to_live).await?);
    }
    if let Some(address) = configuration.truth {
        let truth = Arc::new(Connections::open(address).await?);
        builder = builder.resource(counter(&truth)).resource(list(&truth));
    }
    let notices = match configuration.truth {
        Some(address) => Some(Connection::open(address).await?),
        None => None,
    };
    if let Some(notices) = &notices {
        // Before the first get, so that no change is missed.
        notices.ask(&Question::Notices).await?;
    }
    let service = builder.start(client).await?;
    service.own_keys((0..configuration.lists).map(|number| format!("list.{number}")))?;
    if let Some(notices) = notices {
        tokio::spawn(follow(service.clone(), notices));
    }
    Ok(service)
}

/// Every replica hears of every change; the owner of the resource publishes it.
async fn follow(service: Service, notices: Connection) {
    while let Some(name) = notices.notice().await {
        service.try_refresh(&name).unwrap();
    }
    std::process::exit(1);
}

async fn read<T>(
    truth: &Connections,
    get: &Get,
    state: impl Fn(&serde_json::Value) -> Result<T, Error>,
) -> Result<T, Error> {
    match truth.ask(&Question::Read(get.name().to_owned())).await.map_err(Error::internal)? {
        serde_json::Value::Null => Err(Error::NOT_FOUND),
        value => state(&value),
    }
}

fn counter(truth: &Arc<Connections>) -> Resource {
    #[derive(Deserialize)]
    struct Add {
        call: String,
        by: u64,
    }
    let (reading, adding) = (Arc::clone(truth), Arc::clone(truth));
    Resource::model("counter.$number", move |get: Get| {
        let truth = Arc::clone(&reading);
        async move { read(&truth, &get, Model::from_serialize).await }
    })
    .owned_by_name(8)
    .call("add", move |call: Call| {
        let truth = Arc::clone(&adding);
        async move {
            let Add { call: id, by } = call.params()?;
            let question = Question::Add { counter: call.name().to_owned(), call: id, by };
            let now = truth.ask(&question).await.map_err(Error::internal)?;
            call.service().refresh(call.name()).await?;
            Reply::result(&now)
        }
    })
}

fn list(truth: &Arc<Connections>) -> Resource {
    let truth = Arc::clone(truth);
    Resource::collection("list.$number", move |get: Get| {
        let truth = Arc::clone(&truth);
        async move { read(&truth, &get, Collection::from_serialize).await }
    })
    .owned_by("list.$number")
}

/// As many as anybody asks for. Without a lease their values can be set.
fn item() -> Resource {
    #[derive(Deserialize)]
    struct Set {
        value: u64,
    }
    let values: Arc<Mutex<HashMap<u64, u64>>> = Arc::default();
    let setting = Arc::clone(&values);
    Resource::model("item.$number", move |get: Get| {
        let number = get.parameter("number");
        let state = number.and_then(|number| {
            let value = values.lock().unwrap().get(&number).copied().unwrap_or_default();
            let text = format!("This is the item with the number {number}, one of many");
            Model::from_serialize(&json!({"number": number, "value": value, "text": text}))
        });
        async move { state }
    })
    .owned_by_name(8)
    .call("set", move |call: Call| {
        let values = Arc::clone(&setting);
        async move {
            let Set { value } = call.params()?;
            values.lock().unwrap().insert(call.parameter("number")?, value);
            call.service().refresh(call.name()).await?;
            Reply::result(&value)
        }
    })
    .call("work", |call: Call| async move {
        tokio::time::sleep(WORK_TIME).await;
        Reply::result(&call.parameter::<u64>("number")?)
    })
}

/// Takes as many milliseconds as its name says.
fn slow() -> Resource {
    Resource::model("slow.$milliseconds", |get: Get| async move {
        let milliseconds: u64 = get.parameter("milliseconds")?;
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        Model::from_serialize(&json!({"took": milliseconds}))
    })
    .owned_by_name(8)
    .call("wait", |call: Call| async move {
        let milliseconds: u64 = call.parameter("milliseconds")?;
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        Reply::result(&milliseconds)
    })
}
