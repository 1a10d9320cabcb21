//! What handlers are given. Each kind of request offers only what the protocol sends with it: a get has neither a
//! client nor a token, because its answer is kept for everybody.

use std::borrow::Cow;
use std::collections::HashMap;
use std::str::FromStr;
use std::sync::Arc;

use async_nats::{HeaderMap, Subject};
use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::error::Error;
use crate::pattern::part_of;
use crate::resource::Definition;
use crate::service::Service;
use crate::strict;

/// Which resource a request is for, and through which service it came.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) service: Service,
    pub(crate) definition: Arc<Definition>,
    pub(crate) subject: Subject,
    pub(crate) name_start: usize,
    pub(crate) name_end: usize,
    pub(crate) headers: Option<Arc<HeaderMap>>,
}

impl Target {
    pub(crate) fn name(&self) -> &str {
        &self.subject.as_str()[self.name_start..self.name_end]
    }

    fn parameter<T: FromStr>(&self, tag: &str) -> Result<T, Error> {
        let Some(index) = self.definition.pattern.tag_index(tag) else {
            return Err(Error::internal(format!(
                "the pattern {:?} has no tag ${tag}",
                self.definition.pattern.text
            )));
        };
        part_of(self.name(), index).and_then(|text| text.parse().ok()).ok_or(Error::NOT_FOUND)
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.as_ref()?.get(name).map(async_nats::HeaderValue::as_str)
    }
}

/// The JSON object every request carries, as the protocol has it. Members that are null are as good as absent, and
/// unknown ones are passed over.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Envelope<'a> {
    #[serde(borrow)]
    cid: Option<Text<'a>>,
    #[serde(borrow)]
    token: Option<&'a RawValue>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    #[serde(borrow)]
    query: Option<Text<'a>>,
    #[serde(rename = "isHttp")]
    is_http: Option<bool>,
    header: Option<HashMap<String, Vec<String>>>,
    #[serde(borrow)]
    host: Option<Text<'a>>,
    #[serde(borrow, rename = "remoteAddr")]
    remote_address: Option<Text<'a>>,
    #[serde(borrow)]
    uri: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Envelope<'a> {
    fn parse(payload: &'a [u8]) -> Result<Self, Error> {
        // What a gateway sends with nearly every get.
        if matches!(payload, b"" | b"{}") {
            return Ok(Self::default());
        }
        // serde would also read an array as the members in their order.
        if !payload
            .iter()
            .find(|byte| !byte.is_ascii_whitespace())
            .is_some_and(|byte| matches!(byte, b'{' | b'n'))
        {
            return Err(Error::internal("the request is not a JSON object"));
        }
        // Checked as a whole once, and not again in every string.
        let text = std::str::from_utf8(payload).map_err(|error| {
            Error::internal(format!("the request is not UTF-8 from byte {}", error.valid_up_to()))
        })?;
        let envelope: Option<Self> = serde_json::from_str(text).map_err(|error| {
            // serde's words may quote the payload, which may hold a token; the kind and place are enough.
            Error::internal(format!(
                "the request is not the JSON object the protocol has ({:?} at column {})",
                error.classify(),
                error.column()
            ))
        })?;
        Ok(envelope.unwrap_or_default())
    }
}

/// The part of a request that tells who asks.
struct Client {
    cid: Box<str>,
    token: Option<Bytes>,
    query: Option<Box<str>>,
    is_http: bool,
}

impl Client {
    fn new(envelope: &Envelope<'_>, payload: &Bytes) -> Self {
        Self {
            cid: envelope.cid.as_ref().map_or_else(Box::default, |cid| cid.0.as_ref().into()),
            token: envelope.token.map(|raw| payload.slice_ref(raw.get().as_bytes())),
            query: query_of(envelope),
            is_http: envelope.is_http.unwrap_or(false),
        }
    }

    fn token<T: DeserializeOwned>(&self) -> Result<Option<T>, Error> {
        match &self.token {
            None => Ok(None),
            // A token this version cannot read gives no rights. What serde says of it could quote it, so it is not kept.
            Some(token) => serde_json::from_slice(token).map(Some).map_err(|error| {
                Error::ACCESS_DENIED.caused_by(format!("the token is not readable: {:?}", error.classify()))
            }),
        }
    }
}

fn query_of(envelope: &Envelope<'_>) -> Option<Box<str>> {
    envelope.query.as_ref().filter(|query| !query.0.is_empty()).map(|query| query.0.as_ref().into())
}

macro_rules! common {
    ($request:ident, $query:ident => $query_expression:expr) => {
        impl $request {
            /// The value of a `$tag` of the pattern. A value that does not parse means that no such resource can exist:
            /// [`Error::NOT_FOUND`].
            pub fn parameter<T: FromStr>(&self, tag: &str) -> Result<T, Error> {
                self.target.parameter(tag)
            }

            /// The resource's full name, e.g. `tickets.event.evt_1`.
            pub fn name(&self) -> &str {
                self.target.name()
            }

            /// The query of the resource id, without `?`.
            pub fn query(&self) -> Option<&str> {
                let $query = self;
                $query_expression
            }

            /// The service that the request came to.
            pub fn service(&self) -> &Service {
                &self.target.service
            }

            /// The W3C `traceparent` header, if the sender gave one.
            pub fn traceparent(&self) -> Option<&str> {
                self.target.header("traceparent")
            }

            /// The W3C `tracestate` header, if the sender gave one.
            pub fn tracestate(&self) -> Option<&str> {
                self.target.header("tracestate")
            }
        }
    };
}

