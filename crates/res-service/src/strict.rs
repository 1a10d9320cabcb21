//! Reading what clients send more strictly than serde does by itself: a struct is read from a JSON object only, never
//! from an array of its members, and a member that the struct does not have is refused. An error says where it was.
//!
//! serde hands out no struct definitions where it buffers: below `#[serde(flatten)]`, `#[serde(untagged)]` and
//! internally tagged enums its own rules hold, and `#[serde(deny_unknown_fields)]` is needed there.

use std::cell::RefCell;
use std::fmt;

use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess,
    SeqAccess, VariantAccess, Visitor,
};
use serde_json::Value;

use crate::error::Error;

/// Reads `text` as `T`.
///
/// # Errors
///
/// [`Error::INVALID_PARAMS`] with what is wrong, and where: `areas[0].quantity: invalid type: …`.
pub(crate) fn from_json<T: DeserializeOwned>(text: &[u8]) -> Result<T, Error> {
    read(text).map_err(|(error, place)| Error::invalid_params(&error, &place))
}

/// Reads `text` as `T`; what is wrong comes with its place in `T`.
pub(crate) fn read<T: DeserializeOwned>(text: &[u8]) -> Result<T, (serde_json::Error, String)> {
    let path = Path::default();
    let mut json = serde_json::Deserializer::from_slice(text);
    let value = T::deserialize(Strict { inner: &mut json, path: &path });
    value.and_then(|value| json.end().map(|()| value)).map_err(|error| (error, path.text()))
}

/// Reads what has been read as any JSON before; what is wrong comes with its place in `T`.
pub(crate) fn read_value<T: DeserializeOwned>(value: Value) -> Result<T, (serde_json::Error, String)> {
    let path = Path::default();
    T::deserialize(Strict { inner: value, path: &path }).map_err(|error| (error, path.text()))
}

/// Where an error happened, innermost step first.
#[derive(Default)]
struct Path(RefCell<Vec<String>>);

impl Path {
    fn step_out<T, E>(&self, result: Result<T, E>, step: impl FnOnce() -> String) -> Result<T, E> {
        result.inspect_err(|_| self.0.borrow_mut().push(step()))
    }

    fn text(&self) -> String {
        let text: String = self.0.borrow().iter().rev().map(String::as_str).collect();
        text.strip_prefix('.').unwrap_or(&text).to_owned()
    }
}

/// Wraps whatever serde hands on, so that strictness reaches every depth.
#[derive(Clone, Copy)]
struct Strict<'p, I> {
    inner: I,
    path: &'p Path,
}

impl<'p, I> Strict<'p, I> {
    const fn with<J>(&self, inner: J) -> Strict<'p, J> {
        Strict { inner, path: self.path }
    }
}

/// A struct's visitor with the names of its members.
struct Members<'p, V> {
    visitor: V,
    names: &'static [&'static str],
    path: &'p Path,
}

