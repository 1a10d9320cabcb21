//! Resource patterns (`event.$event.section.$section`) and the trie that finds the one for a name.
//!
//! A literal part wins over a `$tag`, a tag over the tail `>`; where the more special way leads nowhere, the search
//! comes back and takes the next.

use crate::name;

/// A parsed pattern, relative to the service's name.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    pub(crate) text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Tag(String),
    Tail,
}

impl Pattern {
    /// Reads a pattern; the empty one is the service's root resource. The error says what to change.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parts: Vec<Part> = Vec::new();
        let texts: Vec<&str> = if text.is_empty() { Vec::new() } else { text.split('.').collect() };
        for (index, part) in texts.iter().enumerate() {
            let parsed = match part.strip_prefix('$') {
                Some(tag) if !name::is_part(tag) => {
                    return Err(format!("pattern {text:?}: the tag {part:?} has no valid name"));
                }
                Some(tag) => Part::Tag(tag.to_owned()),
                None if *part == ">" && index + 1 == texts.len() => Part::Tail,
                None if *part == ">" => {
                    return Err(format!("pattern {text:?}: '>' may only be the last part"));
                }
                None if *part == "*" => {
                    return Err(format!("pattern {text:?}: name the part, as in $id, instead of '*'"));
                }
                None if !name::is_part(part) => {
                    return Err(format!(
                        "pattern {text:?}: {part:?} is not a part of a name (printable ASCII without '*', '>', '?')"
                    ));
                }
                None => Part::Literal((*part).to_owned()),
            };
            if matches!(parsed, Part::Tag(_)) && parts.contains(&parsed) {
                return Err(format!("pattern {text:?}: the tag {part:?} occurs twice"));
            }
            parts.push(parsed);
        }
        Ok(Self { text: text.to_owned(), parts })
    }

    /// Which part of the name (counted after the service's own) a tag stands for.
    pub(crate) fn tag_index(&self, tag: &str) -> Option<usize> {
        self.parts.iter().position(|part| matches!(part, Part::Tag(name) if name == tag))
    }

    /// The tags, in order.
    pub(crate) fn tags(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Tag(tag) => Some(tag.as_str()),
            _ => None,
        })
    }

    pub(crate) fn has_tail(&self) -> bool {
        self.parts.last() == Some(&Part::Tail)
    }

    /// Fills the pattern with the values of `name` (a name that matches `of`): the lease key or group of a resource.
    pub(crate) fn fill(&self, of: &Self, name: &str) -> String {
        let mut filled = String::with_capacity(name.len());
        for part in &self.parts {
            if !filled.is_empty() {
                filled.push('.');
            }
            match part {
                Part::Literal(literal) => filled.push_str(literal),
                Part::Tag(tag) => {
                    filled.push_str(of.tag_index(tag).and_then(|index| part_of(name, index)).unwrap_or(""))
                }
                Part::Tail => filled.push('>'),
            }
        }
        filled
    }

    /// The values of the tags if `text` is this pattern filled.
    pub(crate) fn values<'a>(&'a self, text: &'a str) -> Option<Vec<(&'a str, &'a str)>> {
        let mut values = Vec::new();
        let mut given = text.split('.');
        for part in &self.parts {
            match (part, given.next()?) {
                (Part::Literal(literal), value) if literal != value => return None,
                (Part::Literal(_), _) => {}
                (Part::Tag(tag), value) => values.push((tag.as_str(), value)),
                (Part::Tail, _) => return Some(values),
            }
        }
        given.next().is_none().then_some(values)
    }

    /// The pattern as `system.reset` takes it: known tags by their value, the others as `*`.
    pub(crate) fn reset_pattern(&self, service: &str, values: &[(&str, &str)]) -> String {
        let mut pattern = service.to_owned();
        for part in &self.parts {
            pattern.push('.');
            match part {
                Part::Literal(literal) => pattern.push_str(literal),
                Part::Tag(tag) => pattern
                    .push_str(values.iter().find(|(name, _)| name == tag).map_or("*", |(_, value)| value)),
                Part::Tail => pattern.push('>'),
            }
        }
        pattern
    }
}

/// The part of a full resource name, counted after the service's own part.
pub(crate) fn part_of(name: &str, index: usize) -> Option<&str> {
    let (mut number, mut start) = (0, 0);
    for (at, byte) in name.bytes().enumerate() {
        if byte == b'.' {
            if number > index {
                return name.get(start..at);
            }
            (number, start) = (number + 1, at + 1);
        }
    }
    (number > index).then(|| name.get(start..)).flatten()
}

/// Finds the pattern for a name, part by part.
#[derive(Debug, Default)]
pub(crate) struct Trie {
    /// In order.
    literals: Vec<(Box<str>, Trie)>,
    tag: Option<Box<Trie>>,
    tail: Option<usize>,
    here: Option<usize>,
}

