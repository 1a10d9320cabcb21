//! The error a handler answers with: what the client may know, and apart from it what only the log may.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::ser::SerializeStruct;
use serde_json::value::RawValue;

/// Of a long reason why parameters are refused, so many letters of its beginning and of its end are told.
const REASON_PART_LETTERS: usize = 100;

/// Any error, as lifecycle handlers and leases give it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// A RES error: `code` and `message` (and perhaps `data`) go to the client, the cause only to the log.
///
/// Codes are dot-separated; those that begin with `system.` belong to the protocol and are had only as the
/// constants of this type. Cloning is cheap.
///
/// ```
/// use res_service::{Error, ErrorKind};
///
/// let error = Error::custom("tickets.seatTaken", "The seat is taken").with_data(&serde_json::json!({"seat": "A-12"}));
/// assert_eq!(error.to_string(), "tickets.seatTaken: The seat is taken");
/// match error.kind() {
///     ErrorKind::Custom("tickets.seatTaken") => {}
///     other => panic!("{other:?}"),
/// }
/// ```
#[derive(Clone)]
pub struct Error {
    code: Cow<'static, str>,
    message: Cow<'static, str>,
    data: Option<Arc<RawValue>>,
    cause: Option<Arc<dyn std::error::Error + Send + Sync + 'static>>,
}

/// What an [`Error`] is, to be matched; whatever its message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind<'a> {
    /// `system.notFound`, as of [`Error::NOT_FOUND`].
    NotFound,
    /// `system.invalidParams`, as of [`Error::INVALID_PARAMS`].
    InvalidParams,
    /// `system.invalidQuery`, as of [`Error::INVALID_QUERY`].
    InvalidQuery,
    /// `system.internalError`, as of [`Error::INTERNAL_ERROR`]. What the library itself could not do is of this kind, with
    /// the reason as its cause.
    Internal,
    /// `system.methodNotFound`, as of [`Error::METHOD_NOT_FOUND`].
    MethodNotFound,
    /// `system.accessDenied`, as of [`Error::ACCESS_DENIED`].
    AccessDenied,
    /// `system.timeout`, as of [`Error::TIMEOUT`].
    Timeout,
    /// Any other code: one of the service's own, as of [`Error::custom`].
    Custom(&'a str),
}

impl Error {
    /// The resource does not exist. From `get` only when it really is absent: a gateway that refreshes a resource
    /// takes this as its deletion.
    pub const NOT_FOUND: Self = Self::predefined("system.notFound", "Not found");
    /// The parameters are not what the method takes.
    pub const INVALID_PARAMS: Self = Self::predefined("system.invalidParams", "Invalid parameters");
    /// The query is not what the resource takes.
    pub const INVALID_QUERY: Self = Self::predefined("system.invalidQuery", "Invalid query");
    /// Something failed inside the service.
    pub const INTERNAL_ERROR: Self = Self::predefined("system.internalError", "Internal error");
    /// The resource has no such method.
    pub const METHOD_NOT_FOUND: Self = Self::predefined("system.methodNotFound", "Method not found");
    /// The client may not do this.
    pub const ACCESS_DENIED: Self = Self::predefined("system.accessDenied", "Access denied");
    /// The service took too long.
    pub const TIMEOUT: Self = Self::predefined("system.timeout", "Request timeout");

    const fn predefined(code: &'static str, message: &'static str) -> Self {
        Self { code: Cow::Borrowed(code), message: Cow::Borrowed(message), data: None, cause: None }
    }

