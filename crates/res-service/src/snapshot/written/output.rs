//! The text that is written, and the names in it. A program has few names, and writes each of them at every get.

use serde::ser::Serializer;

use super::value::{must_escape, write_plain};

/// How many names are kept as they are written. Each has two places it can be in: of three names that have the same two, one
/// stays and the others take the other place from each other.
const NAMES_KEPT: usize = 2 << PAIR_BITS;
const PAIR_BITS: u32 = 6;
/// A name with what stands around it is kept if it is no longer: what has one length is copied at once.
const KEPT_BYTES: usize = 32;

/// A text, and the names that were written to those before it: one that is not used again need not keep any.
#[derive(Debug, Default)]
pub(super) struct Output {
    pub(super) text: Vec<u8>,
    names: KeptNames,
}

impl Output {
    /// Empties the text; names are kept from now on.
    pub(super) fn clear(&mut self) {
        self.text.clear();
        if self.names.0.is_empty() {
            self.names = KeptNames::new();
        }
    }

    /// Writes what stands before a member (a comma, or the beginning of the object), its name and a colon.
    #[inline]
    pub(super) fn name(&mut self, before: u8, name: &'static str) -> Result<(), serde_json::Error> {
        if let Some(kept) = self.names.find(name) {
            let start = self.text.len();
            self.text.extend_from_slice(&kept.written);
            self.text[start] = before;
            self.text.truncate(start + kept.length);
            return Ok(());
        }
        self.new_name(before, name)
    }

    #[cold]
    fn new_name(&mut self, before: u8, name: &'static str) -> Result<(), serde_json::Error> {
        self.text.push(before);
        if must_escape(name.as_bytes()) {
            serde_json::Serializer::new(&mut self.text).serialize_str(name)?;
        } else {
            write_plain(&mut self.text, name);
            self.names.keep(name);
        }
        self.text.push(b':');
        Ok(())
    }
}

/// By default none.
#[derive(Debug, Default)]
struct KeptNames(Vec<[Kept; 2]>);

/// A name with nothing to escape, where one look into memory finds all of it.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct Kept {
    /// As the program has it: where it lies says which it is.
    name: &'static str,
    /// A byte for what stands before, the name in quotation marks, a colon, and something to fill the rest.
    written: [u8; KEPT_BYTES],
    length: usize,
}

impl KeptNames {
    fn new() -> Self {
        let Some(empty) = Kept::of("") else { return Self::default() };
        Self(vec![[empty; 2]; NAMES_KEPT / 2])
    }

    #[inline]
    fn find(&self, name: &'static str) -> Option<&Kept> {
        self.0.get(pair(name))?.iter().find(|kept| std::ptr::eq(kept.name, name))
    }

    /// Keeps a name beside that of its pair which came first: names come in turn, and if that gave way none would be found.
    fn keep(&mut self, name: &'static str) {
        if let (Some([first, later]), Some(kept)) = (self.0.get_mut(pair(name)), Kept::of(name)) {
            let place = if first.name.is_empty() { first } else { later };
            *place = kept;
        }
    }
}

/// Where a name is, if it is kept. Names of one struct often lie side by side, and one may begin like another.
#[inline]
fn pair(name: &'static str) -> usize {
    const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mark = (name.as_ptr().addr() as u64).wrapping_add((name.len() as u64) << 32);
    (mark.wrapping_mul(SPREAD) >> (u64::BITS - PAIR_BITS)) as usize
}

impl Kept {
    /// `None` for a name that is too long.
    fn of(name: &'static str) -> Option<Self> {
        let (mut written, length) = ([0; KEPT_BYTES], name.len() + 4);
        let [_, begin, rest @ ..] = written.get_mut(..length)? else { return None };
        *begin = b'"';
        let (text, end) = rest.split_at_mut(name.len());
        text.copy_from_slice(name.as_bytes());
        end.copy_from_slice(b"\":");
        Some(Self { name, written, length })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaked(name: &str) -> &'static str {
        Box::leak(name.to_owned().into_boxed_str())
    }

    #[test]
    fn two_names_with_the_same_places_are_both_kept_and_of_three_in_turn_one() {
        let first = leaked("name");
        let same: Vec<&'static str> = std::iter::repeat_with(|| leaked("name"))
            .filter(|name| pair(name) == pair(first))
            .take(2)
            .collect();
        let [second, third] = same[..] else { unreachable!("two were taken") };
        let mut names = KeptNames::new();
        let mut write = |written: &[&'static str]| {
            let is_found = |name: &&&'static str| {
                let found = names.find(name).is_some();
                if !found {
                    names.keep(name);
                }
                found
            };
            written.iter().filter(is_found).count()
        };
        assert_eq!(write(&[first, second]), 0);
        assert_eq!(write(&[first, second, first, second]), 4);
        assert_eq!(write(&[third, first, second, third, first, second]), 2);
    }

    #[test]
    fn names_are_written_the_same_each_time_whatever_takes_their_place() {
        let of_length = |length: usize| leaked(&"x".repeat(length));
        let mut names: Vec<&'static str> = ["", "a", "b\"c", "d\\", "\u{1}", "é"].map(leaked).to_vec();
        names.extend((26..32).map(of_length));
        // Many that lie where others begin: some of them have the same places.
        for _ in 0..20 {
            let longest = of_length(28);
            names.extend((0..28).map(|length| &longest[..length]));
        }
        // More than there are places for.
        names.extend((0..3 * NAMES_KEPT).map(|number| leaked(&number.to_string())));
        // The first text keeps none.
        let mut output = Output::default();
        for round in 0..3 {
            for (number, name) in names.iter().enumerate() {
                let before = if number % 2 == 0 { b',' } else { b'{' };
                // Each twice: once its places may be those of others, once it has one.
                for _ in 0..2 {
                    if round > 0 {
                        output.clear();
                    }
                    output.text.clear();
                    output.text.extend_from_slice(b"before");
                    output.name(before, name).expect("a name");
                    let expected = format!(
                        "before{}{}:",
                        char::from(before),
                        serde_json::to_string(name).expect("JSON")
                    );
                    assert_eq!(String::from_utf8_lossy(&output.text), expected, "in round {round}");
                }
            }
        }
    }
}
