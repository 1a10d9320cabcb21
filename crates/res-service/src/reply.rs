//! What handlers answer, written so that exactly one of `result`, `resource` and `error` reaches the wire.

use bytes::Bytes;
use serde::Serialize;

use crate::error::Error;
use crate::name::is_method;
use crate::snapshot::{checked_resource_id, write_between};

/// The answer to a call or an authentication. A get is answered with a model or collection, and nothing else:
///
/// ```compile_fail,E0271
/// use res_service::{Get, Reply, Resource};
///
/// Resource::model("counter", |_: Get| async { Ok(Reply::null()) });
/// ```
#[derive(Debug, Clone)]
pub struct Reply {
    /// The complete JSON object but for `meta`.
    json: Bytes,
    /// What most answers do not have.
    more: Option<Box<More>>,
}

#[derive(Debug, Clone, Default)]
struct More {
    error: Option<Error>,
    meta: Meta,
}

/// What an answer says of the HTTP response that it becomes a part of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Meta {
    status: Option<u16>,
    headers: Vec<(String, String)>,
    /// What of it cannot be sent, and why.
    wrong: Option<String>,
}

/// Headers that are the gateway's own: it passes over what a service says of them, or what it sends itself would break.
const HEADERS_OF_THE_GATEWAY: [&str; 10] = [
    "Access-Control-Allow-Credentials",
    "Access-Control-Allow-Origin",
    "Connection",
    "Content-Length",
    "Content-Type",
    "Sec-Websocket-Accept",
    "Sec-Websocket-Extensions",
    "Sec-Websocket-Protocol",
    "Transfer-Encoding",
    "Upgrade",
];

impl Meta {
    fn set_status(&mut self, status: u16) {
        if (300..600).contains(&status) {
            self.status = Some(status);
        } else {
            self.wrong =
                Some(format!("{status} cannot be the status of an answer: the protocol knows 300 to 599"));
        }
    }

    fn add_header(&mut self, name: &str, value: String) {
        let name = canonical(name);
        match header_fault(&name, &value) {
            Some(fault) => self.wrong = Some(format!("the header {name:?} cannot be sent: {fault}")),
            None => self.headers.push((name, value)),
        }
    }

    /// The answer with this in it, if it means something.
    fn add_to(self, json: Bytes, is_http: bool) -> Result<Bytes, Error> {
        match self.wrong {
            Some(wrong) => Err(Error::internal(wrong)),
            None if !is_http || (self.status.is_none() && self.headers.is_empty()) => Ok(json),
            None => Ok(self.added_to(&json)),
        }
    }

    fn added_to(self, json: &[u8]) -> Bytes {
        let mut headers = serde_json::Map::new();
        for (name, value) in self.headers {
            let values = headers.entry(name).or_insert_with(|| serde_json::Value::Array(Vec::new()));
            if let serde_json::Value::Array(values) = values {
                values.push(value.into());
            }
        }
        let mut meta = serde_json::Map::new();
        if let Some(status) = self.status {
            meta.insert("status".to_owned(), status.into());
        }
        if !headers.is_empty() {
            meta.insert("header".to_owned(), headers.into());
        }
        let mut with_meta = json[..json.len() - 1].to_vec();
        with_meta.extend_from_slice(b",\"meta\":");
        with_meta.extend_from_slice(serde_json::Value::Object(meta).to_string().as_bytes());
        with_meta.push(b'}');
        with_meta.into()
    }
}

impl Reply {
    /// A result of the service's own shape.
    ///
    /// # Errors
    ///
    /// [`Error::INTERNAL_ERROR`] when `result` cannot be written as JSON.
    pub fn result<T: Serialize + ?Sized>(result: &T) -> Result<Self, Error> {
        Ok(Self::new(write_between(b"{\"result\":", result, b"}")?))
    }

    /// Success with nothing to say.
    #[must_use]
    pub fn null() -> Self {
        Self::new(Bytes::from_static(b"{\"result\":null}"))
    }

    /// A resource as the result: the gateway subscribes the client to it.
    ///
    /// # Errors
    ///
    /// [`Error::INTERNAL_ERROR`] when this is not a valid resource id.
    pub fn resource(resource_id: impl Into<String>) -> Result<Self, Error> {
        let resource_id = checked_resource_id(resource_id.into())?;
        let json = serde_json::to_vec(&serde_json::json!({"resource": {"rid": resource_id}}))
            .map_err(Error::internal)?;
        Ok(Self::new(json.into()))
    }