impl Trie {
    /// Adds a pattern under a number. The error is the number of the pattern that already matches the same names.
    pub(crate) fn insert(&mut self, pattern: &Pattern, number: usize) -> Result<(), usize> {
        let mut node = self;
        for part in &pattern.parts {
            node = match part {
                Part::Literal(literal) => node.literal_entry(literal),
                Part::Tag(_) => node.tag.get_or_insert_default(),
                Part::Tail => return Self::occupy(&mut node.tail, number),
            };
        }
        Self::occupy(&mut node.here, number)
    }

    fn literal_entry(&mut self, literal: &str) -> &mut Self {
        let at = self.literal(literal).unwrap_or_else(|at| {
            self.literals.insert(at, (literal.into(), Self::default()));
            at
        });
        &mut self.literals[at].1
    }

    /// Where a literal is, or would be.
    fn literal(&self, literal: &str) -> Result<usize, usize> {
        self.literals.binary_search_by(|(text, _)| (**text).cmp(literal))
    }

    fn occupy(place: &mut Option<usize>, number: usize) -> Result<(), usize> {
        match *place {
            Some(taken) => Err(taken),
            None => {
                *place = Some(number);
                Ok(())
            }
        }
    }

    /// The number of the pattern for what follows the service's name; `""` is the root resource.
    pub(crate) fn find(&self, rest: &str) -> Option<usize> {
        if rest.is_empty() { self.here } else { self.find_parts(rest) }
    }

    fn find_parts(&self, rest: &str) -> Option<usize> {
        let (part, after) = match rest.bytes().position(|byte| byte == b'.') {
            Some(dot) => (&rest[..dot], Some(&rest[dot + 1..])),
            None => (rest, None),
        };
        if part.is_empty() {
            return None;
        }
        let below = |node: &Self| match after {
            Some(after) => node.find_parts(after),
            None => node.here,
        };
        let has_empty_parts = || after.is_some_and(|after| after.split('.').any(str::is_empty));
        self.literal(part)
            .ok()
            .and_then(|at| below(&self.literals[at].1))
            .or_else(|| self.tag.as_deref().and_then(below))
            .or_else(|| self.tail.filter(|_| !has_empty_parts()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trie(patterns: &[&str]) -> Trie {
        let mut trie = Trie::default();
        for (number, pattern) in patterns.iter().enumerate() {
            let pattern = Pattern::parse(pattern).expect("valid pattern");
            trie.insert(&pattern, number).expect("no duplicate");
        }
        trie
    }

    #[test]
    fn a_literal_wins_over_a_tag_and_a_tag_over_the_tail() {
        let trie = trie(&["a.b", "a.$x", "a.>", "a.$x.c", "a.b.d", ""]);
        for (name, number) in [
            ("a.b", Some(0)),
            ("a.z", Some(1)),
            ("a.z.y", Some(2)),
            ("a.z.c", Some(3)),
            ("a.b.d", Some(4)),
            ("a.b.c", Some(3)),
            ("a.b.x", Some(2)),
            ("", Some(5)),
            ("a", None),
            ("b", None),
            ("a..c", None),
            ("a.", None),
        ] {
            assert_eq!(trie.find(name), number, "{name:?}");
        }
    }

    #[test]
    fn wrong_patterns_are_refused_with_what_to_change() {
        for (pattern, reason) in [
            ("user.*", "$id"),
            ("a.>.b", "last part"),
            ("a..b", "not a part"),
            ("a.$", "no valid name"),
            ("$a.b.$a", "twice"),
            ("a b", "not a part"),
        ] {
            let error = Pattern::parse(pattern).expect_err(pattern);
            assert!(error.contains(reason) && error.contains(pattern), "{error}");
        }
        let mut trie = trie(&["a.$b"]);
        assert_eq!(trie.insert(&Pattern::parse("a.$c").expect("valid"), 7), Err(0));
    }

    #[test]
    fn keys_and_reset_patterns_are_filled_from_names() {
        let resource = Pattern::parse("event.$event.section.$section").expect("valid");
        let owner = Pattern::parse("event.$event").expect("valid");
        assert_eq!(owner.fill(&resource, "tickets.event.evt_1.section.s1"), "event.evt_1");
        let values = owner.values("event.evt_1").expect("matches");
        assert_eq!(resource.reset_pattern("tickets", &values), "tickets.event.evt_1.section.*");
        assert_eq!(owner.values("order.1"), None);
        assert_eq!(owner.values("event.1.2"), None);
        assert_eq!(part_of("tickets.event.evt_1.section.s1", 3), Some("s1"));
    }
}
