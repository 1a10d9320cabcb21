//! Writing a resource straight into the answer to a get, and finding its properties or items in that.
//!
//! Where a value is written by serde, the parts are noted and checked while that happens; a text that was made elsewhere
//! is walked over afterwards. Both give the same.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use serde::ser::{self, Impossible, Serialize, SerializeSeq, SerializeStruct, Serializer};

use crate::error::Error;
use crate::value::refusal;

use super::scanner;

use self::held::{Buffers, Held, Scratch};
use self::names::{Names, check_names};
use self::output::Output;
use self::value::Value;

mod held;
mod names;
mod output;
mod value;

/// Where a part of a text lies.
type Span = Range<u32>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Model,
    Collection,
}

impl Kind {
    const fn head(self) -> &'static [u8] {
        match self {
            Self::Model => b"{\"result\":{\"model\":",
            Self::Collection => b"{\"result\":{\"collection\":",
        }
    }
}

const TAIL: &[u8] = b"}}";

/// The answer to a get, without a query, and its parts.
#[derive(Debug, Clone)]
pub(super) struct Written {
    kind: Kind,
    held: Held,
}

impl Written {
    pub(super) fn serialize<T: Serialize + ?Sized>(kind: Kind, value: &T) -> Result<Self, Error> {
        Self::write(kind, |Buffers { output, parts, names }| {
            match value.serialize(Top { kind, output, parts, names, before: b' ' }) {
                Ok(()) if kind == Kind::Model => names.check(&output.text, parts),
                Ok(()) => Ok(()),
                Err(Stop::Otherwise) => {
                    let text = &mut output.text;
                    let start = text.len();
                    serde_json::to_writer(&mut *text, value).map_err(Error::internal)?;
                    scan(kind, text, start, parts)
                }
                Err(Stop::Json(error)) => Err(Error::internal(error)),
            }
        })
    }

    /// From a text that is known to be JSON.
    pub(super) fn copy(kind: Kind, json: &[u8]) -> Result<Self, Error> {
        Self::write(kind, |Buffers { output, parts, .. }| {
            let text = &mut output.text;
            let start = text.len();
            text.extend_from_slice(json);
            scan(kind, text, start, parts)
        })
    }

    fn write(kind: Kind, write: impl FnOnce(&mut Buffers) -> Result<(), Error>) -> Result<Self, Error> {
        let mut scratch = Scratch::take();
        let buffers = &mut *scratch;
        buffers.output.text.extend_from_slice(kind.head());
        write(buffers)?;
        if u32::try_from(buffers.output.text.len()).is_err() {
            return Err(Error::internal("a resource of more than 4 GiB cannot be sent"));
        }
        buffers.output.text.extend_from_slice(TAIL);
        Ok(Self { kind, held: Held::Scratch(scratch) })
    }

    /// The whole answer to a get.
    pub(super) fn answer(&self) -> &[u8] {
        self.held.answer()
    }

    /// The whole answer, shared with this if it is remembered.
    pub(super) fn shared_answer(&self) -> Bytes {
        self.held.shared_answer()
    }

    /// The answer without its end, which comes after the query.
    pub(super) fn answer_without_end(&self) -> &[u8] {
        let answer = self.answer();
        &answer[..answer.len() - TAIL.len()]
    }

    /// The resource alone.
    pub(super) fn json(&self) -> Bytes {
        self.shared_answer().slice(self.kind.head().len()..self.answer().len() - TAIL.len())
    }

    /// Every item of a collection (of a model, keys and values in turn).
    pub(super) fn items(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.held.parts().iter().map(|part| self.text(part))
    }

