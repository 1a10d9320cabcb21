//! Labels that people must be able to tell apart.

use std::collections::HashMap;

use crate::geometry::LABEL_CHARACTERS_MAX;
use crate::report::Repair;

/// The labels of one kind in one place: the rows of a section, the seats of a row.
#[derive(Debug, Default)]
pub(super) struct Labels {
    /// Every label in use, with the last number that was put behind it.
    taken: HashMap<String, u32>,
}

impl Labels {
    /// The label as people will read it: without control characters and outer spaces, not empty, and not the same as
    /// an earlier one. Every difference to the given label is a repair at `place`.
    pub(super) fn distinct(
        &mut self,
        given: &str,
        fallback: &str,
        kind: &str,
        place: &str,
        repairs: &mut Vec<Repair>,
    ) -> String {
        let clean = cleaned(given);
        let wanted = if clean.is_empty() {
            repairs
                .push(Repair::new(place, format!("the {kind} has no label, it is called {fallback:?} now")));
            fallback.to_owned()
        } else {
            if clean != given {
                repairs.push(Repair::new(place, format!("the label {given:?} became {clean:?}")));
            }
            clean
        };
        let Some(mut number) = self.taken.get(&wanted).copied() else {
            self.taken.insert(wanted.clone(), 1);
            return wanted;
        };
        let distinct = loop {
            number += 1;
            let distinct = format!("{wanted} ({number})");
            if !self.taken.contains_key(&distinct) {
                break distinct;
            }
        };
        let what =
            format!("the {kind} label {wanted:?} is used before in the same place, it became {distinct:?}");
        repairs.push(Repair::new(place, what));
        // The next repetition starts counting where this one ended.
        self.taken.insert(wanted, number);
        self.taken.insert(distinct.clone(), 1);
        distinct
    }
}

/// Without control characters and outer spaces, and short enough to get a number behind it.
pub(super) fn cleaned(label: &str) -> String {
    const NUMBER_CHARACTERS: usize = 8;
    let visible = label.chars().filter(|character| !character.is_control());
    let short: String = visible.take(LABEL_CHARACTERS_MAX - NUMBER_CHARACTERS).collect();
    short.trim().to_owned()
}
