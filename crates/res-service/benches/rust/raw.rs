//! The responder on bare async-nats: what a careful person writes who needs no library, for these three requests alone.
//! Gets and changes have one order, and what is wrong is refused. Of a request it reads what it needs and no more: the
//! parameters of `sum`, and never the token, the client or a query, of which both libraries take note.

use std::sync::atomic::Ordering;

use async_nats::{Client, Message, Subject, Subscriber};
use futures::StreamExt;
use futures::stream::{Select, select};
use serde::{Deserialize, Serialize};

use crate::Failure;
use crate::items::{self, Item, Price, SumParams, SumResult};

#[derive(Serialize)]
struct Reference {
    rid: String,
}

#[derive(Serialize)]
struct Data {
    data: Vec<Price>,
}

type Items = Vec<Item<Reference, Data>>;

#[derive(Serialize)]
struct Outcome<T> {
    result: T,
}

#[derive(Serialize)]
struct State<'a> {
    model: &'a Item<Reference, Data>,
}

#[derive(Serialize)]
struct Change {
    values: Values,
}

#[derive(Serialize)]
struct Values {
    count: u64,
}

#[derive(Deserialize)]
struct Request<T> {
    params: T,
}

#[derive(Serialize)]
struct Refusal {
    error: Code,
}

#[derive(Serialize)]
struct Code {
    code: &'static str,
    message: &'static str,
}

const NOT_FOUND: Refusal = Refusal { error: Code { code: "system.notFound", message: "Not found" } };
const METHOD_NOT_FOUND: Refusal =
    Refusal { error: Code { code: "system.methodNotFound", message: "Method not found" } };
const INVALID_PARAMS: Refusal =
    Refusal { error: Code { code: "system.invalidParams", message: "Invalid parameters" } };

/// Serves until the connection is closed.
pub(crate) async fn serve(client: Client, name: &str) -> Result<(), Failure> {
    let items = items::all(|rid| Reference { rid }, |data| Data { data });
    let gets = client.queue_subscribe(format!("get.{name}.item.*"), name.to_owned()).await?;
    let calls = client.queue_subscribe(format!("call.{name}.item.*.*"), name.to_owned()).await?;
    // One after the other: a state that was read before a change and answered after it would stay with the gateways.
    // In a task, as the thread of `main` is not one of the runtime's own and would have to be woken for every message.
    tokio::spawn(answer(client, select(gets, calls), items)).await?
}

async fn answer(
    client: Client,
    mut requests: Select<Subscriber, Subscriber>,
    items: Items,
) -> Result<(), Failure> {
    while let Some(message) = requests.next().await {
        let Some(reply) = message.reply.clone() else { continue };
        let subject = message.subject.as_str();
        let Some(item) = find(&items, subject) else {
            send(&client, reply, &NOT_FOUND).await?;
            continue;
        };
        match subject.strip_prefix("call.").and_then(|name| name.rsplit_once('.')) {
            None => send(&client, reply, &Outcome { result: State { model: item } }).await?,
            Some((_, "sum")) => sum(&client, reply, &message).await?,
            Some((name, "increment")) => increment(&client, reply, name, item).await?,
            Some(_) => send(&client, reply, &METHOD_NOT_FOUND).await?,
        }
    }
    Ok(())
}

async fn send<T: Serialize>(client: &Client, subject: Subject, message: &T) -> Result<(), Failure> {
    Ok(client.publish(subject, serde_json::to_vec(message)?.into()).await?)
}

async fn sum(client: &Client, reply: Subject, message: &Message) -> Result<(), Failure> {
    let Ok(request) = serde_json::from_slice::<Request<SumParams>>(&message.payload) else {
        return send(client, reply, &INVALID_PARAMS).await;
    };
    let result = SumResult { sum: request.params.a + request.params.b, label: request.params.label };
    send(client, reply, &Outcome { result }).await
}

async fn increment(
    client: &Client,
    reply: Subject,
    name: &str,
    item: &Item<Reference, Data>,
) -> Result<(), Failure> {
    let count = item.count.fetch_add(1, Ordering::Relaxed) + 1;
    send(client, format!("event.{name}.change").into(), &Change { values: Values { count } }).await?;
    send(client, reply, &Outcome { result: () }).await
}

/// The item whose number stands in a subject: `<kind>.<service>.item.<number>…`.
fn find<'a>(items: &'a Items, subject: &str) -> Option<&'a Item<Reference, Data>> {
    items.get(subject.split('.').nth(3)?.parse::<usize>().ok()?)
}
