//! The values a resource may hold besides primitives: references, soft references and data values.

use serde::de::Error as _;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::error::Error;
use crate::name::check_resource_id;

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

macro_rules! reference {
    ($name:ident, $members:literal) => {
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
                let mut object = serializer.serialize_struct(VALUE_NAME, $members)?;
                object.serialize_field("rid", &self.0)?;
                if $members == 2 {
                    object.serialize_field("soft", &true)?;
                }
                object.end()
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                #[derive(Deserialize)]
                struct Object {
                    rid: String,
                }
                let object = Object::deserialize(deserializer)?;
                check_resource_id(&object.rid)
                    .map_err(|_| D::Error::custom(format!("{:?} is not a resource id", object.rid)))?;
                Ok(Self(object.rid))
            }
        }
    };
}

reference!(Ref, 1);
reference!(SoftRef, 2);

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

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Data<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either<T> {
            Wrapped { data: T },
            Plain(T),
        }
        Ok(match Either::deserialize(deserializer)? {
            Either::Wrapped { data } => Self(data),
            Either::Plain(data) => Self(data),
        })
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