    /// Every key of a model with its value.
    pub(super) fn pairs(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> + Clone {
        self.held.parts().as_chunks().0.iter().map(|[key, value]| (self.text(key), self.text(value)))
    }

    fn text(&self, part: &Span) -> &[u8] {
        &self.answer()[part.start as usize..part.end as usize]
    }
}

/// A value as JSON between two texts. What serde_json would write is written.
pub(crate) fn write_between<T: Serialize + ?Sized>(
    head: &[u8],
    value: &T,
    tail: &[u8],
) -> Result<Bytes, Error> {
    let mut scratch = Scratch::take();
    let output = &mut scratch.output;
    output.text.extend_from_slice(head);
    value.serialize(Value::new(output, &mut None, &mut false)).map_err(Error::internal)?;
    output.text.extend_from_slice(tail);
    // A buffer of just that length: one that is larger is a second allocation where it becomes shared.
    Ok(Bytes::copy_from_slice(&output.text))
}

/// A name as serde writes it.
fn plain(name: &[u8]) -> Result<Vec<u8>, Error> {
    let decoded: String = serde_json::from_slice(name).map_err(Error::internal)?;
    serde_json::to_vec(&decoded).map_err(Error::internal)
}

/// Writes every name in the one spelling that serde gives it, if one has another: names are compared by their text.
fn spell_names_plainly(text: &mut Vec<u8>, start: usize) -> Result<(), Error> {
    let json = &text[start..];
    let Some(properties) = scanner::properties(json) else { return Ok(()) };
    let mut is_plain = true;
    for (key, _) in properties.iter().filter(|(key, _)| json[key.clone()].contains(&b'\\')) {
        is_plain &= plain(&json[key.clone()])? == json[key.clone()];
    }
    if is_plain {
        return Ok(());
    }
    let mut rewritten = Vec::with_capacity(json.len());
    for (key, value) in properties {
        rewritten.push(if rewritten.is_empty() { b'{' } else { b',' });
        rewritten.extend_from_slice(&plain(&json[key])?);
        rewritten.push(b':');
        rewritten.extend_from_slice(&json[value]);
    }
    rewritten.push(b'}');
    text.truncate(start);
    text.extend_from_slice(&rewritten);
    Ok(())
}

/// A value that gateways cannot read, because of its levels.
#[inline]
fn check_depth(raw: &[u8]) -> Result<(), Error> {
    // Each level takes two bytes at least.
    if raw.len() <= 2 * scanner::DEPTH_MAX { Ok(()) } else { check_depth_of_long(raw) }
}

#[cold]
fn check_depth_of_long(raw: &[u8]) -> Result<(), Error> {
    if scanner::depth(raw) <= scanner::DEPTH_MAX {
        return Ok(());
    }
    Err(Error::internal(format!(
        "a value is nested more than {} levels deep, which gateways do not read",
        scanner::DEPTH_MAX
    )))
}

/// Finds and checks the parts of what has been written since `start`.
fn scan(kind: Kind, text: &mut Vec<u8>, start: usize, parts: &mut Vec<Span>) -> Result<(), Error> {
    if kind == Kind::Model {
        spell_names_plainly(text, start)?;
    }
    find_parts(kind, text, start, parts)?;
    match kind {
        Kind::Model => check_names(text, parts),
        Kind::Collection => Ok(()),
    }
}

fn find_parts(kind: Kind, text: &[u8], start: usize, parts: &mut Vec<Span>) -> Result<(), Error> {
    let json = &text[start..];
    let note = |part: Range<usize>| span(start + part.start, start + part.end);
    let refused = |value: &Range<usize>, place: &dyn Fn() -> String| {
        check_depth(&json[value.clone()])?;
        match refusal(&json[value.clone()]) {
            Some(reason) => Err(Error::internal(format!("{}: {reason}", place()))),
            None => Ok(()),
        }
    };
    match kind {
        Kind::Model => {
            let properties = scanner::properties(json)
                .ok_or_else(|| Error::internal("a model must serialise to a JSON object"))?;
            parts.reserve_exact(2 * properties.len());
            for (key, value) in properties {
                let name = || String::from_utf8_lossy(&json[key.clone()]);
                refused(&value, &|| format!("property {} of a model", name()))?;
                parts.extend([note(key), note(value)]);
            }
        }
        Kind::Collection => {
            let items = scanner::items(json)
                .ok_or_else(|| Error::internal("a collection must serialise to a JSON array"))?;
            parts.reserve_exact(items.len());
            for (number, item) in items.into_iter().enumerate() {
                refused(&item, &|| format!("item {number} of a collection"))?;
                parts.push(note(item));
            }
        }
    }
    Ok(())
}

/// Takes the parts of a struct or sequence one by one; everything else is left to be written otherwise.
struct Top<'a> {
    kind: Kind,
    output: &'a mut Output,
    parts: &'a mut Vec<Span>,
    names: &'a mut Names,
    /// What stands before the next part: what the whole begins with, and then a comma.
    before: u8,
}

/// Why writing ended early.
#[derive(Debug)]
enum Stop {
    /// This shape is not taken apart here, and nothing has been written.
    Otherwise,
    Json(serde_json::Error),
}

impl fmt::Display for Stop {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Otherwise => formatter.write_str("a shape that is written otherwise"),
            Self::Json(error) => error.fmt(formatter),
        }
    }
}

