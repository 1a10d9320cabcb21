//! Requests as a gateway sends them for one of its clients.

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::Location;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Answer, Session};
use crate::name::split_resource_id;

/// A gateway's client: what it says of itself comes with each of its requests.
///
/// As in a gateway, a token that the service sets for the client's connection ([`Service::set_token`]) comes with the
/// requests after it.
///
/// ```no_run
/// # async fn run(session: &res_service::test_kit::Session) {
/// let ann = session.client().token(&serde_json::json!({"user": "ann"})).header("Cookie", "seen=1");
/// assert!(ann.access("example.room").await.granted().may_call("say"));
/// ann.call("example.room", "say", &serde_json::json!({"text": "hello"})).await.result::<()>();
/// # }
/// ```
///
/// [`Service::set_token`]: crate::Service::set_token
#[derive(Clone)]
#[must_use = "a client does nothing before it is asked to"]
pub struct Client<'a> {
    session: &'a Session,
    cid: String,
    token: Value,
    is_http: bool,
    headers: BTreeMap<String, Vec<String>>,
    host: String,
    remote_address: String,
    uri: String,
}

impl<'a> Client<'a> {
    pub(super) fn new(session: &'a Session, cid: String) -> Self {
        Self {
            session,
            cid,
            token: Value::Null,
            is_http: false,
            headers: BTreeMap::new(),
            host: "localhost:8080".to_owned(),
            remote_address: "127.0.0.1:40000".to_owned(),
            uri: "/".to_owned(),
        }
    }

    /// The id of the client's connection. Clients of one id are the same to the service; by default each has its own.
    pub fn cid(mut self, cid: impl Into<String>) -> Self {
        self.cid = cid.into();
        self
    }

    /// The token that the client begins with; by default it has none.
    ///
    /// # Panics
    ///
    /// When `token` cannot be written as JSON.
    #[track_caller]
    pub fn token<T: Serialize + ?Sized>(mut self, token: &T) -> Self {
        self.token = value(token);
        self
    }

    /// The requests come over HTTP, so that status and headers of the answers count.
    pub fn is_http(mut self) -> Self {
        self.is_http = true;
        self
    }

    /// A header of the client's HTTP request, sent with authentications; a repeated name adds a value. Gateways write
    /// the name as `User-Agent`.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.entry(name.into()).or_default().push(value.into());
        self
    }

    /// The host that the client asked, sent with authentications; `localhost:8080` by default.
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = host.into();
        self
    }

    /// The client's address, sent with authentications; `127.0.0.1:40000` by default.
    pub fn remote_address(mut self, address: impl Into<String>) -> Self {
        self.remote_address = address.into();
        self
    }

    /// The path and query that the client asked, sent with authentications; `/` by default.
    pub fn uri(mut self, uri: impl Into<String>) -> Self {
        self.uri = uri.into();
        self
    }

    /// Asks for the state of a resource; a query follows the name after `?`.
    ///
    /// # Panics
    ///
    /// When no service of the session has the name, and when no answer comes in time.
    #[track_caller]
    pub fn get(&self, resource_id: &str) -> impl Future<Output = Answer> + Send + use<'a> {
        self.request("get", resource_id, None, None)
    }

    /// Asks what the client may do with a resource.
    ///
    /// # Panics
    ///
    /// As [`Client::get`] does.
    #[track_caller]
    pub fn access(&self, resource_id: &str) -> impl Future<Output = Answer> + Send + use<'a> {
        self.request("access", resource_id, None, None)
    }

    /// Calls a method, without asking before whether the client may, as a gateway would; `&()` is no parameters.
    ///
    /// # Panics
    ///
    /// As [`Client::get`] does, and when `params` cannot be written as JSON.
    #[track_caller]
    pub fn call<P: Serialize + ?Sized>(
        &self,
        resource_id: &str,
        method: &str,
        params: &P,
    ) -> impl Future<Output = Answer> + Send + use<'a, P> {
        self.request("call", resource_id, Some(method), Some(value(params)))
    }

    /// Authenticates; `&()` is no parameters.
    ///
    /// # Panics
    ///
    /// As [`Client::call`] does.
    #[track_caller]
    pub fn auth<P: Serialize + ?Sized>(
        &self,
        resource_id: &str,
        method: &str,
        params: &P,
    ) -> impl Future<Output = Answer> + Send + use<'a, P> {
        self.request("auth", resource_id, Some(method), Some(value(params)))
    }

    /// Plays a transcript in which the requests, but for gets, are completed with what this client says of itself:
    /// `cid`, `token` and the rest, unless the line has them. See [the module](crate::test_kit) for how it is written.
    ///
    /// # Panics
    ///
    /// As [`Session::transcript`] does.
    #[track_caller]
    pub fn transcript(&self, transcript: &str) -> impl Future<Output = ()> + Send + use<'a> {
        let (client, text, caller) = (self.clone(), transcript.to_owned(), Location::caller());
        async move {
            let session = client.session;
            let complete = |subject: &str, payload: Value| client.completed(subject, payload);
            if let Err(failure) = session.play(&text, &complete).await {
                panic!("{caller}: {failure}");
            }
        }
    }

    #[track_caller]
    fn request(
        &self,
        kind: &str,
        resource_id: &str,
        method: Option<&str>,
        params: Option<Value>,
    ) -> impl Future<Output = Answer> + Send + use<'a> {
        let (session, caller) = (self.session, Location::caller());
        let (name, query) = split_resource_id(resource_id);
        let method = method.map_or_else(String::new, |method| format!(".{method}"));
        let subject = format!("{kind}.{name}{method}");
        let mut payload = Map::new();
        payload.extend(params.map(|params| ("params".to_owned(), params)));
        payload.extend(query.map(|query| ("query".to_owned(), query.into())));
        let payload = self.completed(&subject, payload.into());
        async move {
            match session.ask(&subject, payload.to_string().into()).await {
                Ok(answer) => answer,
                Err(reason) => panic!("{caller}: {reason}"),
            }
        }
    }

    /// The payload with what the client says of itself.
    fn completed(&self, subject: &str, payload: Value) -> Value {
        let kind = subject.split('.').next().unwrap_or_default();
        let mut payload = match payload {
            Value::Null => Map::new(),
            Value::Object(members) => members,
            other => return other,
        };
        if matches!(kind, "access" | "call" | "auth") {
            let token = self.session.wire.token(&self.cid).unwrap_or_else(|| self.token.clone());
            let mut add = |name: &str, value: Value| {
                payload.entry(name).or_insert(value);
            };
            add("cid", self.cid.clone().into());
            add("token", token);
            if self.is_http {
                add("isHttp", true.into());
            }
            if kind == "auth" {
                add("header", json!(self.headers));
                add("host", self.host.clone().into());
                add("remoteAddr", self.remote_address.clone().into());
                add("uri", self.uri.clone().into());
            }
        }
        payload.into()
    }
}

#[track_caller]
pub(super) fn value<T: Serialize + ?Sized>(value: &T) -> Value {
    match serde_json::to_value(value) {
        Ok(value) => value,
        Err(error) => panic!("this cannot be written as JSON: {error}"),
    }
}

impl std::fmt::Debug for Client<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Client").field("cid", &self.cid).finish_non_exhaustive()
    }
}
