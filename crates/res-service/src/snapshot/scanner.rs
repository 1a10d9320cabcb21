//! Finding the top level of a JSON text.

use std::ops::Range;

use crate::error::Error;

/// Levels of one value. Go, in which gateways are written, reads 10,000 of a whole message.
const DEPTH_MAX: usize = 9_990;

/// A part of the text, from byte to byte.
pub(super) type Span = Range<u32>;

/// Walks over the top level of a JSON text that is known to be valid.
pub(super) struct Scanner<'a> {
    json: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(json: &'a [u8]) -> Result<Self, Error> {
        if u32::try_from(json.len()).is_err() {
            return Err(Error::internal("a resource of more than 4 GiB cannot be sent"));
        }
        Ok(Self { json, at: 0 })
    }

    fn skip_spaces(&mut self) {
        while self.json.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
    }

    pub(super) fn open(&mut self, mark: u8) -> Result<(), ()> {
        self.skip_spaces();
        let opened = self.json.get(self.at) == Some(&mark);
        self.at += 1;
        if opened { Ok(()) } else { Err(()) }
    }

    pub(super) fn closes(&mut self, mark: u8) -> bool {
        self.skip_spaces();
        self.json.get(self.at).is_none_or(|byte| *byte == mark)
    }

    pub(super) fn skip(&mut self, mark: u8) {
        self.skip_spaces();
        if self.json.get(self.at) == Some(&mark) {
            self.at += 1;
        }
    }

    /// The span of the next value, whatever it is.
    pub(super) fn value(&mut self) -> Result<Span, Error> {
        self.skip_spaces();
        let start = self.at;
        let mut depth = 0_usize;
        while let Some(&byte) = self.json.get(self.at) {
            match byte {
                b'"' => self.string(),
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                    if depth > DEPTH_MAX {
                        return Err(Error::internal(format!(
                            "a value is nested more than {DEPTH_MAX} levels deep, which gateways do not read"
                        )));
                    }
                }
                b'}' | b']' if depth > 0 => {
                    depth -= 1;
                    self.at += 1;
                }
                b',' | b':' if depth > 0 => self.at += 1,
                b',' | b':' | b'}' | b']' => break,
                byte if depth == 0 && byte.is_ascii_whitespace() => break,
                _ => self.at += 1,
            }
            let closed = depth == 0 && matches!(byte, b'"' | b'}' | b']');
            if closed {
                break;
            }
        }
        // `new` has refused anything longer.
        #[allow(clippy::cast_possible_truncation)]
        let span = start as u32..self.at as u32;
        Ok(span)
    }

    fn string(&mut self) {
        self.at += 1;
        while let Some(&byte) = self.json.get(self.at) {
            self.at += if byte == b'\\' { 2 } else { 1 };
            if byte == b'"' {
                return;
            }
        }
    }
}
