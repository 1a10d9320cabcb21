//! What a get handler answers: a model or a collection, serialised once and kept as text, so that answering is
//! copying and comparing two states is comparing bytes (which is also how gateways compare).

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use serde::Serialize;

use crate::difference::{Step, steps};
use crate::error::Error;
use crate::name::check_resource_id;
use crate::value::{Ref, refusal};

mod scanner;

use scanner::{Scanner, Span};

/// A collection that changed in more steps than this is announced by one reset of it.
const STEPS_MAX: usize = 256;

/// A model: an object whose properties are primitives, [`Ref`]s, [`SoftRef`](crate::SoftRef)s or [`Data`](crate::Data).
#[derive(Debug, Clone)]
pub struct Model {
    json: Bytes,
    properties: Vec<(Span, Span)>,
    query: Option<String>,
}

/// A collection: an array whose items are primitives, [`Ref`]s, [`SoftRef`](crate::SoftRef)s or [`Data`](crate::Data).
#[derive(Debug, Clone)]
pub struct Collection {
    json: Bytes,
    items: Vec<Span>,
    query: Option<String>,
}

impl Model {
    /// A model from anything that serialises to a JSON object.
    ///
    /// A nested array or object that is not in a [`Data`](crate::Data) or a reference is refused here, as a gateway
    /// would refuse the whole resource.
    pub fn from_serialize<T: Serialize + ?Sized>(value: &T) -> Result<Self, Error> {
        Self::from_valid(serde_json::to_vec(value).map_err(Error::internal)?.into())
    }

    /// A model from JSON text.
    pub fn from_json(json: impl Into<Bytes>) -> Result<Self, Error> {
        let json = json.into();
        serde_json::from_slice::<&serde_json::value::RawValue>(&json).map_err(Error::internal)?;
        Self::from_valid(json)
    }

    /// Marks the answer of a query resource with its normalised query (without `?`): equal queries must give equal texts.
    #[must_use]
    pub fn query(mut self, normalised: impl Into<String>) -> Self {
        self.query = Some(normalised.into());
        self
    }

    /// The model as JSON text.
    pub fn json(&self) -> &Bytes {
        &self.json
    }

    fn from_valid(json: Bytes) -> Result<Self, Error> {
        let mut scanner = Scanner::new(&json)?;
        let mut properties = Vec::new();
        scanner.open(b'{').map_err(|_| Error::internal("a model must serialise to a JSON object"))?;
        while !scanner.closes(b'}') {
            let key = scanner.value()?;
            scanner.skip(b':');
            let value = scanner.value()?;
            scanner.skip(b',');
            if let Some(reason) = refusal(text(&json, &value)) {
                return Err(Error::internal(format!("property {} of a model: {reason}", text(&json, &key))));
            }
            properties.push((key, value));
        }
        let model = Self { json, properties, query: None };
        if let Some(rewritten) = model.with_plain_names()? {
            return Self::from_valid(rewritten.into());
        }
        if let Some(name) = model.repeated_name() {
            return Err(Error::internal(format!(
                "a model has the property {name} twice, of which clients would see only one"
            )));
        }
        Ok(model)
    }

    /// The text with every name in the one spelling that serde gives it, if one has another: names are compared by
    /// their text.
    fn with_plain_names(&self) -> Result<Option<String>, Error> {
        let mut names = self.keys().filter(|name| name.contains('\\'));
        let is_plain = |name: &str| Ok::<_, Error>(plain(name)? == name);
        if names.try_fold(true, |all, name| Ok::<_, Error>(all && is_plain(name)?))? {
            return Ok(None);
        }
        let mut rewritten = String::with_capacity(self.json.len());
        for (name, value) in self.pairs() {
            rewritten.push(if rewritten.is_empty() { '{' } else { ',' });
            rewritten.push_str(&plain(name)?);
            rewritten.push(':');
            rewritten.push_str(value);
        }
        rewritten.push('}');
        Ok(Some(rewritten))
    }

    fn repeated_name(&self) -> Option<&str> {
        // What comes from a sorted map needs no table.
        if self.keys().zip(self.keys().skip(1)).all(|(one, next)| one < next) {
            return None;
        }
        let mut seen = HashSet::with_capacity(self.properties.len());
        self.keys().find(|name| !seen.insert(*name))
    }

    /// The changed, new and vanished properties as the text of a change's `values`, or `None` if all are equal.
    pub(crate) fn changes_from(&self, before: &Self) -> Option<String> {
        let mut values = String::new();
        let mut push = |key: &str, value: &str| {
            values.push(if values.is_empty() { '{' } else { ',' });
            values.push_str(key);
            values.push(':');
            values.push_str(value);
        };
        let same_keys = self.properties.len() == before.properties.len()
            && self.keys().zip(before.keys()).all(|(now, earlier)| now == earlier);
        if same_keys {
            for ((key, now), (_, earlier)) in self.pairs().zip(before.pairs()) {
                if now != earlier {
                    push(key, now);
                }
            }
        } else {
            let earlier: HashMap<&str, &str> = before.pairs().collect();
            let now: HashMap<&str, &str> = self.pairs().collect();
            for (key, value) in self.pairs() {
                if earlier.get(key) != Some(&value) {
                    push(key, value);
                }
            }
            for key in before.keys().filter(|key| !now.contains_key(key)) {
                push(key, r#"{"action":"delete"}"#);
            }
        }
        if values.is_empty() {
            return None;
        }
        values.push('}');
        Some(values)
    }

    fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.properties.iter().map(|(key, value)| (text(&self.json, key), text(&self.json, value)))
    }

