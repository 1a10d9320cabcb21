//! The JSON of pretix's seating plans, as its schema 0.0.1 has it. Members that mean nothing here are read all the same,
//! so that a member nobody knows is a misspelling and not an oversight.

use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plan {
    pub(super) name: String,
    pub(super) zones: Vec<Zone>,
    pub(super) categories: Vec<Category>,
    /// The editor's page; the layout is cut to what is drawn.
    #[serde(rename = "size")]
    pub(super) _size: Size,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Size {
    #[serde(rename = "width")]
    pub(super) _width: f64,
    #[serde(rename = "height")]
    pub(super) _height: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Category {
    pub(super) name: String,
    #[serde(default)]
    pub(super) color: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Position {
    pub(super) x: f64,
    pub(super) y: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Zone {
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) zone_id: Option<String>,
    #[serde(default, rename = "uuid")]
    pub(super) _uuid: Option<String>,
    pub(super) position: Position,
    pub(super) rows: Vec<Row>,
    #[serde(default)]
    pub(super) areas: Vec<Area>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Row {
    pub(super) row_number: String,
    #[serde(default, rename = "row_label")]
    pub(super) _row_label: Option<String>,
    #[serde(default, rename = "seat_label")]
    pub(super) _seat_label: Option<String>,
    #[serde(default, rename = "uuid")]
    pub(super) _uuid: Option<String>,
    pub(super) seats: Vec<Seat>,
    #[serde(default, rename = "row_number_position")]
    pub(super) _row_number_position: Option<String>,
    #[serde(default)]
    pub(super) position: Position,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Seat {
    pub(super) seat_guid: String,
    pub(super) seat_number: String,
    #[serde(default, rename = "uuid")]
    pub(super) _uuid: Option<String>,
    #[serde(default, rename = "start_direction")]
    pub(super) _start_direction: Option<String>,
    #[serde(default, rename = "radius")]
    pub(super) _radius: Option<f64>,
    pub(super) position: Position,
    pub(super) category: String,
}

/// Something drawn. The member with the name of the shape has its measures.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Area {
    #[serde(default)]
    pub(super) color: Option<String>,
    #[serde(default, rename = "border_color")]
    pub(super) _border_color: Option<String>,
    #[serde(default)]
    pub(super) rotation: f64,
    #[serde(default)]
    pub(super) position: Position,
    #[serde(default, rename = "uuid")]
    pub(super) _uuid: Option<String>,
    #[serde(default)]
    pub(super) shape: Option<Form>,
    #[serde(default)]
    pub(super) polygon: Option<Points>,
    #[serde(default)]
    pub(super) rectangle: Option<Rectangle>,
    #[serde(default)]
    pub(super) ellipse: Option<Ellipse>,
    #[serde(default)]
    pub(super) circle: Option<Circle>,
    #[serde(default)]
    pub(super) text: Option<Text>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Form {
    Polygon,
    Rectangle,
    Ellipse,
    Circle,
    Text,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Points {
    pub(super) points: Vec<Position>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rectangle {
    pub(super) width: f64,
    pub(super) height: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ellipse {
    pub(super) radius: Position,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Circle {
    pub(super) radius: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Text {
    pub(super) text: String,
    #[serde(default, rename = "color")]
    pub(super) _color: Option<String>,
    #[serde(default)]
    pub(super) size: Option<f64>,
    pub(super) position: Position,
}
