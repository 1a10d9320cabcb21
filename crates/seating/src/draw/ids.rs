//! Ids from labels: readable, stable, and never the same twice.

use std::collections::HashMap;

use crate::geometry::ID_CHARACTERS_MAX;

/// Room left at the end of an id for the number that tells it from an equal one.
const SUFFIX_CHARACTERS_MAX: usize = 6;

/// Hands out ids of one kind.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    /// Every id given out, with the last number that was put behind it.
    taken: HashMap<String, u32>,
}

impl Ids {
    /// Ids that are never given out as they are.
    pub(crate) fn without(reserved: &[&str]) -> Self {
        Self { taken: reserved.iter().map(|id| ((*id).to_owned(), 1)).collect() }
    }

    /// The wanted id, or the wanted id with `-2`, `-3`, … when it is taken. The same wishes in the same order give the
    /// same ids.
    pub(crate) fn claim(&mut self, wanted: &str) -> String {
        let mut wanted = wanted.to_owned();
        wanted.truncate(ID_CHARACTERS_MAX - SUFFIX_CHARACTERS_MAX);
        let Some(mut number) = self.taken.get(&wanted).copied() else {
            self.taken.insert(wanted.clone(), 1);
            return wanted;
        };
        let id = loop {
            number += 1;
            let id = format!("{wanted}-{number}");
            if !self.taken.contains_key(&id) {
                break id;
            }
        };
        // The next wish for the same id starts counting where this one ended.
        self.taken.insert(wanted, number);
        self.taken.insert(id.clone(), 1);
        id
    }
}

/// The characters of a label that an id may have: lower-case letters and digits, everything else as single hyphens, at
/// most `characters_max`. Letters with marks lose them, a number below zero begins with `minus-`, and a label with
/// nothing left gives `fallback`.
pub(crate) fn slug(label: &str, characters_max: usize, fallback: &str) -> String {
    let mut slug = String::with_capacity(label.len());
    if label
        .trim()
        .strip_prefix(['-', '−'])
        .is_some_and(|rest| rest.starts_with(|next: char| next.is_ascii_digit()))
    {
        slug.push_str("minus-");
    }
    for character in label.chars().flat_map(char::to_lowercase) {
        match plain(character) {
            Some(plain) => slug.push_str(plain),
            None if character.is_ascii_alphanumeric() => slug.push(character),
            None if !slug.is_empty() && !slug.ends_with('-') => slug.push('-'),
            None => {}
        }
    }
    slug.truncate(characters_max);
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { fallback.to_owned() } else { slug.to_owned() }
}

/// Latin letters with marks, as people write them without.
fn plain(character: char) -> Option<&'static str> {
    Some(match character {
        'à' | 'á' | 'â' | 'ã' | 'å' | 'ā' | 'ă' | 'ą' => "a",
        'ä' | 'æ' => "ae",
        'ç' | 'ć' | 'č' => "c",
        'ď' | 'đ' | 'ð' => "d",
        'è' | 'é' | 'ê' | 'ë' | 'ē' | 'ę' | 'ě' => "e",
        'ğ' => "g",
        'ì' | 'í' | 'î' | 'ï' | 'ī' | 'ı' => "i",
        'ł' | 'ľ' => "l",
        'ñ' | 'ń' | 'ň' => "n",
        'ò' | 'ó' | 'ô' | 'õ' | 'ő' => "o",
        'ö' | 'ø' | 'œ' => "oe",
        'ř' => "r",
        'ś' | 'š' | 'ş' | 'ș' => "s",
        'ß' => "ss",
        'ť' | 'ț' => "t",
        'ù' | 'ú' | 'û' | 'ű' | 'ů' => "u",
        'ü' => "ue",
        'ý' | 'ÿ' => "y",
        'ź' | 'ż' | 'ž' => "z",
        _ => return None,
    })
}