    fn keys(&self) -> impl Iterator<Item = &str> {
        self.properties.iter().map(|(key, _)| text(&self.json, key))
    }
}

impl Collection {
    /// A collection from anything that serialises to a JSON array, with the rule of [`Model::from_serialize`].
    pub fn from_serialize<T: Serialize + ?Sized>(value: &T) -> Result<Self, Error> {
        Self::from_valid(serde_json::to_vec(value).map_err(Error::internal)?.into())
    }

    /// A collection from JSON text.
    pub fn from_json(json: impl Into<Bytes>) -> Result<Self, Error> {
        let json = json.into();
        serde_json::from_slice::<&serde_json::value::RawValue>(&json).map_err(Error::internal)?;
        Self::from_valid(json)
    }

    /// A collection of references to resources.
    pub fn references<I: IntoIterator<Item = S>, S: Into<String>>(resource_ids: I) -> Result<Self, Error> {
        Self::from_serialize(&resource_ids.into_iter().map(Ref::new).collect::<Result<Vec<_>, _>>()?)
    }

    /// Marks the answer of a query resource with its normalised query, as [`Model::query`] does.
    #[must_use]
    pub fn query(mut self, normalised: impl Into<String>) -> Self {
        self.query = Some(normalised.into());
        self
    }

    /// The collection as JSON text.
    pub fn json(&self) -> &Bytes {
        &self.json
    }

    fn from_valid(json: Bytes) -> Result<Self, Error> {
        let mut scanner = Scanner::new(&json)?;
        let mut items = Vec::new();
        scanner.open(b'[').map_err(|_| Error::internal("a collection must serialise to a JSON array"))?;
        while !scanner.closes(b']') {
            let item = scanner.value()?;
            scanner.skip(b',');
            if let Some(reason) = refusal(text(&json, &item)) {
                return Err(Error::internal(format!("item {} of a collection: {reason}", items.len())));
            }
            items.push(item);
        }
        Ok(Self { json, items, query: None })
    }

    pub(crate) fn items(&self) -> Vec<&str> {
        self.items.iter().map(|item| text(&self.json, item)).collect()
    }
}

/// The answer of a get handler, of either kind.
#[derive(Debug, Clone)]
pub enum Snapshot {
    /// Properties by name.
    Model(Model),
    /// Items in order.
    Collection(Collection),
}

impl Snapshot {
    pub(crate) fn query(&self) -> Option<&str> {
        match self {
            Self::Model(model) => model.query.as_deref(),
            Self::Collection(collection) => collection.query.as_deref(),
        }
    }

    /// The names and payloads of the changes that lead here from an earlier state; `None` if that takes too many.
    pub(crate) fn changes_from(&self, earlier: &Self) -> Option<Vec<(&'static str, Bytes)>> {
        match (earlier, self) {
            (Self::Model(earlier), Self::Model(later)) => {
                let values = later.changes_from(earlier);
                Some(
                    values
                        .map(|values| ("change", format!("{{\"values\":{values}}}").into()))
                        .into_iter()
                        .collect(),
                )
            }
            (Self::Collection(earlier), Self::Collection(later)) => {
                let items = later.items();
                let message = |step| match step {
                    Step::Remove(at) => ("remove", format!("{{\"idx\":{at}}}").into()),
                    Step::Add { at, from } => {
                        ("add", format!("{{\"value\":{},\"idx\":{at}}}", items[from]).into())
                    }
                };
                let steps = steps(&earlier.items(), &items, STEPS_MAX)?;
                Some(steps.into_iter().map(message).collect())
            }
            _ => {
                tracing::error!(
                    "a resource was a model and is a collection now (or the reverse): gateways keep the old state"
                );
                Some(Vec::new())
            }
        }
    }

    /// The whole reply to a get request.
    pub(crate) fn get_reply(&self) -> Result<Vec<u8>, Error> {
        let (kind, json) = match self {
            Self::Model(model) => ("model", &model.json),
            Self::Collection(collection) => ("collection", &collection.json),
        };
        let mut reply = Vec::with_capacity(json.len() + 64);
        reply.extend_from_slice(b"{\"result\":{\"");
        reply.extend_from_slice(kind.as_bytes());
        reply.extend_from_slice(b"\":");
        reply.extend_from_slice(json);
        if let Some(query) = self.query() {
            reply.extend_from_slice(b",\"query\":");
            serde_json::to_writer(&mut reply, query).map_err(Error::internal)?;
        }
        reply.extend_from_slice(b"}}");
        Ok(reply)
    }

