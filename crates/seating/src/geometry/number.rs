//! Coordinates in JSON: at most one decimal, and none where it would be a zero, as JavaScript writes them too.

use serde::Serializer;
use serde::ser::SerializeSeq;

use super::Point;

/// The nearest value with one decimal.
pub(crate) fn rounded(value: f64) -> f64 {
    // Adding zero turns -0.0 into 0.0, which JSON would otherwise tell apart.
    (value * 10.0).round() / 10.0 + 0.0
}

/// A coordinate that writes itself in the canonical form.
struct Coordinate(f64);

impl serde::Serialize for Coordinate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        coordinate(&self.0, serializer)
    }
}

pub(super) fn coordinate<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    let value = rounded(*value);
    if value.fract() == 0.0 && value.abs() < 1e15 {
        serializer.serialize_i64(value as i64)
    } else {
        serializer.serialize_f64(value)
    }
}

pub(super) fn point<S: Serializer>(value: &Point, serializer: S) -> Result<S::Ok, S::Error> {
    let mut pair = serializer.serialize_seq(Some(2))?;
    pair.serialize_element(&Coordinate(value[0]))?;
    pair.serialize_element(&Coordinate(value[1]))?;
    pair.end()
}

pub(super) fn points<S: Serializer>(value: &[Point], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(value.iter().map(|[x, y]| [Coordinate(*x), Coordinate(*y)]))
}

pub(super) fn optional_points<S: Serializer>(
    value: &Option<Vec<Point>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => points(value, serializer),
        None => serializer.serialize_none(),
    }
}
