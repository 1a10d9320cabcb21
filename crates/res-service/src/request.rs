//! What handlers are given. Each kind of request offers only what the protocol sends with it: a get has neither a
//! client nor a token, because its answer is kept for everybody.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use async_nats::{HeaderMap, Subject};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::error::Error;
use crate::in_flight::SlotKey;
use crate::pattern::part_of;
use crate::service::Service;
use crate::strict;
use crate::trace::TraceContext;

use self::payload::{Payload, Surroundings};

mod payload;

/// Which resource a request is for, and through which service it came.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) service: Service,
    /// The number of the resource's definition.
    pub(crate) definition: usize,
    pub(crate) subject: Subject,
    pub(crate) name_start: usize,
    pub(crate) name_end: usize,
    pub(crate) headers: Option<Arc<HeaderMap>>,
    /// Who waits for the answer, if anybody does.
    pub(crate) slot: Option<SlotKey>,
}

impl Target {
    pub(crate) fn name(&self) -> &str {
        &self.subject.as_str()[self.name_start..self.name_end]
    }

    fn parameter<T: FromStr>(&self, tag: &str) -> Result<T, Error> {
        let pattern = &self.service.definition(self.definition).pattern;
        let Some(index) = pattern.tag_index(tag) else {
            return Err(Error::internal(format!("the pattern {:?} has no tag ${tag}", pattern.text)));
        };
        part_of(self.name(), index).and_then(|text| text.parse().ok()).ok_or(Error::NOT_FOUND)
    }
}

macro_rules! common {
    ($request:ident, $in_work:ident, $query:ident => $query_expression:expr) => {
        impl $request {
            /// The value of a `$tag` of the pattern. A value that does not parse means that no such resource can exist:
            /// [`Error::NOT_FOUND`].
            ///
            /// # Errors
            ///
            /// [`Error::NOT_FOUND`] when the value does not parse, and [`Error::INTERNAL_ERROR`] when the pattern has no such
            /// tag.
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

            /// Asks who waits for the answer to wait so long from now on, with a pre-response that goes out at once. Without
            /// this a request that takes long is followed by pre-responses of 10 s by itself, from one second on
            /// (sooner when [`Builder::request_timeout`](crate::Builder::request_timeout) is short); this is for a
            /// handler that knows better. What comes by itself goes on when the time is nearly over, and the handler is
            /// still ended at [`Builder::handler_time_max`](crate::Builder::handler_time_max) (that of a get after 9 s),
            /// so a longer time is cut to that. A time shorter than gateways wait anyway is not repeated: then the client
            /// fails sooner. Without effect once the request is answered, and where nobody waits (a get handler that is
            /// asked for a refresh).
            pub fn extend_timeout(&self, time: Duration) {
                let service = self.service();
                let told =
                    self.target.slot.and_then(|key| service.$in_work().extend(key, Instant::now(), time));
                if let Some(pre_response) = told {
                    service.pre_respond_now(pre_response);
                }
            }

            /// The W3C trace context, if the sender gave one. (Resgate passes none on; other services may.)
            pub fn trace_context(&self) -> Option<TraceContext> {
                TraceContext::of(self.target.headers.as_deref()?)
            }
        }
    };
}

