//! What the crate says about a plan: what stopped it and what was put right.

use std::fmt;

/// Something in a plan that cannot be put right without asking a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where: a JSON path with line and column, or a place in words such as `section Stalls, row A, seat 3`.
    pub place: String,
    /// What is wrong and what to do about it.
    pub what: String,
}

/// Something in a plan that was put right, so that whoever imports it can look at it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repair {
    /// Where, in the words of the plan.
    pub place: String,
    /// What was found and what it became.
    pub what: String,
}

/// A plan or a layout that is not accepted, with every reason that was found, never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Refused {
    /// In the order of the plan.
    pub problems: Vec<Problem>,
}

/// How many problems `Display` of [`Refused`] writes out before it only counts the rest.
const PROBLEMS_SHOWN_MAX: usize = 20;

impl Problem {
    /// A problem at a place.
    pub fn new(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self { place: place.into(), what: what.into() }
    }
}

impl Repair {
    /// A repair at a place.
    pub fn new(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self { place: place.into(), what: what.into() }
    }
}

impl Refused {
    /// Refused for one reason.
    pub fn because(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self { problems: vec![Problem::new(place, what)] }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.place, self.what)
    }
}

impl fmt::Display for Repair {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.place, self.what)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.len();
        write!(out, "the seating plan was refused, {count} problem{}", if count == 1 { "" } else { "s" })?;
        for problem in self.problems.iter().take(PROBLEMS_SHOWN_MAX) {
            write!(out, "\n  {problem}")?;
        }
        if count > PROBLEMS_SHOWN_MAX {
            write!(out, "\n  and {} more", count - PROBLEMS_SHOWN_MAX)?;
        }
        Ok(())
    }
}
