//! What the resources are made of, as a database would hold it, and what was asked about them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use res_service::Error;
use serde_json::{Value, json};

#[derive(Clone, Default)]
pub(crate) struct Truth(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    states: HashMap<String, Value>,
    asked: HashMap<String, Vec<Value>>,
}

impl Truth {
    /// The state of a resource; `null` stands for one that is gone, and `{"failsWith": "…"}` for a broken database.
    pub(crate) fn read(&self, name: &str, default: Value) -> Result<Value, Error> {
        let state = self.0.lock().unwrap().states.get(name).cloned().unwrap_or(default);
        if let Some(reason) = state.get("failsWith").and_then(Value::as_str) {
            return Err(Error::internal(reason.to_owned()));
        }
        if state.is_null() { Err(Error::NOT_FOUND) } else { Ok(state) }
    }

    pub(crate) fn write(&self, name: &str, state: Value) {
        self.0.lock().unwrap().states.insert(name.to_owned(), state);
    }

    /// Takes note of a request.
    pub(crate) fn note(&self, request: &str, details: Value) {
        self.0.lock().unwrap().asked.entry(request.to_owned()).or_default().push(details);
    }

    /// What was noted of such requests so far.
    pub(crate) fn noted(&self, request: &str) -> Value {
        json!(self.0.lock().unwrap().asked.get(request).cloned().unwrap_or_default())
    }
}