macro_rules! client {
    ($request:ident, $in_work:ident) => {
        common!($request, $in_work, request => request.payload.query());

        impl $request {
            /// The gateway's id of the client's connection; empty if another service asks.
            pub fn cid(&self) -> &str {
                self.payload.cid()
            }

            /// Whether the request came over HTTP (then status and headers of the answer count).
            pub fn is_http(&self) -> bool {
                self.payload.is_http()
            }

            /// The connection's token; `None` if it has none. It is read as strictly as parameters are: a member that `T`
            /// does not have is refused, so that a limit that a later version writes into tokens is not passed over.
            /// Where tokens grow, let all who read them know the new member (as an `Option`) before any is given, or
            /// keep what is not known with `#[serde(flatten)]`.
            ///
            /// # Errors
            ///
            /// [`Error::ACCESS_DENIED`] when `T` does not take the token, so that one of another version gives no rights.
            pub fn token<T: DeserializeOwned>(&self) -> Result<Option<T>, Error> {
                self.payload.token()
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
            ///
            /// # Errors
            ///
            /// [`Error::INVALID_PARAMS`] when `T` does not take the parameters.
            pub fn params<T: DeserializeOwned>(&self) -> Result<T, Error> {
                strict::from_json(self.payload.params().unwrap_or(b"null"))
            }

            /// The parameters as JSON text; `None` if there are none.
            pub fn raw_params(&self) -> Option<&str> {
                self.payload.params().and_then(|params| std::str::from_utf8(params).ok())
            }
        }
    };
}

/// "What is the state of this resource?" The answer is cached and shown to everybody who may see the resource, so there is
/// nobody to ask about:
///
/// ```compile_fail,E0599
/// fn handle(get: res_service::Get) -> String {
///     get.cid().to_owned()
/// }
/// ```
///
/// ```compile_fail,E0599
/// fn handle(get: res_service::Get) -> Result<Option<String>, res_service::Error> {
///     get.token()
/// }
/// ```
pub struct Get {
    pub(crate) target: Target,
    pub(crate) query: Option<Box<str>>,
}

common!(Get, gets, request => request.query.as_deref());

impl Get {
    pub(crate) fn parse_query(payload: &[u8]) -> Result<Option<Box<str>>, Error> {
        payload::query(payload)
    }
}

/// "May this client see the resource, and call which methods?"
pub struct Access {
    target: Target,
    payload: Payload,
}

client!(Access, accesses);

impl Access {
    pub(crate) fn parse(target: Target, payload: Bytes) -> Result<Self, Error> {
        Ok(Self { target, payload: Payload::read(payload)? })
    }
}

/// "Do this." The gateway has checked by then that the client may.
pub struct Call {
    pub(crate) target: Target,
    payload: Payload,
}

client!(Call, calls);
parameters!(Call);

impl Call {
    pub(crate) fn parse(target: Target, payload: Bytes) -> Result<Self, Error> {
        Ok(Self { target, payload: Payload::read(payload)? })
    }
}

/// "This is who I am." Nobody has checked anything yet, so limit what an unknown client can cost here.
pub struct Auth {
    pub(crate) target: Target,
    payload: Payload,
    headers: HashMap<String, Vec<String>>,
    host: Box<str>,
    remote_address: Box<str>,
    uri: Box<str>,
}

client!(Auth, calls);
parameters!(Auth);

impl Auth {
    pub(crate) fn parse(target: Target, payload: Bytes) -> Result<Self, Error> {
        let (payload, Surroundings { headers, host, remote_address, uri }) =
            Payload::read_with_surroundings(payload)?;
        Ok(Self { target, payload, headers, host, remote_address, uri })
    }

    /// The headers of the client's HTTP request, by canonical name (`User-Agent`).
    pub fn headers(&self) -> &HashMap<String, Vec<String>> {
        &self.headers
    }

    /// The first value of a header, whatever the case of its name.
    pub fn header(&self, name: &str) -> Option<&str> {
        header_of(&self.headers, name)
    }

    /// The value of a cookie of the client's HTTP request.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        cookie_of(&self.headers, name)
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

fn header_of<'a>(headers: &'a HashMap<String, Vec<String>>, name: &str) -> Option<&'a str> {
    let found = headers.get(name).or_else(|| {
        headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, values)| values)
    })?;
    found.first().map(String::as_str)
}

fn cookie_of<'a>(headers: &'a HashMap<String, Vec<String>>, name: &str) -> Option<&'a str> {
    let lines =
        headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case("cookie")).flat_map(|(_, lines)| lines);
    lines.flat_map(|line| line.split(';')).find_map(|pair| {
        let (key, value) = pair.trim().split_once('=')?;
        (key == name).then(|| value.trim_matches('"'))
    })
}

#[cfg(test)]
mod fuzz;
