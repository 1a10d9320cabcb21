//! What a get handler answers: a model or a collection, serialised once and kept as text, so that answering is
//! copying and comparing two states is comparing bytes (which is also how gateways compare).

mod scanner;
mod written;

use std::collections::HashMap;

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::difference::{Step, steps};
use crate::error::Error;
use crate::name::check_resource_id;
use crate::value::Ref;

pub(crate) use self::written::write_between;
use self::written::{Kind, Written};

/// A collection that changed in more steps than this is announced by one reset of it.
const STEPS_MAX: usize = 256;

/// A model: an object whose properties are primitives, [`Ref`]s, [`SoftRef`](crate::SoftRef)s or [`Data`](crate::Data).
///
/// It is made to be answered. A service that keeps some for later keeps clones, which take no more than their text: the first
/// of it may lie in a larger buffer.
#[derive(Debug, Clone)]
pub struct Model {
    written: Written,
    query: Option<String>,
}

/// A collection: an array whose items are primitives, [`Ref`]s, [`SoftRef`](crate::SoftRef)s or [`Data`](crate::Data).
///
/// Made to be answered, as a [`Model`] is.
#[derive(Debug, Clone)]
pub struct Collection {
    written: Written,
    query: Option<String>,
}

impl Model {
    /// A model from anything that serialises to a JSON object.
    ///
    /// A nested array or object that is not in a [`Data`](crate::Data) or a reference is refused here, as a gateway
    /// would refuse the whole resource.
    ///
    /// # Errors
    ///
    /// [`Error::INTERNAL_ERROR`], with the reason and its place as its cause.
    pub fn from_serialize<T: Serialize + ?Sized>(value: &T) -> Result<Self, Error> {
        Ok(Self { written: Written::serialize(Kind::Model, value)?, query: None })
    }

    /// A model from JSON text.
    ///
    /// # Errors
    ///
    /// Those of `from_serialize`, and when the text is not JSON.
    pub fn from_json(json: impl Into<Bytes>) -> Result<Self, Error> {
        let json = json.into();
        serde_json::from_slice::<&RawValue>(&json).map_err(Error::internal)?;
        Ok(Self { written: Written::copy(Kind::Model, &json)?, query: None })
    }

    /// Marks the answer of a query resource with its normalised query (without `?`): equal queries must give equal texts.
    /// An empty one is none, as gateways have it: then this is the state of the resource without a query.
    #[must_use]
    pub fn query(mut self, normalised: impl Into<String>) -> Self {
        self.query = Some(normalised.into()).filter(|query| !query.is_empty());
        self
    }

    /// The model as JSON text.
    pub fn json(&self) -> Bytes {
        self.written.json()
    }

