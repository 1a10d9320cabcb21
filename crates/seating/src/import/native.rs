//! Livehouse's own format: a layout as JSON. It is taken as it is or not at all: it was written by a program, so what is
//! wrong in it is for that program to put right.

use super::{Imported, json};
use crate::geometry::Layout;
use crate::report::{Refused, Repair};

pub(super) fn read(bytes: &[u8]) -> Result<Imported, Refused> {
    let layout: Layout = json::read(bytes)?;
    let problems = layout.validate();
    if !problems.is_empty() {
        return Err(Refused { problems });
    }
    let given = layout.id.clone();
    let layout = layout.sealed();
    let mut repairs = Vec::new();
    if !given.is_empty() && given != layout.id {
        let what = format!("the id {given:?} is not the hash of the content, it became {:?}", layout.id);
        repairs.push(Repair::new("the layout", what));
    }
    Ok(Imported { layout, repairs })
}
