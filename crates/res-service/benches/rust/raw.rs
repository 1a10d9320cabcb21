//! The responder on bare async-nats: what somebody writes who needs no library, for these three requests alone.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_nats::{Client, Message, Subject, Subscriber};
use futures::StreamExt;
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

/// Serves until the connection is closed.
pub(crate) async fn serve(client: Client, name: &str) -> Result<(), Failure> {
    let items = Arc::new(items::all(|rid| Reference { rid }, |data| Data { data }));
    let gets = client.queue_subscribe(format!("get.{name}.item.*"), name.to_owned()).await?;
    let calls = client.queue_subscribe(format!("call.{name}.item.*.*"), name.to_owned()).await?;
    // Tasks, as the thread of `main` is not one of the runtime's own and would have to be woken for every message.
    let gets = tokio::spawn(answer_gets(client.clone(), gets, Arc::clone(&items)));
    let calls = tokio::spawn(answer_calls(client, calls, items));
    gets.await??;
    calls.await?
}

async fn answer_gets(client: Client, mut gets: Subscriber, items: Arc<Items>) -> Result<(), Failure> {
    while let Some(message) = gets.next().await {
        let (Some(reply), Some(item)) = (message.reply, find(&items, message.subject.as_str())) else {
            continue;
        };
        let answer = serde_json::to_vec(&Outcome { result: State { model: item } })?;
        client.publish(reply, answer.into()).await?;
    }
    Ok(())
}

async fn answer_calls(client: Client, mut calls: Subscriber, items: Arc<Items>) -> Result<(), Failure> {
    while let Some(message) = calls.next().await {
        let Some(reply) = message.reply.clone() else { continue };
        let Some((_, method)) = message.subject.as_str().rsplit_once('.') else { continue };
        match method {
            "sum" => sum(&client, reply, &message).await?,
            "increment" => increment(&client, reply, &message, &items).await?,
            _ => {}
        }
    }
    Ok(())
}

async fn sum(client: &Client, reply: Subject, message: &Message) -> Result<(), Failure> {
    let request: Request<SumParams> = serde_json::from_slice(&message.payload)?;
    let result = SumResult { sum: request.params.a + request.params.b, label: request.params.label };
    client.publish(reply, serde_json::to_vec(&Outcome { result })?.into()).await?;
    Ok(())
}

async fn increment(client: &Client, reply: Subject, message: &Message, items: &Items) -> Result<(), Failure> {
    let subject = message.subject.as_str();
    let Some(item) = find(items, subject) else { return Ok(()) };
    let count = item.count.fetch_add(1, Ordering::Relaxed) + 1;
    let change = serde_json::to_vec(&Change { values: Values { count } })?;
    let name = &subject["call.".len()..subject.len() - ".increment".len()];
    client.publish(format!("event.{name}.change"), change.into()).await?;
    client.publish(reply, serde_json::to_vec(&Outcome { result: () })?.into()).await?;
    Ok(())
}

/// The item whose number stands in a subject: `<kind>.<service>.item.<number>…`.
fn find<'a>(items: &'a Items, subject: &str) -> Option<&'a Item<Reference, Data>> {
    items.get(subject.split('.').nth(3)?.parse::<usize>().ok()?)
}
