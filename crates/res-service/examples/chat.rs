//! A chat where people have names: `auth` gives a connection its token, access rules and calls look at it. Over
//! WebSocket, authenticate `chat.session` with the method `enter` and `{"name": "Ada"}`, then subscribe to `chat.room`
//! and call its method `say` with `{"text": "Hello"}`.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use res_service::{Access, Auth, Builder, Call, Collection, Data, Error, Get, Grant, Reply, Resource};
use serde::{Deserialize, Serialize};

mod nats;

/// Messages that the room remembers.
const MESSAGES_MAX: usize = 100;
/// The longest name and the longest message.
const CHARS_MAX: usize = 500;

/// Who a connection is. Only this service writes it, and Resgate adds it to each request of the connection.
#[derive(Serialize, Deserialize)]
struct Token {
    name: String,
}

#[derive(Deserialize)]
struct Enter {
    name: String,
}

#[derive(Deserialize)]
struct Say {
    text: String,
}

#[derive(Clone, Serialize)]
struct Message {
    name: String,
    text: String,
}

fn within_limits(text: &str) -> Result<(), Error> {
    if text.trim().is_empty() || text.chars().count() > CHARS_MAX {
        return Err(Error::INVALID_PARAMS.with_message(format!("1 to {CHARS_MAX} characters are expected")));
    }
    Ok(())
}

/// Entering and leaving. There is nothing to get.
fn session() -> Resource {
    Resource::new("session")
        .auth("enter", |auth: Auth| async move {
            let enter: Enter = auth.params()?;
            within_limits(&enter.name)?;
            auth.service().set_token(auth.cid(), &Token { name: enter.name }, None).await?;
            Ok(Reply::null())
        })
        .auth("leave", |auth: Auth| async move {
            auth.service().set_token(auth.cid(), &(), None).await?;
            Ok(Reply::null())
        })
}

fn room() -> Resource {
    let messages: Arc<Mutex<VecDeque<Message>>> = Arc::default();
    let reading = Arc::clone(&messages);
    Resource::collection("room", move |_: Get| {
        let messages = reading.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // A message is a value inside the collection, not a resource of its own.
        async move { Collection::from_serialize(&messages.into_iter().map(Data).collect::<Vec<_>>()) }
    })
    .access(|access: Access| async move {
        let token: Option<Token> = access.token()?;
        Ok(if token.is_some() { Grant::get().call(["say"]) } else { Grant::none() })
    })
    .call("say", move |call: Call| {
        let messages = Arc::clone(&messages);
        async move {
            let token: Token = call.token()?.ok_or(Error::ACCESS_DENIED)?;
            let say: Say = call.params()?;
            within_limits(&say.text)?;
            {
                let mut messages = messages.lock().unwrap_or_else(PoisonError::into_inner);
                messages.push_back(Message { name: token.name, text: say.text });
                if messages.len() > MESSAGES_MAX {
                    messages.pop_front();
                }
            }
            call.service().refresh(call.name()).await?;
            Ok(Reply::null())
        }
    })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let service = Builder::new("chat")
        .resource(session())
        .resource(room())
        .start(async_nats::connect(nats::url()).await?)
        .await?;
    tokio::signal::ctrl_c().await?;
    service.stop(Duration::from_secs(10)).await?;
    Ok(())
}
