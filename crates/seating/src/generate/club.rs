//! A club: nobody sits, a floor in front of the stage and a gallery behind it.

use std::f64::consts::FRAC_PI_2;

use crate::draw::{Drawing, arc, rectangle, rounded_rectangle};
use crate::geometry::{Layout, Point, ShapeKind};

use super::{MARGIN, STEP};

/// Stage, floor and gallery are cut from rings around this point, far behind the stage.
const FOCUS: Point = [0.0, -2000.0];
const HALF_WIDTH: f64 = 680.0;

/// General admission only: 400 on the floor, 120 on the gallery.
pub fn club() -> Layout {
    let mut drawing = Drawing::new("The Lantern Club", [("Floor", "#d94f70"), ("Gallery", "#2f6fde")]);
    drawing.shape(ShapeKind::Floor, rounded_rectangle([-960.0, -60.0], [960.0, 1900.0], 60.0), None);

    let mut stage = edge(2360.0, 560.0);
    stage.extend([[560.0, 0.0], [-560.0, 0.0]]);
    drawing.shape(ShapeKind::Stage, stage, Some("Stage"));

    let mut floor = edge(2470.0, HALF_WIDTH);
    floor.extend(edge(3160.0, HALF_WIDTH).into_iter().rev());
    drawing.standing("Floor", 400, 0, floor);

    let mut gallery = edge(3330.0, 840.0);
    gallery.extend(edge(3590.0, 840.0).into_iter().rev());
    drawing.standing("Gallery", 120, 1, gallery);

    drawing.shape(
        ShapeKind::Object,
        rounded_rectangle([-110.0, 1190.0], [110.0, 1300.0], 16.0),
        Some("Sound"),
    );
    drawing.shape(ShapeKind::Object, rounded_rectangle([-460.0, 1680.0], [460.0, 1810.0], 30.0), Some("Bar"));
    drawing.shape(ShapeKind::Text, rectangle([-880.0, 1690.0], [-520.0, 1800.0]), Some("Entrance"));
    drawing.shape(ShapeKind::Text, rectangle([520.0, 1690.0], [880.0, 1800.0]), Some("Cloakroom"));
    drawing.finish(MARGIN, STEP)
}

/// A bent edge from left to right, `half_width` to each side of the middle.
fn edge(radius: f64, half_width: f64) -> Vec<Point> {
    let half_angle = (half_width / radius).asin();
    arc(FOCUS, radius, FRAC_PI_2 + half_angle, -2.0 * half_angle, 20)
}
