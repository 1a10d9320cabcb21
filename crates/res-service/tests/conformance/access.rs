//! Resources whose access is what a test says, and one whose access another service answers.

use async_nats::Client;
use bytes::Bytes;
use futures::StreamExt;
use res_service::{Access, Call, Error, Get, Grant, Model, Reply, Resource};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::answers::with_meta;
use crate::nats::round_trip;
use crate::stored::announcing;
use crate::truth::Truth;

/// The name under which the rule of a resource is kept.
fn rule_of(name: &str) -> String {
    format!("rule {name}")
}

/// Who may do what, by the rule: `{"get", "call": […], "status", "headers": {…}}`, `{"error": code}`, or
/// `{"user": name}` for one user alone.
fn decide(rule: &Value, access: &Access) -> Result<Grant, Error> {
    match rule["error"].as_str() {
        Some("notFound") => return Err(Error::NOT_FOUND),
        Some(code) => return Err(Error::custom(code.to_owned(), "Not now")),
        None => {}
    }
    if let Some(user) = rule["user"].as_str() {
        let token: Option<Value> = access.token()?;
        return Ok(if token.is_some_and(|token| token["user"] == user) {
            Grant::all()
        } else {
            Grant::none()
        });
    }
    let mut grant = if rule["get"] == true { Grant::get() } else { Grant::none() };
    if let Some(status) = rule["status"].as_u64().and_then(|status| u16::try_from(status).ok()) {
        grant = grant.status(status);
    }
    for (name, value) in rule["headers"].as_object().into_iter().flatten() {
        grant = grant.header(name, value.as_str().unwrap_or_default());
    }
    Ok(grant.call(rule["call"].as_array().into_iter().flatten().filter_map(Value::as_str)))
}

pub(crate) fn resources(truth: &Truth) -> Vec<Resource> {
    let (reading, deciding) = (truth.clone(), truth.clone());
    let guarded = Resource::model("guarded.$id", move |get: Get| {
        let truth = reading.clone();
        async move {
            truth.note(&format!("get {}", get.name()), json!(get.query()));
            Model::from_serialize(&truth.read(get.name(), json!({"name": get.name()}))?)
        }
    });
    let guarded =
        announcing(guarded, truth).call("foo", |call: Call| async move { Reply::result(call.method()) });
    let guarded = guarded.call("meta", |call: Call| async move { with_meta(call.params()?) });
    let guarded = guarded.call("bar", |call: Call| async move { Reply::result(call.method()) });
    let guarded = guarded.access(move |access: Access| {
        let truth = deciding.clone();
        async move {
            let token: Option<Value> = access.token()?;
            let noted = json!({"cid": access.cid(), "token": token, "isHttp": access.is_http(), "query": access.query()});
            truth.note(&format!("access {}", access.name()), noted);
            decide(&truth.read(&rule_of(access.name()), json!({"get": true}))?, &access)
        }
    });
    let shut = Resource::model("shut.$id", |_: Get| async { Model::from_serialize(&json!({"shut": true})) });
    let elsewhere =
        Resource::model("elsewhere.$id", |_: Get| async { Model::from_serialize(&json!({"here": true})) });
    vec![guarded, shut, elsewhere.access_elsewhere(), rules(truth)]
}

/// `test.rules.set`: gives a resource its rule.
fn rules(truth: &Truth) -> Resource {
    let truth = truth.clone();
    Resource::new("rules").access(|_| async { Ok(Grant::all()) }).call("set", move |call: Call| {
        let truth = truth.clone();
        async move {
            let (name, rule): (String, Value) = call.params()?;
            truth.write(&rule_of(&name), rule);
            Ok(Reply::null())
        }
    })
}

/// A service that is not made with this library and grants access to one of its resources.
pub(crate) async fn answer_for_another_service(client: Client) -> JoinHandle<()> {
    let mut requests = client.subscribe("access.test.elsewhere.granted").await.unwrap();
    round_trip(&client).await;
    tokio::spawn(async move {
        while let Some(request) = requests.next().await {
            let granted = Bytes::from_static(b"{\"result\":{\"get\":true}}");
            client.publish(request.reply.unwrap(), granted).await.unwrap();
        }
    })
}
