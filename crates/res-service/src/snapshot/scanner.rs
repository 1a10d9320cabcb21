//! The properties of an object or the items of an array, found in its text.

use std::ops::Range;

/// Levels of one value. Go, in which gateways are written, reads 10,000 of a whole message.
pub(super) const DEPTH_MAX: usize = 9_990;

/// The key and value of each property of a JSON object; `None` if the text is none. It must be valid JSON.
pub(super) fn properties(json: &[u8]) -> Option<Vec<(Range<usize>, Range<usize>)>> {
    let mut scanner = Scanner { json, at: 0 };
    let mut properties = Vec::new();
    scanner.open(b'{')?;
    while !scanner.closes(b'}') {
        let key = scanner.value();
        scanner.skip(b':');
        properties.push((key, scanner.value()));
        scanner.skip(b',');
    }
    Some(properties)
}

/// The items of a JSON array; `None` if the text is none. It must be valid JSON.
pub(super) fn items(json: &[u8]) -> Option<Vec<Range<usize>>> {
    let mut scanner = Scanner { json, at: 0 };
    let mut items = Vec::new();
    scanner.open(b'[')?;
    while !scanner.closes(b']') {
        items.push(scanner.value());
        scanner.skip(b',');
    }
    Some(items)
}

/// How many levels a value has.
pub(super) fn depth(json: &[u8]) -> usize {
    let mut scanner = Scanner { json, at: 0 };
    let (mut depth, mut deepest) = (0_usize, 0);
    while let Some(&byte) = json.get(scanner.at) {
        match byte {
            b'"' => scanner.string(),
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
                scanner.at += 1;
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                scanner.at += 1;
            }
            _ => scanner.at += 1,
        }
    }
    deepest
}

/// Walks over the top level of a JSON text that is known to be valid.
struct Scanner<'a> {
    json: &'a [u8],
    at: usize,
}

impl Scanner<'_> {
    fn skip_spaces(&mut self) {
        while self.json.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
    }

    fn open(&mut self, mark: u8) -> Option<()> {
        self.skip_spaces();
        let opened = self.json.get(self.at) == Some(&mark);
        self.at += 1;
        opened.then_some(())
    }

    fn closes(&mut self, mark: u8) -> bool {
        self.skip_spaces();
        self.json.get(self.at).is_none_or(|byte| *byte == mark)
    }

    fn skip(&mut self, mark: u8) {
        self.skip_spaces();
        if self.json.get(self.at) == Some(&mark) {
            self.at += 1;
        }
    }

    /// Where the next value is, whatever it is.
    fn value(&mut self) -> Range<usize> {
        self.skip_spaces();
        let start = self.at;
        let mut depth = 0_usize;
        while let Some(&byte) = self.json.get(self.at) {
            match byte {
                b'"' => self.string(),
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
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
        start..self.at
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