impl std::error::Error for Stop {}

impl ser::Error for Stop {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Json(ser::Error::custom(message))
    }
}

impl Top<'_> {
    fn value<T: Serialize + ?Sized>(
        &mut self,
        value: &T,
        place: impl FnOnce() -> String,
    ) -> Result<(), Stop> {
        let start = self.output.text.len();
        let mut is_checked = false;
        value.serialize(Value::new(self.output, &mut None, &mut is_checked)).map_err(Stop::Json)?;
        let raw = &self.output.text[start..];
        if !is_checked
            && matches!(raw.first(), Some(b'{' | b'['))
            && let Some(reason) = refusal(raw)
        {
            return Err(ser::Error::custom(format!("{}: {reason}", place())));
        }
        check_depth(raw).map_err(ser::Error::custom)?;
        self.parts.push(span(start, self.output.text.len()));
        Ok(())
    }

    fn end(self, end: u8) {
        if self.before != b',' {
            self.output.text.push(self.before);
        }
        self.output.text.push(end);
    }
}

fn span(start: usize, end: usize) -> Span {
    // A text that is longer is refused in the end.
    let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    place(start)..place(end)
}

impl SerializeStruct for Top<'_> {
    type Ok = ();
    type Error = Stop;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Stop> {
        let before = std::mem::replace(&mut self.before, b',');
        let start = self.output.text.len();
        self.output.name(before, key).map_err(Stop::Json)?;
        // Without the comma and the colon.
        self.parts.push(span(start + 1, self.output.text.len() - 1));
        self.names.take(key);
        self.value(value, || format!("property {key:?} of a model"))
    }

    fn end(self) -> Result<(), Stop> {
        Top::end(self, b'}');
        Ok(())
    }
}

impl SerializeSeq for Top<'_> {
    type Ok = ();
    type Error = Stop;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), Stop> {
        let number = self.parts.len();
        self.output.text.push(std::mem::replace(&mut self.before, b','));
        self.value(item, || format!("item {number} of a collection"))
    }

    fn end(self) -> Result<(), Stop> {
        Top::end(self, b']');
        Ok(())
    }
}

macro_rules! otherwise {
    ($($method:ident($($type:ty),*) $(-> $ok:ty)?;)*) => {$(
        fn $method(self, $(_: $type),*) -> Result<otherwise!(@ok $($ok)?), Stop> {
            Err(Stop::Otherwise)
        }
    )*};
    (@ok) => { () };
    (@ok $ok:ty) => { $ok };
}

impl<'a> Serializer for Top<'a> {
    type Ok = ();
    type Error = Stop;
    type SerializeSeq = Top<'a>;
    type SerializeStruct = Top<'a>;
    type SerializeTuple = Impossible<(), Stop>;
    type SerializeTupleStruct = Impossible<(), Stop>;
    type SerializeTupleVariant = Impossible<(), Stop>;
    type SerializeMap = Impossible<(), Stop>;
    type SerializeStructVariant = Impossible<(), Stop>;

    fn serialize_struct(self, name: &'static str, length: usize) -> Result<Self, Stop> {
        // serde_json has structs of its own that stand for a text.
        if self.kind != Kind::Model || name.starts_with('$') {
            return Err(Stop::Otherwise);
        }
        self.parts.reserve_exact(2 * length);
        Ok(Self { before: b'{', ..self })
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Self, Stop> {
        if self.kind != Kind::Collection {
            return Err(Stop::Otherwise);
        }
        self.parts.reserve_exact(length.unwrap_or(0));
        Ok(Self { before: b'[', ..self })
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Stop> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Stop> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), Stop> {
        Err(Stop::Otherwise)
    }

    otherwise! {
        serialize_bool(bool); serialize_i8(i8); serialize_i16(i16); serialize_i32(i32); serialize_i64(i64);
        serialize_i128(i128); serialize_u8(u8); serialize_u16(u16); serialize_u32(u32); serialize_u64(u64);
        serialize_u128(u128); serialize_f32(f32); serialize_f64(f64); serialize_char(char); serialize_str(&str);
        serialize_bytes(&[u8]); serialize_none(); serialize_unit(); serialize_unit_struct(&'static str);
        serialize_unit_variant(&'static str, u32, &'static str);
        serialize_tuple(usize) -> Self::SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant;
        serialize_map(Option<usize>) -> Self::SerializeMap;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self::SerializeStructVariant;
    }
}
