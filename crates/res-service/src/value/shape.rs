//! Whether a value is written as an object or array, found out without writing it: serde is stopped at the first thing
//! that the value says of itself.

use std::fmt;

use serde::ser::{Error, Impossible, Serialize, Serializer};

/// What a value is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// An object or array.
    Composite,
    Primitive,
    /// It must be written to know, or cannot be written at all.
    Unknown,
}

impl Shape {
    pub(super) fn of<T: Serialize + ?Sized>(value: &T) -> Self {
        value.serialize(Probe).unwrap_or_else(|Found(shape)| shape)
    }
}

struct Probe;

/// Not a failure, but the way to stop.
#[derive(Debug)]
struct Found(Shape);

impl fmt::Display for Found {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.0)
    }
}

impl std::error::Error for Found {}

impl Error for Found {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(Shape::Unknown)
    }
}

macro_rules! primitive {
    ($($method:ident($($type:ty),*);)*) => {$(
        fn $method(self, $(_: $type),*) -> Result<Shape, Found> {
            Ok(Shape::Primitive)
        }
    )*};
}

macro_rules! composite {
    ($($method:ident($($type:ty),*);)*) => {$(
        fn $method(self, $(_: $type),*) -> Result<Impossible<Shape, Found>, Found> {
            Err(Found(Shape::Composite))
        }
    )*};
}

impl Serializer for Probe {
    type Ok = Shape;
    type Error = Found;
    type SerializeSeq = Impossible<Shape, Found>;
    type SerializeTuple = Impossible<Shape, Found>;
    type SerializeTupleStruct = Impossible<Shape, Found>;
    type SerializeTupleVariant = Impossible<Shape, Found>;
    type SerializeMap = Impossible<Shape, Found>;
    type SerializeStruct = Impossible<Shape, Found>;
    type SerializeStructVariant = Impossible<Shape, Found>;

    primitive! {
        serialize_bool(bool); serialize_i8(i8); serialize_i16(i16); serialize_i32(i32); serialize_i64(i64);
        serialize_i128(i128); serialize_u8(u8); serialize_u16(u16); serialize_u32(u32); serialize_u64(u64);
        serialize_u128(u128); serialize_f32(f32); serialize_f64(f64); serialize_char(char); serialize_str(&str);
        serialize_none(); serialize_unit(); serialize_unit_struct(&'static str);
        serialize_unit_variant(&'static str, u32, &'static str);
    }

    composite! {
        serialize_seq(Option<usize>); serialize_tuple(usize); serialize_tuple_struct(&'static str, usize);
        serialize_tuple_variant(&'static str, u32, &'static str, usize); serialize_map(Option<usize>);
        serialize_struct_variant(&'static str, u32, &'static str, usize);
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Impossible<Shape, Found>, Found> {
        // serde_json has structs of its own that stand for a text.
        Err(Found(if name.starts_with('$') { Shape::Unknown } else { Shape::Composite }))
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<Shape, Found> {
        Ok(Shape::Composite)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Shape, Found> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Shape, Found> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<Shape, Found> {
        Ok(Shape::Composite)
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, _: &T) -> Result<Shape, Found> {
        Ok(Shape::Primitive)
    }
}