    /// What a change says that leads here: the changed, new and vanished properties, or `None` if all are equal.
    pub(crate) fn changes_from(&self, before: &Self) -> Option<Bytes> {
        if self.written.answer() == before.written.answer() {
            return None;
        }
        let (now, earlier) = (self.properties(), before.properties());
        let mut change = Vec::with_capacity(128);
        let mut push = |key: &[u8], value: &[u8]| {
            let mark: &[u8] = if change.is_empty() { b"{\"values\":{" } else { b"," };
            for text in [mark, key, b":", value] {
                change.extend_from_slice(text);
            }
        };
        let has_same_keys = now.len() == earlier.len()
            && now.clone().zip(earlier.clone()).all(|(now, earlier)| now.0 == earlier.0);
        if has_same_keys {
            for ((key, value), (_, before)) in now.zip(earlier) {
                if value != before {
                    push(key, value);
                }
            }
        } else {
            let before: HashMap<&[u8], &[u8]> = earlier.clone().collect();
            let after: HashMap<&[u8], &[u8]> = now.clone().collect();
            for (key, value) in now {
                if before.get(key) != Some(&value) {
                    push(key, value);
                }
            }
            for (key, _) in earlier.filter(|(key, _)| !after.contains_key(key)) {
                push(key, br#"{"action":"delete"}"#);
            }
        }
        if change.is_empty() {
            return None;
        }
        change.extend_from_slice(b"}}");
        Some(change.into())
    }

    fn properties(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> + Clone {
        self.written.pairs()
    }
}

impl Collection {
    /// A collection from anything that serialises to a JSON array, with the rule of [`Model::from_serialize`].
    ///
    /// # Errors
    ///
    /// [`Error::INTERNAL_ERROR`], with the reason and its place as its cause.
    pub fn from_serialize<T: Serialize + ?Sized>(value: &T) -> Result<Self, Error> {
        Ok(Self { written: Written::serialize(Kind::Collection, value)?, query: None })
    }

    /// A collection of references to resources.
    ///
    /// # Errors
    ///
    /// [`Error::INTERNAL_ERROR`] when one of them is not a valid resource id.
    pub fn references<I: IntoIterator<Item = S>, S: Into<String>>(resource_ids: I) -> Result<Self, Error> {
        Self::from_serialize(&resource_ids.into_iter().map(Ref::new).collect::<Result<Vec<_>, _>>()?)
    }

    /// Marks the answer of a query resource with its normalised query, as [`Model::query`] does.
    #[must_use]
    pub fn query(mut self, normalised: impl Into<String>) -> Self {
        self.query = Some(normalised.into()).filter(|query| !query.is_empty());
        self
    }

    /// A collection from JSON text.
    ///
    /// # Errors
    ///
    /// Those of `from_serialize`, and when the text is not JSON.
    pub fn from_json(json: impl Into<Bytes>) -> Result<Self, Error> {
        let json = json.into();
        serde_json::from_slice::<&RawValue>(&json).map_err(Error::internal)?;
        Ok(Self { written: Written::copy(Kind::Collection, &json)?, query: None })
    }

    /// The collection as JSON text.
    pub fn json(&self) -> Bytes {
        self.written.json()
    }

    pub(crate) fn items(&self) -> Vec<&[u8]> {
        self.written.items().collect()
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

    /// Whether this is the same state, byte for byte.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.written().answer() == other.written().answer()
    }

    /// The names and payloads of the changes that lead here from an earlier state; `None` if that takes too many.
    pub(crate) fn changes_from(&self, earlier: &Self) -> Option<Vec<(&'static str, Bytes)>> {
        match (earlier, self) {
            (Self::Model(earlier), Self::Model(later)) => {
                Some(later.changes_from(earlier).map(|change| ("change", change)).into_iter().collect())
            }
            (Self::Collection(earlier), Self::Collection(later)) => {
                let items = later.items();
                let message = |step| match step {
                    Step::Remove(at) => ("remove", format!("{{\"idx\":{at}}}").into()),
                    Step::Add { at, from } => {
                        let at = format!(",\"idx\":{at}}}");
                        ("add", [b"{\"value\":", items[from], at.as_bytes()].concat().into())
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

    fn written(&self) -> &Written {
        match self {
            Self::Model(model) => &model.written,
            Self::Collection(collection) => &collection.written,
        }
    }

    /// The whole reply to a get request.
    pub(crate) fn reply(&self) -> Result<Bytes, Error> {
        let Some(query) = self.query() else { return Ok(self.query_reply()) };
        let mut reply = self.written().answer_without_end().to_vec();
        reply.extend_from_slice(b",\"query\":");
        serde_json::to_writer(&mut reply, query).map_err(Error::internal)?;
        reply.extend_from_slice(b"}}");
        Ok(reply.into())
    }

    /// The reply to a request of a query change: the whole state, which the gateway compares by itself.
    pub(crate) fn query_reply(&self) -> Bytes {
        self.written().shared_answer()
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
            serde_json::from_slice(&after.changes_from(&before).expect("changed")).expect("JSON");
        assert_eq!(change, json!({"values": {"b": "y", "c": {"action": "delete"}, "f": null}}));
        assert_eq!(before.changes_from(&before.clone()), None);
    }

    #[test]
    fn g02_the_empty_model_and_the_empty_collection_are_valid() {
        let reply = Snapshot::from(model(&json!({}))).reply().expect("reply");
        assert_eq!(reply, br#"{"result":{"model":{}}}"#.as_slice());
        let reply =
            Snapshot::from(Collection::from_serialize(&json!([])).expect("valid")).reply().expect("reply");
        assert_eq!(reply, br#"{"result":{"collection":[]}}"#.as_slice());
    }

    #[test]
    fn g03_the_normalised_query_is_escaped_in_the_answer() {
        let reply = Snapshot::from(model(&json!({"a": 1})).query("a=\"&b")).reply().expect("reply");
        assert_eq!(reply, br#"{"result":{"model":{"a":1},"query":"a=\"&b"}}"#.as_slice());
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

    #[test]
    fn what_is_found_while_writing_is_what_is_found_in_the_text() {
        #[derive(Serialize)]
        struct Inner(u8);
        #[derive(Serialize)]
        struct Whole<'a> {
            #[serde(rename = "a \"key\"")]
            text: &'a str,
            newtype: Inner,
            none: Option<Ref>,
            reference: Option<Ref>,
            #[serde(skip_serializing_if = "Option::is_none")]
            skipped: Option<u8>,
            data: crate::Data<Vec<u8>>,
            nested: Value,
        }
        let reference = Ref::new("a.b").expect("valid");
        let whole = |nested: Value| Whole {
            text: "{\"\\",
            newtype: Inner(1),
            none: None,
            reference: Some(reference.clone()),
            skipped: None,
            data: crate::Data(vec![1]),
            nested,
        };
        let parts = |model: &Model| -> Vec<Vec<u8>> { model.written.items().map(<[u8]>::to_vec).collect() };
        for nested in [json!(1), json!({"rid": "c"}), json!({"data": {"a": []}})] {
            let whole = whole(nested);
            let written = Model::from_serialize(&whole).expect("valid");
            let read = Model::from_json(serde_json::to_vec(&whole).expect("text")).expect("valid");
            assert_eq!(written.written.answer(), read.written.answer());
            assert_eq!(parts(&written), parts(&read));
            assert_eq!(parts(&written).len(), 12);
        }
        for nested in [json!([]), json!({}), json!({"rid": ""}), json!({"action": "delete"})] {
            let whole = whole(nested);
            let cause = |refused: Result<Model, Error>| refused.expect_err("refused").cause_chain();
            let text = serde_json::to_vec(&whole).expect("text");
            assert_eq!(cause(Model::from_serialize(&whole)), cause(Model::from_json(text)));
        }
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
                .properties()
                .map(|(key, value)| {
                    (serde_json::from_slice::<String>(key).expect("key"), serde_json::from_slice::<Value>(value).expect("value"))
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
                let change: Value = serde_json::from_slice(&values).expect("JSON");
                for (key, value) in change["values"].as_object().expect("object").clone() {
                    if value == json!({"action": "delete"}) { members.remove(&key); } else { members.insert(key, value); }
                }
            }
            prop_assert_eq!(applied, after);
        }
    }
}
