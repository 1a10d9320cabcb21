//! Which metrics a query of Prometheus names.

use std::collections::BTreeSet;

/// Words of the language that look like names of metrics.
const WORDS: &[&str] = &[
    "and",
    "or",
    "unless",
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
    "offset",
    "bool",
    "sum",
    "avg",
    "min",
    "max",
    "count",
    "topk",
    "bottomk",
    "quantile",
    "stddev",
    "group",
    "count_values",
];

/// The names of metrics (and of recorded series) in `query`. What stands in braces, brackets, quotes or a list of labels is none,
/// and neither is what is called like a function.
#[must_use]
pub fn metrics(query: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut depth = 0_usize;
    let mut quote = None;
    let mut word = String::new();
    let mut lists_labels = false;
    let text: Vec<char> = query.chars().chain([' ']).collect();
    for (index, &char) in text.iter().enumerate() {
        if let Some(open) = quote {
            quote = (char != open).then_some(open);
            continue;
        }
        if depth == 0 && (char.is_ascii_alphanumeric() || matches!(char, '_' | ':')) {
            word.push(char);
            continue;
        }
        let next = text[index..].iter().find(|char| !char.is_whitespace());
        if !word.is_empty() {
            let is_word = WORDS.contains(&word.as_str());
            let names_labels = ["by", "without", "on", "ignoring", "group_left", "group_right"];
            let starts_list = names_labels.contains(&word.as_str()) && next == Some(&'(');
            if starts_list {
                lists_labels = true;
            } else if !is_word
                && !lists_labels
                && next != Some(&'(')
                && !word.starts_with(|char: char| char.is_ascii_digit())
            {
                found.insert(word.clone());
            }
            word.clear();
        }
        match char {
            '"' | '\'' | '`' => quote = Some(char),
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.saturating_sub(1),
            ')' if lists_labels => lists_labels = false,
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_metrics_are_told_from_functions_labels_and_words() {
        let of = |query: &str| metrics(query).into_iter().collect::<Vec<_>>();
        assert_eq!(of("sum by (service, le) (rate(a_bucket{b=\"c_total\"}[5m]))"), ["a_bucket"]);
        assert_eq!(of("a:b:rate5m > (14.4 * 0.001) and on (c) d"), ["a:b:rate5m", "d"]);
        assert_eq!(
            of("absent(up{job=\"x\"} == 1) or vector(0) unless max(e) by (f) > 64 * 1024"),
            ["e", "up"]
        );
        assert_eq!(of("time() - timestamp(g offset 5m)"), ["g"]);
    }
}
