//! YAML as a tree that remembers its lines: anchors and `<<` are followed as `docker stack deploy` follows them.

use std::collections::HashMap;

use yaml_rust2::{
    parser::{Event, MarkedEventReceiver, Parser},
    scanner::{Marker, TScalarStyle},
};

/// A value and the line (from 1) of its key, or its own in a list. What is inside an alias keeps the lines of the anchor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The line, from 1.
    pub line: usize,
    /// What is there.
    pub value: Value,
}

/// What a [`Node`] holds. Scalars stay text: whether `0400` is a number is the reader's matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A word, a number, a text.
    Scalar(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the order of the file.
    Map(Vec<(String, Node)>),
}

/// A file that is no YAML.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

const EMPTY: &[(String, Node)] = &[];

impl Node {
    /// Reads one document.
    ///
    /// # Errors
    /// When `text` is no YAML, has an alias without an anchor, or a key that is no scalar.
    pub fn parse(text: &str) -> Result<Node, Error> {
        let mut builder = Builder::default();
        Parser::new_from_str(text).load(&mut builder, false).map_err(|error| Error(error.to_string()))?;
        if let Some(problem) = builder.problem {
            return Err(Error(problem));
        }
        Ok(builder.root.unwrap_or(Node { line: 1, value: Value::Map(Vec::new()) }))
    }

    /// The text of a scalar; none for anything else and for an empty one.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// The entries of a mapping; none of anything else.
    pub fn entries(&self) -> &[(String, Node)] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => EMPTY,
        }
    }

    /// The items of a list; none of anything else.
    pub fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// The value at the end of a way of keys.
    pub fn at(&self, way: &[&str]) -> Option<&Node> {
        way.iter().try_fold(self, |node, key| node.get(key))
    }

    /// The text at the end of a way of keys.
    pub fn text_at(&self, way: &[&str]) -> Option<&str> {
        self.at(way).and_then(Node::text)
    }

    /// `environment`, `labels` and their like, which may be a mapping or a list of `NAME=value`.
    pub fn pairs(&self) -> Vec<(String, Node)> {
        let listed = self.items().iter().filter_map(|item| {
            let (name, value) = item.text()?.split_once('=')?;
            Some((name.to_string(), Node { line: item.line, value: Value::Scalar(value.to_string()) }))
        });
        self.entries().iter().cloned().chain(listed).collect()
    }

    /// This tree with each scalar changed.
    pub fn map(&self, change: &mut impl FnMut(&str, usize) -> String) -> Node {
        let value = match &self.value {
            Value::Scalar(text) => Value::Scalar(change(text, self.line)),
            Value::List(items) => Value::List(items.iter().map(|item| item.map(change)).collect()),
            Value::Map(entries) => {
                Value::Map(entries.iter().map(|(key, value)| (key.clone(), value.map(change))).collect())
            }
        };
        Node { line: self.line, value }
    }

    /// Every scalar, in the order of the file.
    pub fn scalars(&self) -> Vec<&Node> {
        match &self.value {
            Value::Scalar(_) => vec![self],
            Value::List(items) => items.iter().flat_map(Node::scalars).collect(),
            Value::Map(entries) => entries.iter().flat_map(|(_, value)| value.scalars()).collect(),
        }
    }
}

/// A collection that is still being read.
enum Open {
    List { line: usize, anchor: usize, items: Vec<Node> },
    Map { line: usize, anchor: usize, entries: Vec<(String, Node)>, key: Option<(String, usize)> },
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    root: Option<Node>,
    problem: Option<String>,
}

impl MarkedEventReceiver for Builder {
    fn on_event(&mut self, event: Event, mark: Marker) {
        let line = mark.line();
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let null = style == TScalarStyle::Plain && matches!(text.as_str(), "~" | "null");
                let value = Value::Scalar(if null { String::new() } else { text });
                self.add(Node { line, value }, anchor);
            }
            Event::SequenceStart(anchor, _) => self.open.push(Open::List { line, anchor, items: Vec::new() }),
            Event::MappingStart(anchor, _) => {
                self.open.push(Open::Map { line, anchor, entries: Vec::new(), key: None });
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open::List { line, anchor, items }) => {
                    self.add(Node { line, value: Value::List(items) }, anchor);
                }
                Some(Open::Map { line, anchor, entries, .. }) => {
                    self.add(Node { line, value: Value::Map(merged(entries)) }, anchor);
                }
                None => {}
            },
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some(node) => self.add(node, 0),
                None => self.problem = Some(format!("line {line}: an alias without its anchor")),
            },
            _ => {}
        }
    }
}

impl Builder {
    fn add(&mut self, node: Node, anchor: usize) {
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::List { items, .. }) => items.push(node),
            Some(Open::Map { entries, key, .. }) => match key.take() {
                // Where the key is, is where a person looks.
                Some((name, line)) => entries.push((name, Node { line, ..node })),
                None => match node.value {
                    Value::Scalar(name) => *key = Some((name, node.line)),
                    _ => self.problem = Some(format!("line {}: a key that is no word", node.line)),
                },
            },
        }
    }
}

/// `<<` gives what is not said; what is said wins.
fn merged(entries: Vec<(String, Node)>) -> Vec<(String, Node)> {
    let (merges, mut own): (Vec<_>, Vec<_>) = entries.into_iter().partition(|(key, _)| key == "<<");
    for (_, node) in merges {
        let sources = if node.items().is_empty() { vec![node] } else { node.items().to_vec() };
        for (key, value) in sources.iter().flat_map(|source| source.entries().to_vec()) {
            if !own.iter().any(|(name, _)| *name == key) {
                own.push((key, value));
            }
        }
    }
    own
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn anchors_and_merges_are_followed_and_lines_kept() {
        let text = "x: &x\n  a: 1\n  b: 2\ny:\n  <<: *x\n  b: 3\nz: [*x, 'q']\n";
        let root = Node::parse(text).unwrap();
        assert_eq!(root.text_at(&["y", "b"]), Some("3"));
        assert_eq!(root.text_at(&["y", "a"]), Some("1"));
        assert_eq!(root.at(&["y", "a"]).unwrap().line, 2);
        assert_eq!(root.at(&["y", "b"]).unwrap().line, 6);
        assert_eq!(root.get("z").unwrap().items()[0].text_at(&["b"]), Some("2"));
    }

    #[test]
    fn environment_is_the_same_as_list_and_as_mapping() {
        let root = Node::parse("a: {X: 1}\nb: ['X=1']").unwrap();
        let values = |key: &str| {
            let pairs = root.get(key).unwrap().pairs();
            pairs
                .iter()
                .map(|(name, value)| (name.clone(), value.text().unwrap().to_string()))
                .collect::<Vec<_>>()
        };
        assert_eq!(values("a"), values("b"));
    }

    #[test]
    fn what_is_no_yaml_is_refused() {
        assert!(Node::parse("a: [1").is_err());
        assert!(Node::parse("a: *nothing").is_err());
    }
}