    /// An error that can carry a status and headers over HTTP; otherwise `Err(error)` says the same.
    #[must_use]
    pub fn error(error: Error) -> Self {
        let json = error_json(&error);
        Self { json, more: Some(Box::new(More { error: Some(error), ..More::default() })) }
    }

    fn new(json: Bytes) -> Self {
        Self { json, more: None }
    }

    fn more(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }

    /// The HTTP status to end the request with, 300 to 599; without effect when the request is not over HTTP. With any
    /// other the request is answered with [`Error::INTERNAL_ERROR`], and the log has the reason.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.more().meta.set_status(status);
        self
    }

    /// An HTTP header to send with the answer (a repeated name adds a value); without effect when the request is not
    /// over HTTP. With what is no header, or one that only the gateway may set (what the body is and how it is sent, who may
    /// read the answer across origins, and what a WebSocket is opened with), the request is answered with [`Error::INTERNAL_ERROR`], and
    /// the log has the reason.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.more().meta.add_header(name, value.into());
        self
    }

    /// What the log should know of a failed request.
    pub(crate) fn failure(&self) -> Option<&Error> {
        self.more.as_ref()?.error.as_ref()
    }

    /// The whole message; `meta` only if it means something.
    pub(crate) fn encode(self, is_http: bool) -> Result<Bytes, Error> {
        match self.more {
            Some(more) => more.meta.add_to(self.json, is_http),
            None => Ok(self.json),
        }
    }
}

/// `set-cookie` as `Set-Cookie`, the way gateways look headers up.
fn canonical(name: &str) -> String {
    let mut start = true;
    let letters = name.chars().map(|letter| {
        let letter = if start { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() };
        start = letter == '-';
        letter
    });
    letters.collect()
}

/// Why a header of this canonical name and value cannot be sent, if it cannot.
fn header_fault(name: &str, value: &str) -> Option<&'static str> {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_letter) {
        return Some("its name is none (RFC 9110, section 5.1)");
    }
    if HEADERS_OF_THE_GATEWAY.contains(&name) {
        return Some("only the gateway may set it");
    }
    let is_text = |byte: u8| byte == b'\t' || (byte >= b' ' && byte != 0x7f);
    (!value.bytes().all(is_text)).then_some("its value has a line break or another control character")
}

/// What a client may do with a resource: the answer to an access request, and to no other.
///
/// ```compile_fail,E0271
/// use res_service::{Call, Grant, Resource};
///
/// Resource::new("counter").call("add", |_: Call| async { Ok(Grant::all()) });
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    get: bool,
    call: String,
    /// What most grants do not have.
    more: Option<Box<MoreOfGrant>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct MoreOfGrant {
    wrong_method: Option<String>,
    meta: Meta,
}

impl Grant {
    /// Nothing.
    #[must_use]
    pub fn none() -> Self {
        Self { get: false, call: String::new(), more: None }
    }

    /// Seeing the resource, and what it references.
    #[must_use]
    pub fn get() -> Self {
        Self { get: true, ..Self::none() }
    }

    /// Seeing the resource and calling every method.
    #[must_use]
    pub fn all() -> Self {
        Self { get: true, call: "*".to_owned(), more: None }
    }

    /// Calling these methods, besides what is granted already.
    #[must_use]
    pub fn call<I: IntoIterator<Item = S>, S: AsRef<str>>(mut self, methods: I) -> Self {
        for method in methods {
            let method = method.as_ref();
            if !is_method(method) {
                self.more.get_or_insert_default().wrong_method = Some(method.to_owned());
            } else if self.call != "*" {
                if !self.call.is_empty() {
                    self.call.push(',');
                }
                self.call.push_str(method);
            }
        }
        self
    }

