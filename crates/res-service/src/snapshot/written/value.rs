//! Writing one property or item.

use std::fmt;

use serde::ser::{Serialize, SerializeSeq, SerializeStruct, Serializer};

use crate::json::marks;
use crate::value::VALUE_NAME;

use super::output::Output;

/// Writes a text as JSON. Most have nothing to escape.
pub(super) fn write_text(json: &mut Vec<u8>, text: &str) -> Result<(), serde_json::Error> {
    if must_escape(text.as_bytes()) {
        return serde_json::Serializer::new(json).serialize_str(text);
    }
    write_plain(json, text);
    Ok(())
}

/// Writes a text that has nothing to escape.
pub(super) fn write_plain(json: &mut Vec<u8>, text: &str) {
    json.reserve(text.len() + 2);
    json.push(b'"');
    json.extend_from_slice(text.as_bytes());
    json.push(b'"');
}

/// Whether a text has control characters, quotation marks or backslashes: eight bytes are looked at together, some of them
/// twice.
pub(super) fn must_escape(text: &[u8]) -> bool {
    if let Some(last) = text.last_chunk::<8>() {
        let chunks = text.as_chunks::<8>().0.iter();
        return chunks.fold(marks(*last), |all, chunk| all | marks(*chunk)) != 0;
    }
    if let (Some([a, b, c, d]), Some([e, f, g, h])) = (text.first_chunk(), text.last_chunk()) {
        return marks([*a, *b, *c, *d, *e, *f, *g, *h]) != 0;
    }
    text.iter().any(|byte| *byte < b' ' || matches!(byte, b'"' | b'\\'))
}

/// Writes one value, and notes if it is of a type whose every value is allowed. Structs, sequences, texts and booleans, of
/// which most values are made, are written here; maps, tuples, variants and numbers by serde_json, with whatever is in them.
pub(super) struct Value<'a, 'b> {
    output: &'b mut Output,
    /// What writes into that, if it is something with parts that is left to it.
    json: &'a mut Option<serde_json::Serializer<&'b mut Vec<u8>>>,
    is_checked: &'a mut bool,
}

impl<'a, 'b> Value<'a, 'b> {
    pub(super) fn new(
        output: &'b mut Output,
        json: &'a mut Option<serde_json::Serializer<&'b mut Vec<u8>>>,
        is_checked: &'a mut bool,
    ) -> Self {
        Self { output, json, is_checked }
    }

    fn json(self) -> Json<'a, 'b> {
        self.json.insert(serde_json::Serializer::new(&mut self.output.text))
    }
}

/// The members of an object or the items of an array, one after the other.
pub(super) struct Parts<'b> {
    output: &'b mut Output,
    /// What stands before the next: what the whole begins with, and then a comma.
    before: u8,
    end: u8,
}

impl<'b> Parts<'b> {
    fn new(output: &'b mut Output, begin: u8, end: u8) -> Self {
        Self { output, before: begin, end }
    }

    fn member<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), serde_json::Error> {
        self.output.name(std::mem::replace(&mut self.before, b','), name)?;
        value.serialize(Value::new(self.output, &mut None, &mut false))
    }

    fn end(self) {
        if self.before != b',' {
            self.output.text.push(self.before);
        }
        self.output.text.push(self.end);
    }
}

impl SerializeSeq for Parts<'_> {
    type Ok = ();
    type Error = serde_json::Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), serde_json::Error> {
        self.output.text.push(std::mem::replace(&mut self.before, b','));
        item.serialize(Value::new(self.output, &mut None, &mut false))
    }

    fn end(self) -> Result<(), serde_json::Error> {
        Parts::end(self);
        Ok(())
    }
}

/// A struct: written here, or one of serde_json's own that stand for a text.
pub(super) enum Members<'a, 'b> {
    Own(Parts<'b>),
    Json(<Json<'a, 'b> as Serializer>::SerializeStruct),
}

impl SerializeStruct for Members<'_, '_> {
    type Ok = ();
    type Error = serde_json::Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), serde_json::Error> {
        match self {
            Self::Own(parts) => parts.member(name, value),
            Self::Json(json) => json.serialize_field(name, value),
        }
    }

    fn end(self) -> Result<(), serde_json::Error> {
        match self {
            Self::Own(parts) => {
                parts.end();
                Ok(())
            }
            Self::Json(json) => SerializeStruct::end(json),
        }
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

/// What is no more than its text needs no place for who writes it.
macro_rules! write {
    ($($method:ident($type:ty);)*) => {$(
        fn $method(self, value: $type) -> Result<(), serde_json::Error> {
            serde_json::Serializer::new(&mut self.output.text).$method(value)
        }
    )*};
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
    type SerializeSeq = Parts<'b>;
    type SerializeTuple = <Json<'a, 'b> as Serializer>::SerializeTuple;
    type SerializeTupleStruct = <Json<'a, 'b> as Serializer>::SerializeTupleStruct;
    type SerializeTupleVariant = <Json<'a, 'b> as Serializer>::SerializeTupleVariant;
    type SerializeMap = <Json<'a, 'b> as Serializer>::SerializeMap;
    type SerializeStruct = Members<'a, 'b>;
    type SerializeStructVariant = <Json<'a, 'b> as Serializer>::SerializeStructVariant;

    fn serialize_struct(
        self,
        name: &'static str,
        length: usize,
    ) -> Result<Members<'a, 'b>, serde_json::Error> {
        *self.is_checked = name == VALUE_NAME;
        if name.starts_with('$') {
            return Ok(Members::Json(self.json().serialize_struct(name, length)?));
        }
        Ok(Members::Own(Parts::new(self.output, b'{', b'}')))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Parts<'b>, serde_json::Error> {
        Ok(Parts::new(self.output, b'[', b']'))
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
        write_text(&mut self.output.text, value)
    }

    fn serialize_bool(self, value: bool) -> Result<(), serde_json::Error> {
        self.output.text.extend_from_slice(if value { b"true" } else { b"false" });
        Ok(())
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<(), serde_json::Error> {
        self.json().collect_str(value)
    }

    write! {
        serialize_i8(i8); serialize_i16(i16); serialize_i32(i32); serialize_i64(i64); serialize_i128(i128);
        serialize_u8(u8); serialize_u16(u16); serialize_u32(u32); serialize_u64(u64); serialize_u128(u128);
        serialize_f32(f32); serialize_f64(f64); serialize_char(char);
    }

    forward! {
        serialize_bytes(value: &[u8]); serialize_none(); serialize_unit(); serialize_unit_struct(name: &'static str);
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str);
        serialize_tuple(length: usize) -> Self::SerializeTuple;
        serialize_tuple_struct(name: &'static str, length: usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(name: &'static str, index: u32, variant: &'static str, length: usize)
            -> Self::SerializeTupleVariant;
        serialize_map(length: Option<usize>) -> Self::SerializeMap;
        serialize_struct_variant(name: &'static str, index: u32, variant: &'static str, length: usize)
            -> Self::SerializeStructVariant;
    }
}
