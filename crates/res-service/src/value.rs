//! The values a resource may hold besides primitives: references, soft references and data values.

use serde::de::{DeserializeOwned, Error as _};
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::error::{Error, words_of};
use crate::name::check_resource_id;
use crate::strict;

mod shape;

use shape::Shape;

/// What the types below call themselves when they are written: whatever says so is allowed in a resource.
pub(crate) const VALUE_NAME: &str = "res_service::Value";

/// A reference to another resource, written `{"rid":"…"}`: a client that has this resource gets that one with it,
/// and access to it comes with access to this one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ref(String);

/// A soft reference, written `{"rid":"…","soft":true}`: it names another resource but does not bring it along.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SoftRef(String);

/// What a reference of either kind is read from.
#[derive(Deserialize)]
#[serde(rename = "Ref")]
struct Reference {
    rid: String,
    #[serde(default)]
    soft: bool,
}

impl Reference {
    /// The resource id of a reference of the kind that is expected.
    fn of<E: serde::de::Error>(self, soft: bool) -> Result<String, E> {
        if self.soft != soft {
            let other = if soft { "a reference, but not a soft one" } else { "a soft reference" };
            return Err(E::custom(format!("{:?} is {other}", self.rid)));
        }
        check_resource_id(&self.rid)
            .map_err(|_| E::custom(format!("{:?} is not a resource id", self.rid)))?;
        Ok(self.rid)
    }
}

macro_rules! reference {
    ($name:ident, $soft:literal) => {
        impl $name {
            /// A reference to a valid resource id; a wrong one is [`Error::INTERNAL_ERROR`] with the reason as its cause.
            ///
            /// # Errors
            ///
            /// [`Error::INTERNAL_ERROR`], with the reason as its cause, when this is not a valid resource id.
            pub fn new(resource_id: impl Into<String>) -> Result<Self, Error> {
                let resource_id = resource_id.into();
                check_resource_id(&resource_id)?;
                Ok(Self(resource_id))
            }

            /// The resource id.
            pub fn resource_id(&self) -> &str {
                &self.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut object = serializer.serialize_struct(VALUE_NAME, if $soft { 2 } else { 1 })?;
                object.serialize_field("rid", &self.0)?;
                if $soft {
                    object.serialize_field("soft", &true)?;
                }
                object.end()
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Reference::deserialize(deserializer)?.of($soft).map(Self)
            }
        }
    };
}

reference!(Ref, false);
reference!(SoftRef, true);

/// Any JSON as one value of a model or collection, written `{"data":…}`: it changes only as a whole.
///
/// A primitive needs no wrapping and is written as itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Data<T>(pub T);

impl<T: Serialize> Serialize for Data<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let wrapped = match Shape::of(&self.0) {
            Shape::Composite => true,
            Shape::Primitive => false,
            Shape::Unknown => {
                let raw = serde_json::value::to_raw_value(&self.0).map_err(serde::ser::Error::custom)?;
                raw.get().starts_with(['{', '['])
            }
        };
        if !wrapped {
            return self.0.serialize(serializer);
        }
        let mut object = serializer.serialize_struct(VALUE_NAME, 1)?;
        object.serialize_field("data", &self.0)?;
        object.end()
    }
}

/// As it is written: an object or array wrapped, anything else as itself. Integers of more than 64 bits are not read.
impl<'de, T: DeserializeOwned> Deserialize<'de> for Data<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = match Value::deserialize(deserializer)? {
            Value::Object(mut wrapped) if wrapped.len() == 1 => wrapped.remove("data"),
            Value::Object(_) | Value::Array(_) => None,
            primitive => Some(primitive),
        };
        let value =
            value.ok_or_else(|| D::Error::custom("an object or array is data only as {\"data\":…}"))?;
        strictly(value).map(Self)
    }
}

/// Reads what had to be looked at before.
fn strictly<T: DeserializeOwned, E: serde::de::Error>(value: Value) -> Result<T, E> {
    strict::read_value(value).map_err(|(error, place)| {
        let colon = if place.is_empty() { "" } else { ": " };
        E::custom(format!("{place}{colon}{}", words_of(&error)))
    })
}