    /// The reply to a request of a query change: the whole state, which the gateway compares by itself.
    pub(crate) fn query_reply(&self) -> Vec<u8> {
        let (head, json): (&[u8], _) = match self {
            Self::Model(model) => (b"{\"result\":{\"model\":", &model.json),
            Self::Collection(collection) => (b"{\"result\":{\"collection\":", &collection.json),
        };
        [head, json, b"}}"].concat()
    }
}

impl From<Model> for Snapshot {
    fn from(model: Model) -> Self {
        Self::Model(model)
    }
}

impl From<Collection> for Snapshot {
    fn from(collection: Collection) -> Self {
        Self::Collection(collection)
    }
}

/// Checks the resource id of a `resource` answer.
pub(crate) fn checked_resource_id(resource_id: String) -> Result<String, Error> {
    check_resource_id(&resource_id).map(|()| resource_id)
}

/// A name as serde writes it.
fn plain(name: &str) -> Result<String, Error> {
    let decoded: String = serde_json::from_str(name).map_err(Error::internal)?;
    serde_json::to_string(&decoded).map_err(Error::internal)
}

fn text<'a>(json: &'a Bytes, span: &Span) -> &'a str {
    // The spans lie between ASCII marks of a text that serde has read as UTF-8.
    std::str::from_utf8(&json[span.start as usize..span.end as usize]).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn model(value: &Value) -> Model {
        Model::from_serialize(value).expect("valid model")
    }

    #[test]
    fn e04_a_change_names_changed_new_and_vanished_properties_only() {
        let before = model(&json!({"a": 1, "b": "x", "c": true, "d": {"data": [1, {"e": "}\\\""}]}}));
        let after = model(&json!({"a": 1, "b": "y", "d": {"data": [1, {"e": "}\\\""}]}, "f": null}));
        let change: Value =
            serde_json::from_str(&after.changes_from(&before).expect("changed")).expect("JSON");
        assert_eq!(change, json!({"b": "y", "c": {"action": "delete"}, "f": null}));
        assert_eq!(before.changes_from(&before.clone()), None);
    }

    #[test]
    fn g02_the_empty_model_and_the_empty_collection_are_valid() {
        let reply = Snapshot::from(model(&json!({}))).get_reply().expect("reply");
        assert_eq!(reply, br#"{"result":{"model":{}}}"#);
        let reply = Snapshot::from(Collection::from_serialize(&json!([])).expect("valid"))
            .get_reply()
            .expect("reply");
        assert_eq!(reply, br#"{"result":{"collection":[]}}"#);
    }

    #[test]
    fn g03_the_normalised_query_is_escaped_in_the_answer() {
        let reply = Snapshot::from(model(&json!({"a": 1})).query("a=\"&b")).get_reply().expect("reply");
        assert_eq!(reply, br#"{"result":{"model":{"a":1},"query":"a=\"&b"}}"#);
    }

    #[test]
    fn g05_a_nested_value_is_refused_with_its_place() {
        let error = Model::from_serialize(&json!({"seats": [1]})).expect_err("nested");
        assert!(
            error.cause_chain().is_some_and(|cause| cause.contains("\"seats\"") && cause.contains("Data"))
        );
        let error = Collection::from_serialize(&json!([1, {"a": 1}])).expect_err("nested");
        assert!(error.cause_chain().is_some_and(|cause| cause.contains("item 1")));
        assert!(Model::from_serialize(&json!([1])).is_err());
        assert!(Collection::from_serialize(&json!({})).is_err());
        assert!(Model::from_json("{\"a\":").is_err());
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<i32>().prop_map(|eighths| Value::from(f64::from(eighths) / 8.0)),
            ".*".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map(".*", inner, 0..4).prop_map(|map| map.into_iter().collect()),
            ]
            .prop_map(|nested: Value| json!({"data": nested}))
        })
    }

    proptest! {
        #[test]
        fn the_properties_found_are_those_serde_finds(
            object in prop::collection::hash_map(".*", any_value(), 0..6), pretty in any::<bool>(),
        ) {
            let value: Value = object.into_iter().collect();
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.expect("text");
            let model = Model::from_json(text).expect("valid");
            let found: Value = model
                .pairs()
                .map(|(key, value)| {
                    (serde_json::from_str::<String>(key).expect("key"), serde_json::from_str::<Value>(value).expect("value"))
                })
                .collect();
            prop_assert_eq!(found, value);
        }

        #[test]
        fn applying_a_change_to_the_earlier_model_gives_the_later_one(
            before in prop::collection::btree_map("[a-d]", any_value(), 0..4),
            after in prop::collection::btree_map("[a-d]", any_value(), 0..4),
        ) {
            let (before, after): (Value, Value) = (before.into_iter().collect(), after.into_iter().collect());
            let mut applied = before.clone();
            let members = applied.as_object_mut().expect("object");
            if let Some(values) = model(&after).changes_from(&model(&before)) {
                let values: serde_json::Map<String, Value> = serde_json::from_str(&values).expect("JSON");
                for (key, value) in values {
                    if value == json!({"action": "delete"}) { members.remove(&key); } else { members.insert(key, value); }
                }
            }
            prop_assert_eq!(applied, after);
        }
    }
}