macro_rules! forward {
    ($($method:ident($($argument:ident: $type:ty),*))*) => {$(
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            let visitor = self.with(visitor);
            self.inner.$method($($argument,)* visitor)
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Strict<'_, D> {
    type Error = D::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_map(Members { visitor, names, path: self.path })
    }

    forward! {
        deserialize_any() deserialize_bool() deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64()
        deserialize_i128() deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64() deserialize_u128()
        deserialize_f32() deserialize_f64() deserialize_char() deserialize_str() deserialize_string()
        deserialize_bytes() deserialize_byte_buf() deserialize_option() deserialize_unit() deserialize_seq()
        deserialize_map() deserialize_identifier() deserialize_ignored_any()
        deserialize_unit_struct(name: &'static str) deserialize_newtype_struct(name: &'static str)
        deserialize_tuple(length: usize) deserialize_tuple_struct(name: &'static str, length: usize)
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
    }
}

macro_rules! visit {
    ($($method:ident: $type:ty)*) => {$(
        fn $method<E: de::Error>(self, value: $type) -> Result<V::Value, E> {
            self.inner.$method(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Strict<'_, V> {
    type Value = V::Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(formatter)
    }

    visit! {
        visit_bool: bool visit_i8: i8 visit_i16: i16 visit_i32: i32 visit_i64: i64 visit_i128: i128 visit_u8: u8
        visit_u16: u16 visit_u32: u32 visit_u64: u64 visit_u128: u128 visit_f32: f32 visit_f64: f64 visit_char: char
        visit_str: &str visit_borrowed_str: &'de str visit_string: String visit_bytes: &[u8]
        visit_borrowed_bytes: &'de [u8] visit_byte_buf: Vec<u8>
    }

    fn visit_none<E: de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_unit<E: de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, some: D) -> Result<V::Value, D::Error> {
        let some = self.with(some);
        self.inner.visit_some(some)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, newtype: D) -> Result<V::Value, D::Error> {
        let newtype = self.with(newtype);
        self.inner.visit_newtype_struct(newtype)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<V::Value, A::Error> {
        let items = Items { items, next: 0, path: self.path };
        self.inner.visit_seq(items)
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<V::Value, A::Error> {
        let entries = self.with(entries);
        self.inner.visit_map(entries)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, variants: A) -> Result<V::Value, A::Error> {
        let variants = self.with(variants);
        self.inner.visit_enum(variants)
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Strict<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<S::Value, D::Error> {
        let value = self.with(value);
        self.inner.deserialize(value)
    }
}

struct Items<'p, A> {
    items: A,
    next: usize,
    path: &'p Path,
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Items<'_, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let item = self.items.next_element_seed(Strict { inner: seed, path: self.path });
        let item = self.path.step_out(item, || format!("[{}]", self.next));
        self.next += 1;
        item
    }

    fn size_hint(&self) -> Option<usize> {
        self.items.size_hint()
    }
}

/// A map whose keys are its own: any are taken, and values are read strictly.
impl<'de, A: MapAccess<'de>> MapAccess<'de> for Strict<'_, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.inner.next_key_seed(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        let seed = self.with(seed);
        self.inner.next_value_seed(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Members<'_, V> {
    type Value = V::Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(formatter)
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<V::Value, A::Error> {
        let members = MemberAccess { entries, names: self.names, current: None, path: self.path };
        self.visitor.visit_map(members)
    }
}

/// The members of a struct: only those that it has.
struct MemberAccess<'p, A> {
    entries: A,
    names: &'static [&'static str],
    current: Option<&'static str>,
    path: &'p Path,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for MemberAccess<'_, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let Some(name) = self.entries.next_key_seed(MemberName(self.names))? else { return Ok(None) };
        self.current = Some(name);
        seed.deserialize(IntoDeserializer::<A::Error>::into_deserializer(name)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        let value = self.entries.next_value_seed(Strict { inner: seed, path: self.path });
        self.path.step_out(value, || format!(".{}", self.current.unwrap_or_default()))
    }
}

/// Reads the name of a member that the struct has, without a copy of it.
struct MemberName(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for MemberName {
    type Value = &'static str;

    fn deserialize<D: Deserializer<'de>>(self, name: D) -> Result<&'static str, D::Error> {
        name.deserialize_identifier(self)
    }
}

impl Visitor<'_> for MemberName {
    type Value = &'static str;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the name of a member")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<&'static str, E> {
        let known = self.0.iter().find(|name| **name == text).copied();
        known.ok_or_else(|| E::unknown_field(text, self.0))
    }
}

impl<'de, 'p, A: EnumAccess<'de>> EnumAccess<'de> for Strict<'p, A> {
    type Error = A::Error;
    type Variant = Strict<'p, A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant), A::Error> {
        let path = self.path;
        let (value, variant) = self.inner.variant_seed(seed)?;
        Ok((value, Strict { inner: variant, path }))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Strict<'_, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        let seed = self.with(seed);
        self.inner.newtype_variant_seed(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, A::Error> {
        let visitor = self.with(visitor);
        self.inner.tuple_variant(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.inner.newtype_variant_seed(Members { visitor, names, path: self.path })
    }
}

/// The content of a struct variant is read like a struct.
impl<'de, V: Visitor<'de>> DeserializeSeed<'de> for Members<'_, V> {
    type Value = V::Value;

    fn deserialize<D: Deserializer<'de>>(self, content: D) -> Result<V::Value, D::Error> {
        content.deserialize_map(self)
    }
}

#[cfg(test)]
mod tests;