    /// The HTTP status to end the request with, like [`Reply::status`]. That of the call behind it, if there is one, comes
    /// first.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.more.get_or_insert_default().meta.set_status(status);
        self
    }

    /// An HTTP header to send with the answer, like [`Reply::header`].
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.more.get_or_insert_default().meta.add_header(name, value.into());
        self
    }

    /// The whole message; `meta` only if it means something.
    pub(crate) fn encode(mut self, is_http: bool) -> Result<Bytes, Error> {
        let meta = self.more.as_mut().map(|more| std::mem::take(&mut more.meta));
        let json = self.json()?;
        match meta {
            Some(meta) => meta.add_to(json, is_http),
            None => Ok(json),
        }
    }

    fn json(&self) -> Result<Bytes, Error> {
        if let Some(method) = self.more.as_ref().and_then(|more| more.wrong_method.as_ref()) {
            return Err(Error::internal(format!(
                "{method:?} cannot be granted: it is not the name of a method"
            )));
        }
        Ok(match (self.get, self.call.as_str()) {
            (true, "*") => Bytes::from_static(b"{\"result\":{\"get\":true,\"call\":\"*\"}}"),
            (true, "") => Bytes::from_static(b"{\"result\":{\"get\":true}}"),
            (false, "") => error_json(&Error::ACCESS_DENIED),
            (true, call) => serde_json::json!({"result": {"get": true, "call": call}}).to_string().into(),
            (false, call) => serde_json::json!({"result": {"call": call}}).to_string().into(),
        })
    }
}

