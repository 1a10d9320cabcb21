//! Methods that answer in every way there is.

use std::time::Duration;

use res_service::{Call, Error, Get, Grant, Model, Reply, Resource};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::stored::parameters;

#[derive(Deserialize)]
struct Failure {
    code: String,
    message: String,
    data: Option<Value>,
}

#[derive(Deserialize)]
pub(crate) struct Meta {
    #[serde(default)]
    status: Option<u16>,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    resource: Option<String>,
    #[serde(default)]
    error: Option<String>,
}

#[derive(Deserialize)]
struct Seat {
    row: u32,
}

fn predefined(name: &str) -> Error {
    match name {
        "notFound" => Error::NOT_FOUND,
        "invalidParams" => Error::INVALID_PARAMS,
        "invalidQuery" => Error::INVALID_QUERY,
        "methodNotFound" => Error::METHOD_NOT_FOUND,
        "accessDenied" => Error::ACCESS_DENIED,
        "timeout" => Error::TIMEOUT,
        _ => Error::INTERNAL_ERROR,
    }
}

/// What the handler of a call sees of it.
fn seen(call: &Call) -> Result<Reply, Error> {
    Reply::result(&json!({
        "name": call.name(), "method": call.method(), "cid": call.cid(), "token": call.token::<Value>()?,
        "query": call.query(), "params": parameters(call), "isHttp": call.is_http(),
    }))
}

/// An answer with the status and the headers that the test asks for.
pub(crate) fn with_meta(meta: Meta) -> Result<Reply, Error> {
    let mut reply = match (meta.resource, meta.error) {
        (Some(resource_id), _) => Reply::resource(resource_id)?,
        (None, Some(name)) => Reply::error(predefined(&name)),
        (None, None) => Reply::result("body")?,
    };
    if let Some(status) = meta.status {
        reply = reply.status(status);
    }
    Ok(meta.headers.into_iter().fold(reply, |reply, (name, value)| reply.header(&name, value)))
}

pub(crate) fn resources() -> Vec<Resource> {
    let answers =
        Resource::model("answers", |_: Get| async { Model::from_serialize(&json!({"kind": "answers"})) })
            .access(|_| async { Ok(Grant::all()) })
            // Some are slow on purpose.
            .calls_side_by_side()
            .call("echo", |call: Call| async move { seen(&call) })
            .call("put", |call: Call| async move { seen(&call) })
            .call("patch", |call: Call| async move { seen(&call) })
            .call("remove", |call: Call| async move { seen(&call) })
            .call("result", |call: Call| async move { Reply::result(&parameters(&call)) })
            .call("nothing", |_: Call| async { Ok(Reply::null()) })
            .call("resource", |call: Call| async move { Reply::resource(call.params::<String>()?) })
            .call("new", |call: Call| async move { Reply::resource(call.params::<String>()?) })
            .call("typed", |call: Call| async move { Reply::result(&call.params::<Seat>()?.row) })
            .call("fail", |call: Call| async move {
                let Failure { code, message, data } = call.params()?;
                let error = Error::custom(code, message).caused_by("a cause that no client may see");
                Err(if let Some(data) = data { error.with_data(&data) } else { error })
            })
            .call("predefined", |call: Call| async move { Err(predefined(&call.params::<String>()?)) })
            .call("meta", |call: Call| async move { with_meta(call.params()?) })
            .call("panic", |call: Call| async move {
                assert!(call.raw_params().is_some(), "a panic that no client may see");
                Ok(Reply::null())
            })
            .call("large", |_: Call| async { Reply::result(&"x".repeat(2 << 20)) })
            .call("patient", |call: Call| async move {
                call.extend_timeout(Duration::from_secs(20));
                tokio::time::sleep(Duration::from_millis(call.params()?)).await;
                Reply::result("late")
            })
            .call("hasty", |call: Call| async move {
                call.extend_timeout(Duration::from_millis(50));
                tokio::time::sleep(Duration::from_millis(call.params()?)).await;
                Reply::result("late")
            })
            .call("slow", |call: Call| async move {
                tokio::time::sleep(Duration::from_millis(call.params()?)).await;
                Reply::result("late")
            });
    let wild = Resource::new("wild.>")
        .access(|_| async { Ok(Grant::all()) })
        .call("*", |call: Call| async move { seen(&call) });
    vec![answers, wild]
}
