//! Writing one property or item.

use std::fmt;

use serde::ser::{Serialize, Serializer};

use crate::value::VALUE_NAME;

/// Writes a text as JSON. Most have nothing to escape, which is found out more quickly for all bytes together than for
/// one after the other.
pub(super) fn write_text(json: &mut Vec<u8>, text: &str) -> Result<(), serde_json::Error> {
    let must_escape = |byte: u8| (byte < b' ') | (byte == b'"') | (byte == b'\\');
    if text.bytes().fold(false, |must, byte| must | must_escape(byte)) {
        return serde_json::Serializer::new(json).serialize_str(text);
    }
    json.reserve(text.len() + 2);
    json.push(b'"');
    json.extend_from_slice(text.as_bytes());
    json.push(b'"');
    Ok(())
}

/// Writes one value, and notes if it is of a type whose every value is allowed.
pub(super) struct Value<'a, 'b> {
    text: &'b mut Vec<u8>,
    /// What writes into that, if it is a value with parts.
    json: &'a mut Option<serde_json::Serializer<&'b mut Vec<u8>>>,
    is_checked: &'a mut bool,
}

impl<'a, 'b> Value<'a, 'b> {
    pub(super) fn new(
        text: &'b mut Vec<u8>,
        json: &'a mut Option<serde_json::Serializer<&'b mut Vec<u8>>>,
        is_checked: &'a mut bool,
    ) -> Self {
        Self { text, json, is_checked }
    }

    fn json(self) -> Json<'a, 'b> {
        self.json.insert(serde_json::Serializer::new(self.text))
    }
}

macro_rules! ok {
    () => {
        ()
    };
    ($ok:ty) => {
        $ok
    };
}

macro_rules! forward {
    ($($method:ident($($argument:ident: $type:ty),*) $(-> $ok:ty)?;)*) => {$(
        fn $method(self, $($argument: $type),*) -> Result<ok!($($ok)?), serde_json::Error> {
            self.json().$method($($argument),*)
        }
    )*};
}

type Json<'a, 'b> = &'a mut serde_json::Serializer<&'b mut Vec<u8>>;

impl<'a, 'b> Serializer for Value<'a, 'b> {
    type Ok = ();
    type Error = serde_json::Error;
    type SerializeSeq = <Json<'a, 'b> as Serializer>::SerializeSeq;
    type SerializeTuple = <Json<'a, 'b> as Serializer>::SerializeTuple;
    type SerializeTupleStruct = <Json<'a, 'b> as Serializer>::SerializeTupleStruct;
    type SerializeTupleVariant = <Json<'a, 'b> as Serializer>::SerializeTupleVariant;
    type SerializeMap = <Json<'a, 'b> as Serializer>::SerializeMap;
    type SerializeStruct = <Json<'a, 'b> as Serializer>::SerializeStruct;
    type SerializeStructVariant = <Json<'a, 'b> as Serializer>::SerializeStructVariant;

    fn serialize_struct(
        self,
        name: &'static str,
        length: usize,
    ) -> Result<Self::SerializeStruct, serde_json::Error> {
        *self.is_checked = name == VALUE_NAME;
        self.json().serialize_struct(name, length)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), serde_json::Error> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), serde_json::Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), serde_json::Error> {
        self.json().serialize_newtype_variant(name, index, variant, value)
    }

    fn serialize_str(self, value: &str) -> Result<(), serde_json::Error> {
        write_text(self.text, value)
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<(), serde_json::Error> {
        self.json().collect_str(value)
    }

    forward! {
        serialize_bool(value: bool); serialize_i8(value: i8); serialize_i16(value: i16); serialize_i32(value: i32);
        serialize_i64(value: i64); serialize_i128(value: i128); serialize_u8(value: u8); serialize_u16(value: u16);
        serialize_u32(value: u32); serialize_u64(value: u64); serialize_u128(value: u128); serialize_f32(value: f32);
        serialize_f64(value: f64); serialize_char(value: char);
        serialize_bytes(value: &[u8]); serialize_none(); serialize_unit(); serialize_unit_struct(name: &'static str);
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str);
        serialize_seq(length: Option<usize>) -> Self::SerializeSeq;
        serialize_tuple(length: usize) -> Self::SerializeTuple;
        serialize_tuple_struct(name: &'static str, length: usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(name: &'static str, index: u32, variant: &'static str, length: usize)
            -> Self::SerializeTupleVariant;
        serialize_map(length: Option<usize>) -> Self::SerializeMap;
        serialize_struct_variant(name: &'static str, index: u32, variant: &'static str, length: usize)
            -> Self::SerializeStructVariant;
    }
}