/// The message of an error.
pub(crate) fn error_json(error: &Error) -> Bytes {
    #[derive(Serialize)]
    struct Message<'a> {
        error: &'a Error,
    }
    // Strings and a JSON text always serialise; should that ever change, an answer is still better than silence.
    serde_json::to_vec(&Message { error }).map_or_else(
        |_| {
            Bytes::from_static(
                b"{\"error\":{\"code\":\"system.internalError\",\"message\":\"Internal error\"}}",
            )
        },
        Bytes::from,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use serde_json::{Value, json};

    fn wire(bytes: &Bytes) -> Value {
        serde_json::from_slice(bytes).expect("valid JSON")
    }

    fn cause(error: &Error) -> String {
        std::error::Error::source(error).expect("a cause for the log").to_string()
    }

    #[test]
    fn r02_a_null_result_is_written() {
        assert_eq!(Reply::null().encode(false).expect("valid").as_ref(), b"{\"result\":null}");
        assert_eq!(
            Reply::result(&()).expect("null").encode(false).expect("valid").as_ref(),
            b"{\"result\":null}"
        );
    }

    #[test]
    fn r03_only_a_valid_resource_id_can_be_the_resource() {
        let reply = Reply::resource("tickets.hold.1?a=\"").expect("valid");
        assert_eq!(
            wire(&reply.encode(false).expect("valid")),
            json!({"resource": {"rid": "tickets.hold.1?a=\""}})
        );
        assert!(Reply::resource("a..b").is_err());
    }

    #[test]
    fn r05_r08_meta_is_sent_over_http_only_with_canonical_names_and_a_known_status() {
        let reply = Reply::null()
            .status(303)
            .header("set-COOKIE", "a=1")
            .header("Set-Cookie", "b=2")
            .header("location", "/x");
        assert_eq!(wire(&reply.clone().encode(false).expect("valid")), json!({"result": null}));
        assert_eq!(
            wire(&reply.encode(true).expect("valid")),
            json!({"result": null, "meta": {"status": 303, "header": {"Set-Cookie": ["a=1", "b=2"], "Location": ["/x"]}}})
        );
        assert_eq!(
            wire(&Reply::error(Error::ACCESS_DENIED).status(403).encode(true).expect("valid")),
            json!({"error": {"code": "system.accessDenied", "message": "Access denied"}, "meta": {"status": 403}})
        );
    }

    #[test]
    fn r05_r09_access_may_say_how_an_http_request_ends_too() {
        let grant = Grant::none().status(402).header("retry-after", "60");
        assert_eq!(
            wire(&grant.clone().encode(true).expect("valid")),
            json!({
                "error": {"code": "system.accessDenied", "message": "Access denied"},
                "meta": {"status": 402, "header": {"Retry-After": ["60"]}}
            })
        );
        assert!(wire(&grant.encode(false).expect("valid")).get("meta").is_none());
    }

    #[test]
    fn r05_r08_what_the_gateway_would_pass_over_or_must_not_see_is_refused() {
        for status in [0, 100, 200, 299, 600, 65_535] {
            for is_http in [true, false] {
                let refused =
                    Reply::null().status(status).encode(is_http).expect_err("no status of the protocol");
                assert_eq!(refused.kind(), ErrorKind::Internal, "{status}");
                assert!(cause(&refused).contains(&status.to_string()), "{refused:?}");
                assert!(Grant::get().status(status).encode(is_http).is_err(), "{status}");
            }
        }
        for (name, value) in [
            ("content-type", "text/html"),
            ("Access-Control-Allow-Origin", "*"),
            ("access-control-allow-credentials", "true"),
            ("sec-websocket-protocol", "x"),
            ("sec-websocket-accept", "x"),
            ("content-length", "1"),
            ("transfer-encoding", "chunked"),
            ("connection", "close"),
            ("upgrade", "x"),
            ("SEC-WEBSOCKET-EXTENSIONS", "x"),
            ("", "x"),
            ("a b", "x"),
            ("a:", "x"),
            ("ä", "x"),
            ("x", "a\r\nset-cookie: b=1"),
            ("x", "a\nb"),
            ("x", "\0"),
        ] {
            let refused = Reply::null().header(name, value).encode(true).expect_err(name);
            assert!(cause(&refused).contains("cannot be sent"), "{name:?}: {refused:?}");
            assert!(Grant::all().header(name, value).encode(false).is_err(), "{name:?}");
        }
        let fine = Reply::null().header("x-y_z.1", "a\tb \"ü\"").encode(true).expect("valid");
        assert_eq!(wire(&fine)["meta"]["header"]["X-Y_z.1"], json!(["a\tb \"ü\""]));
    }

    #[test]
    fn r12_the_predefined_errors_have_the_protocols_words() {
        for (error, code, message) in [
            (Error::NOT_FOUND, "system.notFound", "Not found"),
            (Error::INVALID_PARAMS, "system.invalidParams", "Invalid parameters"),
            (Error::INVALID_QUERY, "system.invalidQuery", "Invalid query"),
            (Error::INTERNAL_ERROR, "system.internalError", "Internal error"),
            (Error::METHOD_NOT_FOUND, "system.methodNotFound", "Method not found"),
            (Error::ACCESS_DENIED, "system.accessDenied", "Access denied"),
            (Error::TIMEOUT, "system.timeout", "Request timeout"),
        ] {
            let expected = format!("{{\"error\":{{\"code\":\"{code}\",\"message\":\"{message}\"}}}}");
            assert_eq!(error_json(&error), expected);
        }
    }

    #[test]
    fn r04_r13_a_custom_error_keeps_its_data_and_cannot_pose_as_the_gateways() {
        let error = Error::custom("tickets.seatTaken", "Taken")
            .with_data(&json!({"seat": "A-1"}))
            .caused_by("a secret");
        assert_eq!(
            wire(&error_json(&error)),
            json!({"error": {"code": "tickets.seatTaken", "message": "Taken", "data": {"seat": "A-1"}}})
        );
        for code in ["system.serviceUnavailable", "", "a..b", "a b"] {
            assert_eq!(Error::custom(code.to_owned(), "x").kind(), ErrorKind::Internal, "{code:?}");
        }
    }

    #[test]
    fn a03_a06_a_grant_lists_methods_without_spaces_and_nothing_granted_is_denied() {
        assert_eq!(wire(&Grant::get().encode(false).expect("valid")), json!({"result": {"get": true}}));
        assert_eq!(
            wire(&Grant::all().encode(false).expect("valid")),
            json!({"result": {"get": true, "call": "*"}})
        );
        let grant = Grant::get().call(["hold", "release"]).call(["sell"]);
        assert_eq!(
            wire(&grant.encode(false).expect("valid")),
            json!({"result": {"get": true, "call": "hold,release,sell"}})
        );
        let grant = Grant::none().call(["hold"]);
        assert_eq!(wire(&grant.encode(false).expect("valid")), json!({"result": {"call": "hold"}}));
        assert_eq!(
            wire(&Grant::none().encode(false).expect("valid"))["error"]["code"],
            "system.accessDenied"
        );
        for wrong in ["a b", "a,b", "", "a.b", "*"] {
            assert!(Grant::get().call([wrong]).encode(false).is_err(), "{wrong:?}");
        }
    }
}
