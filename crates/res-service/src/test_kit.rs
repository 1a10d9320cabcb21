//! Testing services: transcripts of the protocol, played against a real nats-server. (Needs the feature `test-kit`.)
//!
//! In the `Cargo.toml` of a service:
//!
//! ```toml
//! [dev-dependencies]
//! res-service = { version = "0.1", features = ["test-kit"] }
//! ```
//!
//! A [`Session`] is a nats-server of its own and the service on it. The server's program is the file that the variable
//! `NATS_SERVER` names, or else `nats-server` on the `PATH` ([`NatsServer`] says more). A test then reads like what goes
//! over the wire:
//!
#![doc = concat!("```\n", include_str!("test_kit/example.rs"), "```")]
//!
//! # Transcripts
//!
//! | line | means |
//! |---|---|
//! | `> call.example.counter.add {"params":{"by":1}}` | a request: `access`, `get`, `call` or `auth`, with its payload; without one, 0 bytes are sent |
//! | `< event.example.counter.change {"values":{"count":1}}` | the service publishes this |
//! | `< {"result":1}` | the answer to the last request |
//! | `< timeout:"10000"` | a pre-response to the last request |
//! | `>1 call.…` and `<1 {…}` | a request with a number, and its answer: for several at a time |
//! | `<~ …` | the same as `<`, in any order with the `<~` lines next to it |
//! | `# …` | a comment; empty lines are nothing either |
//! | anything else | continues the line before it |
//!
//! What the service says must come in this order, all of it, and nothing besides. (A change that a handler announces with
//! [`Service::refresh`] goes out by itself, before the answer or after it: write both with `<~`. With
//! [`Service::refresh_now`] it is before the answer.) Payloads are compared as JSON values:
//! the order of members and the way numbers are written do not matter. At the end of a transcript the kit waits until
//! the service has done what it was asked for, also refreshes that wait for their time, and lets the server echo; by
//! then nothing more may have come.
//!
//! Some messages come at a time of their own and need no line. They are compared with the line expected, and passed over
//! if they are not that: pre-responses; the resets that a service sends by itself, when it starts and when a get has
//! failed; and subjects that do not begin with `event.`, `conn.` or `system.`.
//!
//! What is not known beforehand has a placeholder:
//!
//! | in a text | stands for |
//! |---|---|
//! | `"$any"` | any value |
//! | `"$id"` | any value where the name is first found, and the same value from there on, in the whole session |
//! | `"example.item.$id"`, `"${id}_1"` | the same within a text, where it is one letter or more; within a subject, one part |
//! | the member `"$others"` of an object | other members, which do not matter |
//! | `"$$"` | a dollar sign; one that no lower-case letter follows needs no doubling |
//!
//! ```text
//! > call.example.list.new {"params":{"title":"tea"}}
//! < event.example.list.add {"idx":0,"value":{"rid":"example.item.$id"}}
//! < {"resource":{"rid":"example.item.$id"}}
//! > get.example.item.$id
//! < {"result":{"model":{"title":"tea","$others":""}}}
//! ```
//!
//! A difference fails the test with the lines so far, the one expected, what was said instead, and what came after it.
//! A transcript has at most 1 MiB, and JSON in it at most 127 levels.

use std::future::Future;
use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;

mod answer;
mod client;
pub(crate) mod compare;
pub(crate) mod placeholder;
mod play;
mod server;
pub(crate) mod transcript;
mod wire;

pub use answer::{Answer, Granted};
pub use client::Client;
pub use server::{NatsServer, ServerError};

use crate::builder::Builder;
use crate::service::Service;
use placeholder::Known;
use play::{Complete, Play, check_service};
use transcript::Transcript;
use wire::{Source, Wire, is_pre_response};

/// How long a session waits for what must come, unless told otherwise.
const PATIENCE_DEFAULT: Duration = Duration::from_secs(10);

/// A service under test, on a nats-server of its own. Dropping it ends the server.
///
/// [The module](crate::test_kit) has an example and says how transcripts are written.
pub struct Session {
    service: Service,
    others: Mutex<Vec<Service>>,
    wire: Wire,
    known: Mutex<Known>,
    /// Transcripts take turns: each takes the messages that it hears out of the one log.
    playing: tokio::sync::Mutex<()>,
    patience: Duration,
    clients: AtomicU64,
    url: String,
    // The last field: the server ends after what is connected to it.
    _server: Option<NatsServer>,
}

/// Why a transcript was not played to its end: a picture of what differs, or what is wrong in it.
#[derive(Clone, thiserror::Error)]
#[error("{0}")]
pub struct Failure(String);

