//! Reading a payload in one pass, if it looks as gateways write it: without spaces, each member once, none unknown. Only what
//! serde_json would read in the same way is read here, and most of the cost of a small request is saved.

use std::ops::Range;

use super::{Part, Parts};
use crate::json::first_mark;

/// The parts of a payload; `None` if it is for another to read.
pub(super) fn read(payload: &str) -> Option<Parts> {
    let mut reader = Reader { bytes: payload.as_bytes(), at: 0 };
    let mut parts = Parts::default();
    let mut seen = Seen::default();
    reader.take(b'{')?;
    loop {
        let name = reader.name()?;
        match &payload[name] {
            "params" if seen.first(1) => parts.params = reader.part()?,
            "token" if seen.first(2) => parts.token = reader.part()?,
            "cid" if seen.first(4) => parts.cid = Part::Here(reader.plain_text()?),
            "query" if seen.first(8) => {
                let query = reader.plain_text()?;
                parts.query = (!query.is_empty()).then(|| payload[query].into());
            }
            "isHttp" if seen.first(16) => parts.is_http = reader.boolean()?,
            _ => return None,
        }
        match reader.next()? {
            b',' => {}
            b'}' if reader.at == payload.len() => return Some(parts),
            _ => return None,
        }
    }
}

/// Which members there have been.
#[derive(Default)]
struct Seen(u8);

impl Seen {
    fn first(&mut self, member: u8) -> bool {
        let is_first = self.0 & member == 0;
        self.0 |= member;
        is_first
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// No level is open: each that is adds a bit behind this one.
const NO_LEVEL: u64 = 1;

impl Reader<'_> {
    fn next(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    fn take_if(&mut self, byte: u8) -> bool {
        let is_there = self.bytes.get(self.at) == Some(&byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn take_all(&mut self, rest: &[u8]) -> Option<()> {
        let is_there = self.bytes.get(self.at..)?.starts_with(rest);
        self.at += rest.len();
        is_there.then_some(())
    }

    /// The name of a member, up to its value.
    fn name(&mut self) -> Option<Range<usize>> {
        let name = self.plain_text()?;
        self.take(b':')?;
        Some(name)
    }

    /// What is between the quotation marks of a text without escapes.
    fn plain_text(&mut self) -> Option<Range<usize>> {
        self.take(b'"')?;
        let start = self.at;
        self.pass_plain();
        self.take(b'"')?;
        Some(start..self.at - 1)
    }

    fn boolean(&mut self) -> Option<bool> {
        match self.next()? {
            b't' => self.take_all(b"rue").map(|()| true),
            b'f' => self.take_all(b"alse").map(|()| false),
            _ => None,
        }
    }

    fn part(&mut self) -> Option<Part> {
        let start = self.at;
        self.value()?;
        let range = start..self.at;
        Some(if &self.bytes[range.clone()] == b"null" { Part::None } else { Part::Here(range) })
    }

    /// Goes past a value, with whatever is in it: not more than 63 levels that are not empty.
    fn value(&mut self) -> Option<()> {
        // The lowest bit says whether the innermost level is an object.
        let mut levels = NO_LEVEL;
        loop {
            match self.next()? {
                b'{' if !self.take_if(b'}') => {
                    levels = deeper(levels)? | 1;
                    self.member()?;
                    continue;
                }
                b'[' if !self.take_if(b']') => {
                    levels = deeper(levels)?;
                    continue;
                }
                b'{' | b'[' => {}
                b'"' => self.rest_of_text()?,
                b't' => self.take_all(b"rue")?,
                b'f' => self.take_all(b"alse")?,
                b'n' => self.take_all(b"ull")?,
                first => self.rest_of_number(first)?,
            }
            // A value has ended, and with it perhaps some levels.
            loop {
                if levels == NO_LEVEL {
                    return Some(());
                }
                let is_object = levels & 1 == 1;
                match self.next()? {
                    b',' if is_object => {
                        self.member()?;
                        break;
                    }
                    b',' => break,
                    b'}' if is_object => levels >>= 1,
                    b']' if !is_object => levels >>= 1,
                    _ => return None,
                }
            }
        }
    }

    /// Goes past a name of whatever spelling, to its value.
    fn member(&mut self) -> Option<()> {
        self.take(b'"')?;
        self.rest_of_text()?;
        self.take(b':')
    }

    /// Goes to the next quotation mark, backslash or control character.
    fn pass_plain(&mut self) {
        while let Some(chunk) = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk) {
            match first_mark(*chunk) {
                None => self.at += chunk.len(),
                Some(mark) => {
                    self.at += mark;
                    return;
                }
            }
        }
        while self.bytes.get(self.at).is_some_and(|byte| !matches!(byte, b'"' | b'\\' | 0..b' ')) {
            self.at += 1;
        }
    }

    fn rest_of_text(&mut self) -> Option<()> {
        loop {
            self.pass_plain();
            match self.next()? {
                b'"' => return Some(()),
                b'\\' => match self.next()? {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                    b'u' => {
                        let digits = self.bytes.get(self.at..self.at + 4)?;
                        if !digits.iter().all(u8::is_ascii_hexdigit) {
                            return None;
                        }
                        self.at += 4;
                    }
                    _ => return None,
                },
                _ => return None,
            }
        }
    }

    fn rest_of_number(&mut self, first: u8) -> Option<()> {
        let first = if first == b'-' { self.next()? } else { first };
        match first {
            b'0' => {}
            b'1'..=b'9' => self.pass_digits(),
            _ => return None,
        }
        if self.take_if(b'.') {
            self.digits()?;
        }
        if self.take_if(b'e') || self.take_if(b'E') {
            let _sign = self.take_if(b'+') || self.take_if(b'-');
            self.digits()?;
        }
        Some(())
    }

    fn pass_digits(&mut self) {
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
    }

    /// At least one.
    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        self.pass_digits();
        (self.at > start).then_some(())
    }
}

/// One level more, if there is a place for it.
fn deeper(levels: u64) -> Option<u64> {
    (levels.leading_zeros() > 0).then_some(levels << 1)
}
