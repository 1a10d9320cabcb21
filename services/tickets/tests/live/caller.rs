//! Calls as Resgate makes them, straight over NATS and with a token of the caller's choice.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use livehouse_contract::id::BuyerId;
use serde_json::{Value, json};
use tokio::sync::oneshot;

/// What a service answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    /// A result.
    Result(Value),
    /// A reference to a resource.
    Resource(String),
    /// A refusal: code and data.
    Refused(String, Value),
    /// Nothing within the caller's patience, or nobody was there.
    Nothing(&'static str),
}

impl Answer {
    /// The result, or a panic with what came instead.
    #[track_caller]
    pub(crate) fn result(self) -> Value {
        match self {
            Self::Result(value) => value,
            other => panic!("expected a result, got {other:?}"),
        }
    }

    /// The refusal's code, or a panic with what came instead.
    #[track_caller]
    pub(crate) fn code(self) -> String {
        match self {
            Self::Refused(code, _) => code,
            other => panic!("expected a refusal, got {other:?}"),
        }
    }

    fn read(payload: &[u8]) -> Self {
        let Ok(answer) = serde_json::from_slice::<Value>(payload) else { return Self::Nothing("no JSON") };
        if let Some(error) = answer.get("error") {
            return Self::Refused(
                error["code"].as_str().unwrap_or_default().to_owned(),
                error["data"].clone(),
            );
        }
        match answer["resource"]["rid"].as_str() {
            Some(rid) => Self::Resource(rid.to_owned()),
            None => Self::Result(answer["result"].clone()),
        }
    }
}

type Waiting = Arc<Mutex<HashMap<String, oneshot::Sender<Answer>>>>;

/// Makes calls, many at once. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Caller {
    client: async_nats::Client,
    inbox: String,
    next: Arc<AtomicU64>,
    waiting: Waiting,
}

impl Caller {
    /// A caller with one subscription for all answers.
    pub(crate) async fn new(client: async_nats::Client) -> Self {
        let inbox = client.new_inbox();
        let mut answers = client.subscribe(format!("{inbox}.*")).await.unwrap();
        let waiting: Waiting = Arc::default();
        let known = waiting.clone();
        tokio::spawn(async move {
            while let Some(message) = answers.next().await {
                // "I am still at it": the answer follows.
                if message.payload.starts_with(b"timeout:") {
                    continue;
                }
                let number = message.subject.rsplit('.').next().unwrap_or_default().to_owned();
                let asked = known.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
                if let Some(asked) = asked {
                    let nobody = message.status == Some(async_nats::StatusCode::NO_RESPONDERS);
                    let answer = if nobody {
                        Answer::Nothing("nobody is there")
                    } else {
                        Answer::read(&message.payload)
                    };
                    let _gone = asked.send(answer);
                }
            }
        });
        Self { client, inbox, next: Arc::default(), waiting }
    }

    /// Sends a request and waits this long for its answer.
    pub(crate) async fn ask(&self, subject: String, payload: Vec<u8>, patience: Duration) -> Answer {
        let number = self.next.fetch_add(1, Ordering::Relaxed).to_string();
        let (sender, answer) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(number.clone(), sender);
        let reply = format!("{}.{number}", self.inbox);
        let asking = async {
            if self.client.publish_with_reply(subject, reply, payload.into()).await.is_err() {
                return Answer::Nothing("cannot be sent");
            }
            answer.await.unwrap_or(Answer::Nothing("the caller is gone"))
        };
        let answered = tokio::time::timeout(patience, asking).await;
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
        answered.unwrap_or(Answer::Nothing("no answer in time"))
    }

    /// Calls a method of a resource as `buyer`.
    pub(crate) async fn call(
        &self,
        resource: &str,
        method: &str,
        buyer: Option<BuyerId>,
        params: Value,
    ) -> Answer {
        let request = request(buyer, &params);
        self.ask(format!("call.{resource}.{method}"), request, Duration::from_secs(10)).await
    }

    /// [`Caller::call`], again and again while nobody answers or the service is busy: what a browser does.
    pub(crate) async fn insist(
        &self,
        resource: &str,
        method: &str,
        buyer: Option<BuyerId>,
        params: Value,
    ) -> Answer {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
        loop {
            let answer = self.call(resource, method, buyer, params.clone()).await;
            let again = match &answer {
                Answer::Nothing(_) => true,
                Answer::Refused(code, _) => code.ends_with(".busy") || code == "system.internalError",
                _ => false,
            };
            if !again || tokio::time::Instant::now() > deadline {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// A call as Resgate writes it.
pub(crate) fn request(buyer: Option<BuyerId>, params: &Value) -> Vec<u8> {
    let token = buyer.map(|buyer| json!({"buyer": buyer}));
    json!({"token": token, "cid": "test", "params": params}).to_string().into_bytes()
}