/// As text: this is what `unwrap` shows.
impl std::fmt::Debug for Failure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A message that a service published.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Published {
    /// Its subject, e.g. `event.example.counter.change`.
    pub subject: String,
    /// Its payload; `null` if it has none, and a string if it is not JSON.
    pub payload: Value,
}

impl Session {
    /// Starts a nats-server and the service on it.
    ///
    /// # Panics
    ///
    /// When there is no nats-server, or when the service does not start; the message says what to do.
    #[track_caller]
    pub fn start(service: Builder) -> impl Future<Output = Self> + Send {
        let caller = Location::caller();
        async move {
            let server = match NatsServer::start().await {
                Ok(server) => server,
                Err(error) => panic!("{caller}: {error}"),
            };
            match Self::new(server.url().to_owned(), service).await {
                Ok(session) => Self { _server: Some(server), ..session },
                Err(reason) => panic!("{caller}: {reason}"),
            }
        }
    }

    /// Starts the service on a server that is there already. Its data stays there when the session is gone; sessions
    /// side by side on one server hear each other's services.
    ///
    /// # Panics
    ///
    /// When the server cannot be reached, or when the service does not start.
    #[track_caller]
    pub fn on(server: &NatsServer, service: Builder) -> impl Future<Output = Self> + Send + use<> {
        let (caller, url) = (Location::caller(), server.url().to_owned());
        async move {
            match Self::new(url, service).await {
                Ok(session) => session,
                Err(reason) => panic!("{caller}: {reason}"),
            }
        }
    }

    async fn new(url: String, service: Builder) -> Result<Self, String> {
        let wire = Wire::listen(&url).await.map_err(|error| error.to_string())?;
        Ok(Self {
            service: start(&url, service).await?,
            others: Mutex::default(),
            wire,
            known: Mutex::default(),
            playing: tokio::sync::Mutex::default(),
            patience: PATIENCE_DEFAULT,
            clients: AtomicU64::new(1),
            url,
            _server: None,
        })
    }

