//! The responder on bare async-nats: what a careful person writes who needs no library, for these three requests alone.
//! Gets and changes have one order, and what is wrong is refused. Of a request it reads what it needs and no more: the
//! parameters of `sum`, and never the token, the client or a query, of which both libraries take note.
//!
//! It knows what its one method changes, and says that. As `comparing` it does what a service must whose state is changed
//! elsewhere, as this crate does for all: it looks what the item is now, and says in what that differs from the last time.

use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use async_nats::{Client, Message, Subject, Subscriber};
use futures::StreamExt;
use futures::stream::{Select, select};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

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
struct Change<T> {
    values: T,
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

/// How a change is found out.
pub(crate) enum Changes {
    /// By who makes it.
    Known,
    /// By comparing.
    Compared,
}

/// What is answered from.
struct Served {
    items: Items,
    /// The properties of each item as they were published last, where changes are found by comparing.
    published: Option<Vec<Mutex<Map<String, Value>>>>,
}

/// Serves until the connection is closed.
pub(crate) async fn serve(client: Client, name: &str, changes: Changes) -> Result<(), Failure> {
    let items = items::all(|rid| Reference { rid }, |data| Data { data });
    let published = match changes {
        Changes::Known => None,
        Changes::Compared => {
            Some(items.iter().map(|item| properties(item).map(Mutex::new)).collect::<Result<_, _>>()?)
        }
    };
    let served = Served { items, published };
    let gets = client.queue_subscribe(format!("get.{name}.item.*"), name.to_owned()).await?;
    let calls = client.queue_subscribe(format!("call.{name}.item.*.*"), name.to_owned()).await?;
    // One after the other: a state that was read before a change and answered after it would stay with the gateways.
    // In a task, as the thread of `main` is not one of the runtime's own and would have to be woken for every message.
    tokio::spawn(answer(client, select(gets, calls), served)).await?
}

async fn answer(
    client: Client,
    mut requests: Select<Subscriber, Subscriber>,
    served: Served,
) -> Result<(), Failure> {
    while let Some(message) = requests.next().await {
        let Some(reply) = message.reply.clone() else { continue };
        let subject = message.subject.as_str();
        let number = number_of(subject);
        let Some((number, item)) = number.and_then(|number| Some((number, served.items.get(number)?))) else {
            send(&client, reply, &NOT_FOUND).await?;
            continue;
        };
        match subject.strip_prefix("call.").and_then(|name| name.rsplit_once('.')) {
            None => send(&client, reply, &Outcome { result: State { model: item } }).await?,
            Some((_, "sum")) => sum(&client, reply, &message).await?,
            Some((name, "increment")) => {
                let count = item.count.fetch_add(1, Ordering::Relaxed) + 1;
                let change = match &served.published {
                    None => serde_json::to_vec(&Change { values: Values { count } })?,
                    Some(published) => difference(item, &published[number])?,
                };
                client.publish(format!("event.{name}.change"), change.into()).await?;
                send(&client, reply, &Outcome { result: () }).await?;
            }
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

fn properties(item: &Item<Reference, Data>) -> Result<Map<String, Value>, serde_json::Error> {
    match serde_json::to_value(item)? {
        Value::Object(properties) => Ok(properties),
        _ => unreachable!("an item is an object"),
    }
}

/// What to tell of an item: its properties that are others than those published last. None of them can go away.
fn difference(
    item: &Item<Reference, Data>,
    published: &Mutex<Map<String, Value>>,
) -> Result<Vec<u8>, serde_json::Error> {
    let mut published = published.lock().unwrap_or_else(PoisonError::into_inner);
    let now = properties(item)?;
    let differs = |(name, value): &(&String, &Value)| published.get(*name) != Some(*value);
    let changed: Map<String, Value> =
        now.iter().filter(differs).map(|(name, value)| (name.clone(), value.clone())).collect();
    *published = now;
    serde_json::to_vec(&Change { values: changed })
}

/// The number of an item, from a subject: `<kind>.<service>.item.<number>…`.
fn number_of(subject: &str) -> Option<usize> {
    subject.split('.').nth(3)?.parse().ok()
}