/// What the parameters of a `set` say of a property: nothing, its new value, or the delete action `{"action":"delete"}`,
/// which takes the property away.
///
/// ```
/// use res_service::Update;
///
/// #[derive(serde::Deserialize)]
/// struct Set {
///     #[serde(default)]
///     title: Update<String>,
///     #[serde(default)]
///     subtitle: Update<String>,
/// }
///
/// let set: Set = serde_json::from_str(r#"{"subtitle":{"action":"delete"}}"#)?;
/// assert_eq!((set.title, set.subtitle), (Update::Keep, Update::Delete));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Update<T> {
    /// The property is not named, and stays as it is: what `#[serde(default)]` makes of a member that is not there.
    #[default]
    Keep,
    /// The property has this value from now on.
    Set(T),
    /// The property is no more.
    Delete,
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Update<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let is_delete = |object: &Map<String, Value>| {
            object.len() == 1 && object.get("action").is_some_and(|action| action == "delete")
        };
        if value.as_object().is_some_and(is_delete) {
            Ok(Self::Delete)
        } else {
            strictly(value).map(Self::Set)
        }
    }
}

/// Why a JSON text cannot be a value of a resource; `None` if it can. `raw` is valid JSON without outer spaces.
pub(crate) fn refusal(raw: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Special<'a> {
        rid: Option<std::borrow::Cow<'a, str>>,
        #[serde(borrow, default, deserialize_with = "even_if_null")]
        data: Option<&'a RawValue>,
        action: Option<serde::de::IgnoredAny>,
    }
    /// `{"data":null}` is the primitive null, and not an object without data.
    fn even_if_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
        Deserialize::deserialize(deserializer).map(Some)
    }
    match raw.first() {
        Some(b'[') => {
            Some("an array can only be held inside Data (or make it a collection of its own)".to_owned())
        }
        Some(b'{') => match serde_json::from_slice::<Special<'_>>(raw) {
            Ok(Special { action: Some(_), .. }) => Some("an action cannot be a value".to_owned()),
            Ok(Special { rid: Some(_), data: Some(_), .. }) => {
                Some("a value cannot be both a reference and data".to_owned())
            }
            Ok(Special { rid: Some(rid), .. }) => {
                check_resource_id(&rid).err().map(|error| error.cause_chain().unwrap_or_default())
            }
            Ok(Special { data: Some(_), .. }) => None,
            _ => Some("an object can only be held inside Data, or be a Ref or SoftRef".to_owned()),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn v02_v03_references_are_written_and_read_back() {
        let reference = Ref::new("tickets.event.evt_1?x=1").expect("valid");
        let soft = SoftRef::new("tickets.event.evt_1").expect("valid");
        assert_eq!(json!(reference), json!({"rid": "tickets.event.evt_1?x=1"}));
        assert_eq!(json!(soft), json!({"rid": "tickets.event.evt_1", "soft": true}));
        assert_eq!(serde_json::from_value::<SoftRef>(json!(soft)).expect("read"), soft);
        for wrong in ["", "a..b", "a b", "a.*"] {
            assert!(Ref::new(wrong).is_err(), "{wrong:?}");
            assert!(serde_json::from_value::<Ref>(json!({"rid": wrong})).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn v03_the_two_kinds_of_references_are_not_taken_for_each_other() {
        #[derive(Debug, Deserialize)]
        struct Params {
            hard: Option<Ref>,
            soft: Option<SoftRef>,
        }
        let read = |json: &str| strict::from_json::<Params>(json.as_bytes());
        let both =
            read(r#"{"hard":{"rid":"a.b"},"soft":{"rid":"a.b","soft":true}}"#).expect("as they are written");
        assert_eq!((both.hard, both.soft), (Ref::new("a.b").ok(), SoftRef::new("a.b").ok()));
        assert_eq!(
            read(r#"{"hard":{"rid":"a.b","soft":false}}"#).expect("it is not soft").hard,
            Ref::new("a.b").ok()
        );
        for (wrong, reason) in [
            (r#"{"hard":{"rid":"a.b","soft":true}}"#, "hard: \"a.b\" is a soft reference"),
            (r#"{"soft":{"rid":"a.b"}}"#, "soft: \"a.b\" is a reference, but not a soft one"),
            (r#"{"soft":{"rid":"a b","soft":true}}"#, "soft: \"a b\" is not a resource id"),
            (r#"{"hard":{"rid":"a.b","other":1}}"#, "hard: unknown field `other`, expected `rid` or `soft`"),
        ] {
            let error = read(wrong).expect_err(wrong);
            assert_eq!(error.message(), format!("Invalid parameters: {reason}"), "{wrong}");
        }
    }

    #[test]
    fn v06_c08_what_a_set_says_of_a_property_is_a_value_or_the_delete_action() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct Size {
            width: u8,
        }
        #[derive(Debug, Deserialize)]
        struct Set {
            #[serde(default)]
            title: Update<Option<String>>,
            #[serde(default)]
            size: Update<Data<Size>>,
            #[serde(default)]
            any: Update<serde_json::Value>,
        }
        let read = |json: &str| strict::from_json::<Set>(json.as_bytes());
        let set = read(r#"{"title":"A","size":{ "action" : "delete" }}"#).expect("a value and an action");
        let title = Update::Set(Some("A".to_owned()));
        assert_eq!((set.title, set.size, set.any), (title, Update::Delete, Update::Keep));
        let set =
            read(r#"{"title":null,"size":{"data":{"width":7}},"any":{"action":"other"}}"#).expect("values");
        let size = Update::Set(Data(Size { width: 7 }));
        assert_eq!((set.title, set.size), (Update::Set(None), size));
        assert_eq!(set.any, Update::Set(json!({"action": "other"})));
        for (wrong, reason) in [
            (r#"{"title":{"action":"delete","more":1}}"#, "title: invalid type: map, expected a string"),
            (r#"{"title":{"action":"destroy"}}"#, "title: invalid type: map, expected a string"),
            (r#"{"title":5}"#, "title: invalid type: integer `5`, expected a string"),
            (r#"{"size":{"data":{"width":7,"height":1}}}"#, "size: unknown field `height`, expected `width`"),
            (r#"{"size":[7]}"#, "size: an object or array is data only as {\"data\":…}"),
            (r#"{"size":{"width":7}}"#, "size: an object or array is data only as {\"data\":…}"),
        ] {
            let error = read(wrong).expect_err(wrong);
            assert_eq!(error.message(), format!("Invalid parameters: {reason}"), "{wrong}");
        }
    }

    #[test]
    fn v04_data_wraps_objects_and_arrays_and_leaves_primitives() {
        assert_eq!(json!(Data(vec![1, 2])), json!({"data": [1, 2]}));
        assert_eq!(json!(Data(json!({"rid": "any text"}))), json!({"data": {"rid": "any text"}}));
        assert_eq!(json!(Data(5)), json!(5));
        assert_eq!(json!(Data(None::<u8>)), json!(null));
        assert_eq!(json!(Data(Some([1; 2]))), json!({"data": [1, 1]}));
        assert_eq!(json!(Data(std::net::Ipv4Addr::LOCALHOST)), json!("127.0.0.1"));
        for text in ["[1]", "{}", "5", "\"[\""] {
            let raw: Box<RawValue> = serde_json::from_str(text).expect("JSON");
            let wrapped =
                if text.starts_with(['[', '{']) { format!("{{\"data\":{text}}}") } else { text.to_owned() };
            assert_eq!(serde_json::to_string(&Data(raw)).expect("JSON"), wrapped);
        }
        assert_eq!(
            serde_json::from_value::<Data<Vec<u8>>>(json!({"data": [1]})).expect("read"),
            Data(vec![1])
        );
        assert_eq!(serde_json::from_value::<Data<u8>>(json!(5)).expect("read"), Data(5));
    }

    #[test]
    fn values_are_read_where_serde_buffers_too() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct Inner {
            list: Data<Vec<u8>>,
            #[serde(default)]
            title: Update<String>,
            link: SoftRef,
        }
        #[derive(Debug, Deserialize)]
        struct Outer {
            #[serde(flatten)]
            inner: Inner,
        }
        let text = r#"{"list":{"data":[1]},"title":{"action":"delete"},"link":{"rid":"a.b","soft":true}}"#;
        let link = SoftRef::new("a.b").expect("valid");
        let expected = Inner { list: Data(vec![1]), title: Update::Delete, link };
        assert_eq!(strict::from_json::<Outer>(text.as_bytes()).expect("read").inner, expected);
    }

    #[test]
    fn v06_g05_what_the_protocol_forbids_as_a_value_is_told_apart() {
        for good in [
            "1",
            "\"a\"",
            "null",
            "true",
            r#"{"rid":"a.b"}"#,
            r#"{"rid":"a","soft":true}"#,
            r#"{"data":[1]}"#,
            r#"{"data":null}"#,
            r#"{ "data" : null }"#,
        ] {
            assert_eq!(refusal(good.as_bytes()), None, "{good}");
        }
        for bad in [
            "[1]",
            "{}",
            r#"{"a":1}"#,
            r#"{"rid":""}"#,
            r#"{"rid":"a","data":1}"#,
            r#"{"action":"delete"}"#,
            r#"{"rid":1}"#,
        ] {
            assert!(refusal(bad.as_bytes()).is_some(), "{bad}");
        }
    }
}