    /// An error of the service itself, e.g. `tickets.seatTaken`.
    ///
    /// A code that begins with `system.`, is empty or holds anything but letters, digits, `_`, `-` and dots is a
    /// programming error; it becomes [`Error::INTERNAL_ERROR`] with that as its cause, so it is seen in the log.
    #[must_use]
    pub fn custom(code: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        let code = code.into();
        let letters = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        };
        if code.starts_with("system.") || !code.split('.').all(letters) {
            return Self::INTERNAL_ERROR.caused_by(format!(
                "the custom error code {code:?} is not allowed: use dot-separated names that do not begin with \"system.\""
            ));
        }
        Self { code, message: message.into(), data: None, cause: None }
    }

    /// An error that somebody else has answered with, whatever its code.
    #[cfg(feature = "test-kit")]
    pub(crate) fn received(code: String, message: String) -> Self {
        Self { code: code.into(), message: message.into(), data: None, cause: None }
    }

    /// [`Error::INTERNAL_ERROR`] with a cause for the log.
    #[must_use]
    pub fn internal(cause: impl Into<BoxError>) -> Self {
        Self::INTERNAL_ERROR.caused_by(cause)
    }

    /// What it is, to be matched.
    pub fn kind(&self) -> ErrorKind<'_> {
        match &*self.code {
            "system.notFound" => ErrorKind::NotFound,
            "system.invalidParams" => ErrorKind::InvalidParams,
            "system.invalidQuery" => ErrorKind::InvalidQuery,
            "system.internalError" => ErrorKind::Internal,
            "system.methodNotFound" => ErrorKind::MethodNotFound,
            "system.accessDenied" => ErrorKind::AccessDenied,
            "system.timeout" => ErrorKind::Timeout,
            code => ErrorKind::Custom(code),
        }
    }

    /// The dot-separated code, for programs: `system.notFound`, `tickets.seatTaken`.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// One sentence for people.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The same error with another message.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.message = message.into();
        self
    }

    /// The same error with data for the client's program. Data that cannot be written as JSON is left out.
    #[must_use]
    pub fn with_data<T: Serialize + ?Sized>(mut self, data: &T) -> Self {
        match serde_json::value::to_raw_value(data) {
            Ok(raw) => self.data = Some(Arc::from(raw)),
            Err(error) => {
                tracing::warn!(error.code = %self.code, "the data of an error is left out: {error}")
            }
        }
        self
    }

    /// The same error with its cause, which is logged and never sent.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<BoxError>) -> Self {
        self.cause = Some(Arc::from(cause.into()));
        self
    }

    /// The data as JSON text.
    pub fn data_json(&self) -> Option<&str> {
        self.data.as_deref().map(RawValue::get)
    }

    /// The cause and what caused it, joined for one line of the log.
    pub(crate) fn cause_chain(&self) -> Option<String> {
        let mut text = self.cause.as_ref()?.to_string();
        let mut source = self.cause.as_ref()?.source();
        while let Some(error) = source {
            text.push_str(": ");
            text.push_str(&error.to_string());
            source = error.source();
        }
        Some(text)
    }

    pub(crate) fn is_not_found(&self) -> bool {
        self.kind() == ErrorKind::NotFound
    }

    /// Whether the fault lies with the service.
    pub(crate) fn is_internal(&self) -> bool {
        matches!(self.kind(), ErrorKind::Internal | ErrorKind::Timeout)
    }

    /// Whether asking again later may help. A get that answers with anything but these two leaves a gateway with its old
    /// state and without the changes of meanwhile.
    pub(crate) fn may_pass(&self) -> bool {
        !matches!(self.kind(), ErrorKind::NotFound | ErrorKind::InvalidQuery)
    }
}

impl PartialEq for Error {
    fn eq(&self, other: &Self) -> bool {
        self.code == other.code && self.message == other.message && self.data_json() == other.data_json()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.code, self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Error")
            .field("code", &self.code)
            .field("message", &self.message)
            .field("data", &self.data_json())
            .field("cause", &self.cause_chain())
            .finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn std::error::Error + 'static))
    }
}

impl Serialize for Error {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let members = if self.data.is_some() { 3 } else { 2 };
        let mut object = serializer.serialize_struct("Error", members)?;
        object.serialize_field("code", &self.code)?;
        object.serialize_field("message", &self.message)?;
        if let Some(data) = &self.data {
            object.serialize_field("data", &**data)?;
        }
        object.end()
    }
}

/// JSON that could not be read or written in a handler: a fault of the service, whose words are not for the client.
/// (`params` says itself what is wrong with parameters.)
impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::internal(error)
    }
}

impl Error {
    /// Parameters that serde could not read at `place`, which may be empty.
    pub(crate) fn invalid_params(error: &serde_json::Error, place: &str) -> Self {
        let reason = words_of(error);
        let reason = shortened(&reason);
        let colon = if place.is_empty() { "" } else { ": " };
        Self::INVALID_PARAMS.with_message(format!("Invalid parameters: {place}{colon}{reason}"))
    }
}

/// What serde says, without "… at line 1 column 7", which speaks of a text that the client never saw as such.
pub(crate) fn words_of(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((reason, _)) if error.line() > 0 => reason.to_owned(),
        _ => text,
    }
}

/// The beginning and the end of a long text. serde repeats what it cannot read, and a client may have sent a mebibyte.
fn shortened(text: &str) -> std::borrow::Cow<'_, str> {
    let mut letters = text.char_indices();
    let (Some((head, _)), Some((tail, _))) =
        (letters.nth(REASON_PART_LETTERS), letters.nth_back(REASON_PART_LETTERS))
    else {
        return text.into();
    };
    format!("{} … {}", &text[..head], &text[tail..]).into()
}
