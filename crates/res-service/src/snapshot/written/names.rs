//! Whether a model has a property twice.

use foldhash::{HashSet, HashSetExt};

use crate::error::Error;

use super::Span;

/// So many names are compared with one another; more are put into a table.
const NAMES_COMPARED_MAX: usize = 16;

/// The names of the struct that was written last, as the program has them. The next one mostly has the same, which is seen
/// without looking at them.
#[derive(Debug, Default)]
pub(super) struct Names {
    texts: Vec<&'static str>,
    /// How many of them have come again, in their order.
    again: usize,
    /// Others have come, and have not been compared yet.
    are_new: bool,
}

impl Names {
    /// Another struct is written.
    pub(super) fn begin(&mut self) {
        if self.are_new {
            // It came to no end.
            self.texts.clear();
        }
        self.again = 0;
        self.are_new = false;
    }

    /// Takes the next name.
    #[inline]
    pub(super) fn take(&mut self, name: &'static str) {
        if !self.are_new && self.texts.get(self.again).is_some_and(|text| std::ptr::eq(*text, name)) {
            self.again += 1;
        } else {
            self.take_new(name);
        }
    }

    #[cold]
    fn take_new(&mut self, name: &'static str) {
        if !self.are_new {
            self.texts.truncate(self.again);
            self.are_new = true;
        }
        self.texts.push(name);
    }

    /// Checks the names that have been taken and written.
    pub(super) fn check(&mut self, text: &[u8], parts: &[Span]) -> Result<(), Error> {
        // Some of those that were found to differ.
        if !self.are_new {
            return Ok(());
        }
        check_names(text, parts)?;
        self.are_new = false;
        Ok(())
    }
}

/// Of a name that is there twice clients would keep the last, while a change could tell the first.
pub(super) fn check_names(text: &[u8], parts: &[Span]) -> Result<(), Error> {
    let names = || parts.as_chunks().0.iter().map(|[name, _]| &text[name.start as usize..name.end as usize]);
    let are_different = if parts.len() <= 2 * NAMES_COMPARED_MAX {
        marks_are_different(names())
    } else {
        // What comes from a sorted map needs no table.
        names().zip(names().skip(1)).all(|(one, next)| one < next)
    };
    if are_different {
        return Ok(());
    }
    let mut seen = HashSet::with_capacity(parts.len() / 2);
    match names().find(|name| !seen.insert(*name)) {
        None => Ok(()),
        Some(name) => Err(Error::internal(format!(
            "a model has the property {} twice, of which clients would see only one",
            String::from_utf8_lossy(name)
        ))),
    }
}

/// Whether a few names differ in what is compared quickly: their last bytes and their length.
fn marks_are_different<'a>(names: impl Iterator<Item = &'a [u8]>) -> bool {
    let mut marks = [0; NAMES_COMPARED_MAX];
    let mut are_different = true;
    for (number, name) in names.take(NAMES_COMPARED_MAX).enumerate() {
        let mark = mark(name);
        for earlier in &marks[..number] {
            are_different &= *earlier != mark;
        }
        marks[number] = mark;
    }
    are_different
}

fn mark(name: &[u8]) -> u64 {
    let end = match (name.last_chunk(), name.first_chunk(), name.last_chunk()) {
        (Some(bytes), _, _) => u64::from_le_bytes(*bytes),
        (None, Some(first), Some(last)) => {
            u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32
        }
        _ => name.iter().fold(0, |mark, byte| mark << 8 | u64::from(*byte)),
    };
    // The last byte of each is a quotation mark, which tells nothing.
    end ^ (name.len() as u64) << 56
}

#[cfg(test)]
mod tests {
    use serde::Serialize;
    use serde_json::{Value, json};

    use crate::Model;

    #[derive(Serialize)]
    struct Plain {
        a: u8,
        #[serde(skip_serializing_if = "Option::is_none")]
        b: Option<u8>,
        c: u8,
    }

    #[derive(Serialize)]
    struct Twice {
        a: u8,
        #[serde(rename = "a")]
        again: u8,
    }

    #[derive(Serialize)]
    struct Escaped {
        #[serde(rename = "a \"b\"")]
        a: u8,
    }

    fn written(value: &impl Serialize) -> Result<Value, crate::Error> {
        Model::from_serialize(value).map(|model| serde_json::from_slice(&model.json()).expect("JSON"))
    }

    #[test]
    fn a_property_that_is_there_twice_is_found_whatever_was_written_before() {
        let plain = |b| Plain { a: 1, b, c: 3 };
        let before: [&dyn Fn(); 4] =
            [&|| {}, &|| drop(written(&plain(Some(2)))), &|| drop(written(&plain(None))), &|| {
                drop(written(&Twice { a: 1, again: 2 }))
            }];
        for before in before {
            before();
            assert!(written(&Twice { a: 1, again: 2 }).is_err());
            before();
            assert_eq!(written(&plain(None)), Ok(json!({"a": 1, "c": 3})));
            before();
            assert_eq!(written(&plain(Some(2))), Ok(json!({"a": 1, "b": 2, "c": 3})));
        }
    }

    #[test]
    fn a_name_that_must_be_escaped_is_each_time() {
        for _ in 0..3 {
            assert_eq!(written(&Escaped { a: 1 }), Ok(json!({"a \"b\"": 1})));
        }
    }
}