macro_rules! client {
    ($request:ident) => {
        common!($request, request => request.client.query.as_deref());

        impl $request {
            /// The gateway's id of the client's connection; empty if another service asks.
            pub fn cid(&self) -> &str {
                &self.client.cid
            }

            /// Whether the request came over HTTP (then status and headers of the answer count).
            pub fn is_http(&self) -> bool {
                self.client.is_http
            }

            /// The connection's token; `None` if it has none. A token that `T` cannot read is
            /// [`Error::ACCESS_DENIED`].
            pub fn token<T: DeserializeOwned>(&self) -> Result<Option<T>, Error> {
                self.client.token()
            }
        }
    };
}

macro_rules! parameters {
    ($request:ident) => {
        impl $request {
            /// The method asked for.
            pub fn method(&self) -> &str {
                // The subject is "<kind>.<name>.<method>".
                &self.target.subject.as_str()[self.target.name_end + 1..]
            }

            /// The parameters as `T`; none at all are read as JSON `null`. A struct is read from an object only, and
            /// a member that it does not have is refused, at every depth, without `#[serde(deny_unknown_fields)]`
            /// (needed still below `flatten`, `untagged` and internally tagged enums, where serde does not say what
            /// a struct has). What `T` does not take is [`Error::INVALID_PARAMS`] with the reason and its place in
            /// the message: `areas[0].quantity: invalid type: …`.
            pub fn params<T: DeserializeOwned>(&self) -> Result<T, Error> {
                strict::from_json(self.params.as_deref().unwrap_or(b"null"))
            }

            /// The parameters as JSON text; `None` if there are none.
            pub fn raw_params(&self) -> Option<&str> {
                self.params.as_deref().and_then(|params| std::str::from_utf8(params).ok())
            }
        }
    };
}

/// "What is the state of this resource?" The answer is cached and shown to everybody who may see the resource.
pub struct Get {
    pub(crate) target: Target,
    pub(crate) query: Option<Box<str>>,
}

common!(Get, request => request.query.as_deref());

impl Get {
    pub(crate) fn parse_query(payload: &[u8]) -> Result<Option<Box<str>>, Error> {
        Envelope::parse(payload).map(|envelope| query_of(&envelope))
    }
}

/// "May this client see the resource, and call which methods?"
pub struct Access {
    target: Target,
    client: Client,
}

client!(Access);

impl Access {
    pub(crate) fn parse(target: Target, payload: &Bytes) -> Result<Self, Error> {
        Ok(Self { target, client: Client::new(&Envelope::parse(payload)?, payload) })
    }
}

/// "Do this." The gateway has checked by then that the client may.
pub struct Call {
    pub(crate) target: Target,
    client: Client,
    params: Option<Bytes>,
}

client!(Call);
parameters!(Call);

impl Call {
    pub(crate) fn parse(target: Target, payload: &Bytes) -> Result<Self, Error> {
        let envelope = Envelope::parse(payload)?;
        let params = envelope.params.map(|raw| payload.slice_ref(raw.get().as_bytes()));
        Ok(Self { target, client: Client::new(&envelope, payload), params })
    }
}

/// "This is who I am." Nobody has checked anything yet, so limit what an unknown client can cost here.
pub struct Auth {
    pub(crate) target: Target,
    client: Client,
    params: Option<Bytes>,
    headers: HashMap<String, Vec<String>>,
    host: Box<str>,
    remote_address: Box<str>,
    uri: Box<str>,
}

client!(Auth);
parameters!(Auth);

impl Auth {
    pub(crate) fn parse(target: Target, payload: &Bytes) -> Result<Self, Error> {
        let mut envelope = Envelope::parse(payload)?;
        let headers = envelope.header.take().unwrap_or_default();
        let text =
            |text: &Option<Text<'_>>| text.as_ref().map_or_else(Box::default, |text| text.0.as_ref().into());
        Ok(Self {
            client: Client::new(&envelope, payload),
            params: envelope.params.map(|raw| payload.slice_ref(raw.get().as_bytes())),
            headers,
            host: text(&envelope.host),
            remote_address: text(&envelope.remote_address),
            uri: text(&envelope.uri),
            target,
        })
    }

    /// The headers of the client's HTTP request, by canonical name (`User-Agent`).
    pub fn headers(&self) -> &HashMap<String, Vec<String>> {
        &self.headers
    }

    /// The first value of a header, whatever the case of its name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.get(name).or_else(|| {
            self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, values)| values)
        })?;
        found.first().map(String::as_str)
    }

    /// The value of a cookie of the client's HTTP request.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let lines = self
            .headers
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case("cookie"))
            .flat_map(|(_, lines)| lines);
        lines.flat_map(|line| line.split(';')).find_map(|pair| {
            let (key, value) = pair.trim().split_once('=')?;
            (key == name).then(|| value.trim_matches('"'))
        })
    }

    /// The host the client asked.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The client's network address as the gateway saw it.
    pub fn remote_address(&self) -> &str {
        &self.remote_address
    }

    /// The path and query the client asked.
    pub fn uri(&self) -> &str {
        &self.uri
    }
}
