//! What tests ask of the world around the resources: resets, what was asked of the service, and gateways and services
//! that die.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use res_service::{Builder, Call, Error, Get, Grant, Model, Reply, Resource, Service};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::gateway::Gateway;
use crate::truth::Truth;

#[derive(Deserialize)]
struct Reset {
    #[serde(default)]
    resources: Vec<String>,
    #[serde(default)]
    access: Vec<String>,
}

#[derive(Deserialize)]
struct Burst {
    names: Vec<String>,
    times: u32,
}

/// Calls of `test.control`.
pub(crate) fn resources(nats_url: &str, truth: &Truth, fragile: &Arc<Mutex<Gateway>>) -> Vec<Resource> {
    let (noted, written, burst_of, of_phoenix) = (truth.clone(), truth.clone(), truth.clone(), truth.clone());
    let fragile = Arc::clone(fragile);
    let phoenix: Arc<Mutex<Option<Service>>> = Arc::default();
    let nats_url = nats_url.to_owned();
    let control = Resource::new("control")
        .access(|_| async { Ok(Grant::all()) })
        .call("noted", move |call: Call| {
            let truth = noted.clone();
            async move { Reply::result(&truth.noted(&call.params::<String>()?)) }
        })
        .call("reset", |call: Call| async move {
            let Reset { resources, access } = call.params()?;
            let (resources, access): (Vec<&str>, Vec<&str>) =
                (resources.iter().map(String::as_str).collect(), access.iter().map(String::as_str).collect());
            call.service().reset(&resources, &access).await?;
            Ok(Reply::null())
        })
        .call("burst", move |call: Call| {
            let truth = burst_of.clone();
            async move { burst(&call, &truth).await }
        })
        // The gateway dies, the world goes on, and the gateway comes back.
        .call("restartGateway", move |call: Call| {
            let (fragile, truth) = (Arc::clone(&fragile), written.clone());
            async move {
                let states: HashMap<String, Value> = call.params()?;
                let mut gateway = fragile.lock().await;
                gateway.kill().await;
                for (name, state) in states {
                    truth.write(&name, state);
                    call.service().refresh_now(&name).await?;
                }
                gateway.start_again().await.map_err(Error::internal)?;
                Ok(Reply::null())
            }
        })
        // The service `phoenix` dies in the middle of everything, if it lives, and another process takes its place.
        .call("crash", move |call: Call| {
            let (phoenix, truth, url) = (Arc::clone(&phoenix), of_phoenix.clone(), nats_url.clone());
            async move {
                let mut alive = phoenix.lock().await;
                if let Some(service) = alive.take() {
                    // What was not done by now is dropped: the error says so.
                    let _ = service.stop(Duration::ZERO).await;
                }
                truth.write("phoenix.model", call.params()?);
                *alive = Some(rise(&url, &truth).await.map_err(Error::internal)?);
                Ok(Reply::null())
            }
        });
    vec![control]
}

async fn rise(nats_url: &str, truth: &Truth) -> Result<Service, String> {
    let truth = truth.clone();
    let model = Resource::model("model", move |get: Get| {
        let truth = truth.clone();
        async move { Model::from_serialize(&truth.read(get.name(), json!({}))?) }
    });
    let model = model.access(|_| async { Ok(Grant::get()) });
    let client = async_nats::connect(nats_url).await.map_err(|error| error.to_string())?;
    Builder::new("phoenix").resource(model).start(client).await.map_err(|error| error.to_string())
}

/// Counts all of these models up together, many times.
async fn burst(call: &Call, truth: &Truth) -> Result<Reply, Error> {
    let Burst { names, times } = call.params()?;
    for count in 1..=times {
        for name in &names {
            truth.write(name, json!({"count": count, "before": count - 1}));
            call.service().refresh_now(name).await?;
        }
    }
    Ok(Reply::null())
}