    /// How long to wait for each line of a transcript, and for each answer; the default is 10 s.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Starts one more service, or one more replica of the same one, on a connection of its own. What it says belongs
    /// to the transcripts too.
    ///
    /// # Panics
    ///
    /// When it does not start.
    #[track_caller]
    pub fn start_another(&self, service: Builder) -> impl Future<Output = Service> + Send + use<'_> {
        let caller = Location::caller();
        async move {
            match start(&self.url, service).await {
                Ok(service) => {
                    self.others.lock().unwrap_or_else(PoisonError::into_inner).push(service.clone());
                    service
                }
                Err(reason) => panic!("{caller}: {reason}"),
            }
        }
    }

    /// The service that the session was started with.
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// The server's address, for connections of one's own.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The session's own connection to NATS, for what is not covered here.
    pub fn nats(&self) -> &async_nats::Client {
        self.wire.client()
    }

    /// A client as a gateway has them, with a connection id of its own and no token.
    pub fn client(&self) -> Client<'_> {
        Client::new(self, format!("client{}", self.clients.fetch_add(1, Ordering::Relaxed)))
    }

    /// Plays a transcript; its requests are sent as they are written.
    ///
    /// # Panics
    ///
    /// When something differs, with a picture of it, and when the transcript cannot be read.
    #[track_caller]
    pub fn transcript(&self, transcript: &str) -> impl Future<Output = ()> + Send + use<'_> {
        let (text, caller) = (transcript.to_owned(), Location::caller());
        async move {
            if let Err(failure) = self.check(&text).await {
                panic!("{caller}: {failure}");
            }
        }
    }

    /// Plays a transcript as [`Session::transcript`] does, and gives the picture back instead of panicking.
    ///
    /// # Errors
    ///
    /// When something differs, and when the transcript cannot be read.
    pub async fn check(&self, transcript: &str) -> Result<(), Failure> {
        self.play(transcript, &|_, payload| payload).await
    }

    async fn play(&self, transcript: &str, complete: &Complete<'_>) -> Result<(), Failure> {
        let transcript = Transcript::parse(transcript).map_err(|wrong| Failure(wrong.to_string()))?;
        let services = self.services();
        let _turn = self.playing.lock().await;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let play = Play {
            transcript: &transcript,
            wire: &self.wire,
            services: &services,
            patience: self.patience,
            complete,
        };
        let outcome = Box::pin(play.run(&mut known)).await;
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = known;
        outcome.map_err(Failure)
    }

    /// What a placeholder of the transcripts so far stands for, without its dollar sign.
    pub fn captured(&self, name: &str) -> Option<Value> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Says what a placeholder stands for in the transcripts from now on.
    ///
    /// # Panics
    ///
    /// When `value` cannot be written as JSON.
    #[track_caller]
    pub fn capture<T: Serialize + ?Sized>(&self, name: &str, value: &T) {
        let value = client::value(value);
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), value);
    }

    /// Asks for the state of a resource; a query follows the name after `?`.
    ///
    /// # Panics
    ///
    /// When no service of the session has the name, and when no answer comes in time.
    #[track_caller]
    pub fn get(&self, resource_id: &str) -> impl Future<Output = Answer> + Send + use<'_> {
        self.client().get(resource_id)
    }

    /// Asks what a client with this token may do with a resource; `&()` is no token.
    ///
    /// # Panics
    ///
    /// As [`Session::get`] does, and when `token` cannot be written as JSON.
    #[track_caller]
    pub fn access<T: Serialize + ?Sized>(
        &self,
        resource_id: &str,
        token: &T,
    ) -> impl Future<Output = Answer> + Send + use<'_, T> {
        self.client().token(token).access(resource_id)
    }

    /// Calls a method for a client without a token; `&()` is no parameters.
    ///
    /// # Panics
    ///
    /// As [`Client::call`] does.
    #[track_caller]
    pub fn call<P: Serialize + ?Sized>(
        &self,
        resource_id: &str,
        method: &str,
        params: &P,
    ) -> impl Future<Output = Answer> + Send + use<'_, P> {
        self.client().call(resource_id, method, params)
    }

    /// Authenticates a client without a token; `&()` is no parameters.
    ///
    /// # Panics
    ///
    /// As [`Client::auth`] does.
    #[track_caller]
    pub fn auth<P: Serialize + ?Sized>(
        &self,
        resource_id: &str,
        method: &str,
        params: &P,
    ) -> impl Future<Output = Answer> + Send + use<'_, P> {
        self.client().auth(resource_id, method, params)
    }

    /// What the services published since the last transcript or the last time this was asked, when they have done all
    /// they were asked for. What needs no line in a transcript is left out.
    ///
    /// # Errors
    ///
    /// When the services are not done in time, with what is left to do.
    pub async fn published(&self) -> Result<Vec<Published>, Failure> {
        let services = self.services();
        let _turn = self.playing.lock().await;
        play::until_done(&self.wire, &services, Instant::now() + self.patience)
            .await
            .map_err(|left| Failure(format!("the service is not done after {:?}: {left}", self.patience)))?;
        let mark = play::mark(&self.wire, &services).await.map_err(Failure)?;
        let mut published = Vec::new();
        while let Some(seen) = self.wire.next(self.patience).await {
            if seen.source == Source::Echo(mark) {
                return Ok(published);
            }
            let passed_over = play::may_be_passed_over(&seen, &self.wire, &services);
            if let (Source::Subject(subject), false) = (seen.source, passed_over) {
                let payload = serde_json::from_slice(&seen.payload).unwrap_or_else(|_| {
                    if seen.payload.is_empty() {
                        Value::Null
                    } else {
                        String::from_utf8_lossy(&seen.payload).into()
                    }
                });
                published.push(Published { subject, payload });
            }
        }
        Err(Failure("the server does not echo".to_owned()))
    }

    /// Stops the services, which finish what they have taken, and then the server.
    ///
    /// # Panics
    ///
    /// When they do not finish in time.
    #[track_caller]
    pub fn stop(self) -> impl Future<Output = ()> + Send {
        let caller = Location::caller();
        async move {
            for service in self.services() {
                if let Err(error) = service.stop(self.patience).await {
                    panic!("{caller}: {error:?}");
                }
            }
        }
    }

    fn services(&self) -> Vec<Service> {
        let others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        std::iter::once(&self.service).chain(others.iter()).cloned().collect()
    }

    async fn ask(&self, subject: &str, payload: Bytes) -> Result<Answer, String> {
        check_service(subject, &self.services())?;
        let mut answers = self.wire.ask(subject, payload).await?;
        let mut patience = self.patience;
        let mut pre_responses = Vec::new();
        loop {
            let Some(payload) = answers.next(patience).await else {
                return Err(format!(
                    "{subject} was not answered within {patience:?}; before that came {pre_responses:?}"
                ));
            };
            if !is_pre_response(&payload) {
                return Answer::read(subject, &payload, pre_responses);
            }
            let text = String::from_utf8_lossy(&payload).into_owned();
            let asked_for =
                text.strip_prefix("timeout:\"").and_then(|rest| rest.strip_suffix('"')?.parse().ok());
            patience = patience.max(Duration::from_millis(asked_for.unwrap_or(0)));
            pre_responses.push(text);
        }
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Session")
            .field("service", &self.service.name())
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

async fn start(url: &str, service: Builder) -> Result<Service, String> {
    let client = server::connect(url).await.map_err(|error| error.to_string())?;
    service.start(client).await.map_err(|error| error.to_string())
}
