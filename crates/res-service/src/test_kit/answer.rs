//! Answers as tests read them.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::Error;

/// The answer to one request.
///
/// What reads a part of it ([`Answer::result`], [`Answer::model`], …) panics when the answer is of another kind, with
/// the whole answer in the message; [`Answer::json`] never does.
#[derive(Debug, Clone)]
pub struct Answer {
    subject: String,
    json: Value,
    pre_responses: Vec<String>,
}

/// What an access request was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Granted {
    /// Whether the client may see the resource.
    pub get: bool,
    /// The methods it may call; `*` stands for all.
    pub call: Vec<String>,
}

impl Granted {
    /// Whether the client may call a method.
    pub fn may_call(&self, method: &str) -> bool {
        self.call.iter().any(|granted| granted == "*" || granted == method)
    }
}

impl Answer {
    pub(crate) fn read(subject: &str, payload: &Bytes, pre_responses: Vec<String>) -> Result<Self, String> {
        let json = serde_json::from_slice(payload).map_err(|error| {
            format!("the answer to {subject} is not JSON ({error}): {:?}", String::from_utf8_lossy(payload))
        })?;
        Ok(Self { subject: subject.to_owned(), json, pre_responses })
    }

    /// The whole answer.
    pub fn json(&self) -> &Value {
        &self.json
    }

    /// The pre-responses that came before it, e.g. `timeout:"10000"`.
    pub fn pre_responses(&self) -> &[String] {
        &self.pre_responses
    }

    /// The result as `T`.
    ///
    /// # Panics
    ///
    /// When the answer is an error or a resource, and when `T` does not take the result.
    #[track_caller]
    pub fn result<T: DeserializeOwned>(&self) -> T {
        self.part("/result", "result")
    }

    /// The model that a get was answered as `T`.
    ///
    /// # Panics
    ///
    /// When the answer has none, and when `T` does not take it.
    #[track_caller]
    pub fn model<T: DeserializeOwned>(&self) -> T {
        self.part("/result/model", "model")
    }

    /// The collection that a get was answered as `T`.
    ///
    /// # Panics
    ///
    /// When the answer has none, and when `T` does not take it.
    #[track_caller]
    pub fn collection<T: DeserializeOwned>(&self) -> T {
        self.part("/result/collection", "collection")
    }

    /// The normalised query that came with a model or collection.
    pub fn query(&self) -> Option<&str> {
        self.json.pointer("/result/query")?.as_str()
    }

    /// The resource id that a call or authentication was answered with.
    ///
    /// # Panics
    ///
    /// When the answer is an error or a result.
    #[track_caller]
    pub fn resource(&self) -> String {
        self.part("/resource/rid", "resource")
    }

    /// The error.
    ///
    /// ```no_run
    /// # async fn run(session: &res_service::test_kit::Session) {
    /// assert_eq!(session.get("example.missing").await.error(), res_service::Error::NOT_FOUND);
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// When the answer is no error.
    #[track_caller]
    pub fn error(&self) -> Error {
        let text = |member: &str| -> String { self.part(&format!("/error/{member}"), "error") };
        let error = Error::received(text("code"), text("message"));
        match self.json.pointer("/error/data") {
            Some(data) => error.with_data(data),
            None => error,
        }
    }

    /// What an access request grants; an error grants nothing.
    pub fn granted(&self) -> Granted {
        let methods = self.json.pointer("/result/call").and_then(Value::as_str).unwrap_or_default();
        let methods = methods.split(',').filter(|method| !method.is_empty());
        let get = self.json.pointer("/result/get").and_then(Value::as_bool).unwrap_or(false);
        Granted { get, call: methods.map(str::to_owned).collect() }
    }

    /// The HTTP status, if the answer sets one.
    pub fn status(&self) -> Option<u16> {
        u16::try_from(self.json.pointer("/meta/status")?.as_u64()?).ok()
    }

    /// The values of an HTTP header of the answer, by its canonical name: `Set-Cookie`.
    pub fn header(&self, name: &str) -> Vec<&str> {
        let values = self.json.pointer("/meta/header").and_then(|headers| headers.get(name)?.as_array());
        values.into_iter().flatten().filter_map(Value::as_str).collect()
    }

    #[track_caller]
    fn part<T: DeserializeOwned>(&self, pointer: &str, what: &str) -> T {
        let Some(part) = self.json.pointer(pointer) else {
            panic!("the answer to {} has no {what}: {}", self.subject, self.json);
        };
        match serde_json::from_value(part.clone()) {
            Ok(value) => value,
            Err(error) => panic!("the {what} of the answer to {} is another: {error}: {part}", self.subject),
        }
    }
}
