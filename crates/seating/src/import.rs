//! Reading plans in three formats: pretix's seating plans, tables of stands without coordinates, and Livehouse's own
//! layouts.
//!
//! Real plans are dirty. What can be put right without a doubt is put right and said, as a [`Repair`]; what cannot is a
//! [`Problem`](crate::Problem) and the plan is refused. Nothing is dropped or renamed in silence.

mod json;
mod labels;
mod native;
mod pretix;
mod table;

use serde::de::IgnoredAny;

use crate::geometry::Layout;
use crate::report::{Refused, Repair};

/// Largest plan that is read, in bytes.
pub const BYTES_MAX: usize = 16 * 1024 * 1024;
/// Deepest nesting of lists and objects that is read; the known formats need 9.
pub const DEPTH_MAX: usize = 32;

/// The usual colours of categories without one, far enough apart to be told from each other in both themes.
pub(crate) const PALETTE: [&str; 8] =
    ["#8a4fd3", "#2f6fde", "#0f93a5", "#4c9a3f", "#c98a1b", "#c2573f", "#d94f70", "#7a7468"];

/// A plan that was read.
#[derive(Debug, Clone)]
pub struct Imported {
    /// Valid, with its hash as its id.
    pub layout: Layout,
    /// Everything that was put right, in the order of the plan.
    pub repairs: Vec<Repair>,
}

/// The formats, told apart by a member that only one of them has.
enum Format {
    Pretix,
    Table,
    Native,
}

/// Reads a plan in any of the known formats.
///
/// # Errors
/// [`Refused`] with every problem found, each with its place: a JSON path with line and column for what is not in the
/// format, a place in words for what makes no sense.
pub fn parse(bytes: &[u8]) -> Result<Imported, Refused> {
    if bytes.len() > BYTES_MAX {
        let what = format!("has {} bytes, the limit is {BYTES_MAX}", bytes.len());
        return Err(Refused::because("the file", what));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    json::check_depth(bytes, DEPTH_MAX)?;
    let imported = match format(bytes)? {
        Format::Pretix => pretix::read(bytes)?,
        Format::Table => table::read(bytes)?,
        Format::Native => native::read(bytes)?,
    };
    // The last word has the same check that every layout must pass, whoever drew it.
    let problems = imported.layout.validate();
    if problems.is_empty() { Ok(imported) } else { Err(Refused { problems }) }
}

fn format(bytes: &[u8]) -> Result<Format, Refused> {
    const NAMES_SHOWN_MAX: usize = 8;
    let members: Vec<String> =
        json::read::<std::collections::BTreeMap<String, IgnoredAny>>(bytes)?.into_keys().collect();
    let has = |name: &str| members.iter().any(|member| member == name);
    match (has("zones"), has("stands"), has("sections")) {
        (true, false, false) => return Ok(Format::Pretix),
        (false, true, false) => return Ok(Format::Table),
        (false, false, true) => return Ok(Format::Native),
        _ => {}
    }
    let found = match members.len() {
        0 => "no members at all".to_owned(),
        count => {
            let shown =
                members.iter().take(NAMES_SHOWN_MAX).map(|name| format!("{name:?}")).collect::<Vec<_>>();
            format!("{}{}", shown.join(", "), if count > NAMES_SHOWN_MAX { ", …" } else { "" })
        }
    };
    let what = format!(
        "is in no known format: a pretix plan has \"zones\", a table of stands has \"stands\", a Livehouse layout has \
         \"sections\", each only one of them; found {found}"
    );
    Err(Refused::because("the file", what))
}
