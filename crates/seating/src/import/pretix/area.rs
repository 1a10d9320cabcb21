//! What a plan draws besides seats.

use std::f64::consts::TAU;

use super::plan::{Area, Form, Position};
use crate::draw::{arc, rectangle};
use crate::geometry::{Point, ShapeKind};

/// The size of words without one, in the plan's units.
const TEXT_SIZE: f64 = 16.0;

/// A shape in the plan's coordinates.
#[derive(Debug, Clone)]
pub(super) struct Drawn {
    pub(super) kind: ShapeKind,
    pub(super) polygon: Vec<Point>,
    pub(super) label: Option<String>,
    pub(super) color: Option<String>,
}

/// An area as one shape or none: a form without its measures and words without letters are nothing to draw.
pub(super) fn drawn(area: &Area, zone: Position) -> Option<Drawn> {
    let label = area.text.as_ref().map(|text| text.text.trim()).filter(|text| !text.is_empty());
    let outline: Vec<Point> = match area.shape.unwrap_or_else(|| form(area)) {
        Form::Polygon => area.polygon.as_ref()?.points.iter().map(|point| [point.x, point.y]).collect(),
        Form::Rectangle => {
            let size = area.rectangle.as_ref()?;
            rectangle([0.0, 0.0], [size.width, size.height])
        }
        Form::Ellipse => {
            let radius = area.ellipse.as_ref()?.radius;
            arc([0.0, 0.0], 1.0, 0.0, TAU, 40)
                .into_iter()
                .map(|[x, y]| [x * radius.x, y * radius.y])
                .collect()
        }
        Form::Circle => arc([0.0, 0.0], area.circle.as_ref()?.radius, 0.0, TAU, 40),
        Form::Text => words_box(area, label?),
    };
    let is_text = area.shape == Some(Form::Text);
    let (sin, cos) = area.rotation.to_radians().sin_cos();
    let at = [zone.x + area.position.x, zone.y + area.position.y];
    let polygon =
        outline.into_iter().map(|[x, y]| [at[0] + x * cos - y * sin, at[1] + x * sin + y * cos]).collect();
    Some(Drawn {
        kind: if is_text { ShapeKind::Text } else { kind(label) },
        polygon,
        label: label.map(super::super::labels::cleaned),
        color: area.color.clone().filter(|_| !is_text),
    })
}

/// The form of an area that does not name one.
fn form(area: &Area) -> Form {
    match area {
        Area { polygon: Some(_), .. } => Form::Polygon,
        Area { rectangle: Some(_), .. } => Form::Rectangle,
        Area { ellipse: Some(_), .. } => Form::Ellipse,
        Area { circle: Some(_), .. } => Form::Circle,
        _ => Form::Text,
    }
}

/// A box about as large as the words, around the place where they stand.
fn words_box(area: &Area, label: &str) -> Vec<Point> {
    const LETTER_WIDTH: f64 = 0.6;
    let text = area.text.as_ref();
    let size = text.and_then(|text| text.size).unwrap_or(TEXT_SIZE);
    let middle = text.map_or([0.0, 0.0], |text| [text.position.x, text.position.y]);
    let half = [label.chars().count() as f64 * size * LETTER_WIDTH / 2.0, size * 0.75];
    rectangle([middle[0] - half[0], middle[1] - half[1]], [middle[0] + half[0], middle[1] + half[1]])
}

/// What a drawn form is, as far as its words say it.
fn kind(label: Option<&str>) -> ShapeKind {
    let label = label.unwrap_or_default().to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| label.contains(word));
    if says(&["stage", "bühne", "scène", "escenario", "palco", "podium"]) {
        ShapeKind::Stage
    } else if says(&["pitch", "field", "spielfeld", "terrain"]) {
        ShapeKind::Pitch
    } else if says(&["bar", "foh", "sound", "mix", "technik"]) {
        ShapeKind::Object
    } else {
        ShapeKind::Floor
    }
}
