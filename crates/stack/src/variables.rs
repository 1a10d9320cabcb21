//! `${NAME}` in stack files, and `versions.env`.

use std::collections::BTreeMap;

/// One `${…}` of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// The variable.
    pub name: String,
    /// What stands for it when it is not set; none without `:-` or `-`.
    pub default: Option<String>,
    /// Whether a deployment stops when it is not set (`:?` or `?`).
    pub required: bool,
}

/// A piece of a text with variables.
enum Piece<'a> {
    Text(&'a str),
    Use(Use),
}

/// The lines `NAME=value` of a file such as `versions.env`.
pub fn assignments(text: &str) -> BTreeMap<String, String> {
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_uppercase())
            && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
    };
    text.lines()
        .filter_map(|line| line.split_once('='))
        .filter(|(name, _)| is_name(name))
        .map(|(name, value)| (name.to_string(), value.trim().to_string()))
        .collect()
}

/// The variables of a text, in their order. `$$` is a dollar sign and no variable.
pub fn uses(text: &str) -> Vec<Use> {
    let use_of = |piece| if let Piece::Use(found) = piece { Some(found) } else { None };
    pieces(text).into_iter().filter_map(use_of).collect()
}

/// `text` with its variables replaced: by `known`, else by the default, else by the variable's name in small letters
/// when it is required (so that a file can be looked at without a deployment's settings), else by nothing.
pub fn resolved(text: &str, known: &BTreeMap<String, String>) -> String {
    let mut result = String::new();
    for piece in pieces(text) {
        match piece {
            Piece::Text(text) => result.push_str(text),
            Piece::Use(found) => match known.get(&found.name) {
                Some(value) if !value.is_empty() => result.push_str(value),
                _ => match found.default {
                    Some(default) => result.push_str(&default),
                    None => result.push_str(&found.name.to_lowercase()),
                },
            },
        }
    }
    result
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find('$') {
        found.push(Piece::Text(&rest[..start]));
        let after = &rest[start + 1..];
        if let Some(escaped) = after.strip_prefix('$') {
            found.push(Piece::Text("$"));
            rest = escaped;
        } else if let Some((inside, behind)) =
            after.strip_prefix('{').and_then(|inside| inside.split_once('}'))
        {
            found.push(Piece::Use(braced(inside)));
            rest = behind;
        } else {
            let length =
                after.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(after.len());
            if length == 0 {
                found.push(Piece::Text("$"));
            } else {
                let name = after[..length].to_string();
                found.push(Piece::Use(Use { name, default: None, required: false }));
            }
            rest = &after[length..];
        }
    }
    found.push(Piece::Text(rest));
    found
}

fn braced(inside: &str) -> Use {
    let end = inside.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(inside.len());
    let (name, operator) = inside.split_at(end);
    let operator = operator.strip_prefix(':').unwrap_or(operator);
    let default = operator.strip_prefix('-').map(str::to_string);
    Use { name: name.to_string(), default, required: operator.starts_with('?') }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced_as_docker_replaces_them() {
        let known = BTreeMap::from([("A".to_string(), "1".to_string())]);
        assert_eq!(resolved("${A}-${B:-2}-$$C-${D:?say D}-$A", &known), "1-2-$C-d-1");
        assert_eq!(resolved("a $", &known), "a $");
    }

    #[test]
    fn a_use_says_what_happens_without_a_value() {
        let found = uses("${A:?say it}${B:-x}${C} $$D");
        assert!(found[0].required);
        assert_eq!(found[1].default.as_deref(), Some("x"));
        assert_eq!((found[2].required, found[2].default.is_none(), found.len()), (false, true, 3));
    }

    #[test]
    fn assignments_are_lines_and_nothing_else() {
        let found = assignments("# A=1\nB=2\nlower=3\nC_D=quay.io/x:v1 \n");
        assert_eq!(found.len(), 2);
        assert_eq!(found["C_D"], "quay.io/x:v1");
    }
}
