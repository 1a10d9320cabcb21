//! A layout in the making: ids are given out as sections come, and at the end everything moves to the positive side.

use crate::geometry::number::rounded;
use crate::geometry::polygon::bounds;
use crate::geometry::{
    Area, Attribute, Category, Layout, Point, RESERVED_SECTION_IDS, Row, Seat, Section, Shape, ShapeKind,
};

use super::{Ids, SEAT_REACH, slug};

/// Characters of an id that come from the section, the row and the seat: 30 + 14 + 12 and two hyphens leave room for
/// the number that tells equal ids apart.
const SECTION_CHARACTERS_MAX: usize = 30;
const ROW_CHARACTERS_MAX: usize = 14;
const SEAT_CHARACTERS_MAX: usize = 12;

/// A row without ids.
#[derive(Debug, Clone)]
pub(crate) struct DrawnRow {
    pub(crate) label: String,
    pub(crate) seats: Vec<DrawnSeat>,
}

/// A seat without an id.
#[derive(Debug, Clone)]
pub(crate) struct DrawnSeat {
    pub(crate) label: String,
    pub(crate) at: Point,
    /// Number of its category.
    pub(crate) category: usize,
    pub(crate) attributes: Vec<Attribute>,
}

/// A layout in the making.
#[derive(Debug)]
pub(crate) struct Drawing {
    name: String,
    categories: Vec<Category>,
    sections: Vec<Section>,
    shapes: Vec<Shape>,
    section_ids: Ids,
    row_ids: Ids,
    seat_ids: Ids,
}

impl Drawing {
    /// Categories are names and colours; their ids are `cat-1`, `cat-2`, …
    pub(crate) fn new<'a>(name: &str, categories: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let categories = categories.into_iter().enumerate().map(|(number, (name, color))| Category {
            id: format!("cat-{}", number + 1),
            name: name.to_owned(),
            color: color.to_owned(),
        });
        Self {
            name: name.to_owned(),
            categories: categories.collect(),
            sections: Vec::new(),
            shapes: Vec::new(),
            section_ids: Ids::without(&RESERVED_SECTION_IDS),
            row_ids: Ids::default(),
            seat_ids: Ids::default(),
        }
    }

    /// Adds a section; its id is made of its name.
    pub(crate) fn section(
        &mut self,
        name: &str,
        polygon: Option<Vec<Point>>,
        rows: Vec<DrawnRow>,
    ) -> &mut Section {
        let number = self.sections.len();
        let fallback = format!("section-{}", number + 1);
        let id = self.section_ids.claim(&slug(name, SECTION_CHARACTERS_MAX, &fallback));
        let rows = rows.into_iter().enumerate().map(|(number, row)| self.row(&id, number, row)).collect();
        self.sections.push(Section { id, name: name.to_owned(), polygon, rows, areas: Vec::new() });
        &mut self.sections[number]
    }

    fn row(&mut self, section_id: &str, number: usize, row: DrawnRow) -> Row {
        let wanted = slug(&row.label, ROW_CHARACTERS_MAX, &format!("row-{}", number + 1));
        let id = self.row_ids.claim(&format!("{section_id}-{wanted}"));
        let seats = row.seats.into_iter().enumerate().map(|(number, seat)| {
            let wanted = slug(&seat.label, SEAT_CHARACTERS_MAX, &format!("seat-{}", number + 1));
            Seat {
                id: self.seat_ids.claim(&format!("{id}-{wanted}")),
                label: seat.label,
                x: seat.at[0],
                y: seat.at[1],
                category: self.categories[seat.category].id.clone(),
                attributes: seat.attributes,
            }
        });
        let seats = seats.collect();
        Row { id, label: row.label, seats }
    }

    /// Adds a section where people stand, with one area as large as the section.
    pub(crate) fn standing(&mut self, name: &str, capacity: u32, category: usize, polygon: Vec<Point>) {
        let category = self.categories[category].id.clone();
        let area_id = self.section_ids.claim(&slug(&format!("{name} area"), SECTION_CHARACTERS_MAX, "area"));
        let area =
            Area { id: area_id, name: name.to_owned(), capacity, polygon: Some(polygon.clone()), category };
        self.section(name, Some(polygon), Vec::new()).areas.push(area);
    }

    /// Adds something that is drawn and not sold.
    pub(crate) fn shape(&mut self, kind: ShapeKind, polygon: Vec<Point>, label: Option<&str>) -> &mut Shape {
        self.shapes.push(Shape { kind, polygon, label: label.map(str::to_owned), color: None });
        let last = self.shapes.len() - 1;
        &mut self.shapes[last]
    }

    /// Adds words in a box around a middle.
    pub(crate) fn text(&mut self, middle: Point, size: Point, words: &str) {
        let half = [size[0] / 2.0, size[1] / 2.0];
        let low = [middle[0] - half[0], middle[1] - half[1]];
        let high = [middle[0] + half[0], middle[1] + half[1]];
        self.shape(ShapeKind::Text, super::rectangle(low, high), Some(words));
    }

    /// The layout, moved so that everything drawn is `margin` away from its edges. `step` is the coarseness of the
    /// coordinates: 0.1 unless the layout is so large that its JSON should be smaller.
    pub(crate) fn finish(self, margin: f64, step: f64) -> Layout {
        let Self { name, categories, mut sections, mut shapes, .. } = self;
        let Some((low, high)) = bounds(drawn_points(&sections, &shapes)) else {
            let size = [2.0 * margin, 2.0 * margin];
            return Layout { id: String::new(), name, size, sections, categories, shapes }.sealed();
        };
        let placed = |value: f64, low: f64| rounded(((value - low + margin) / step).round() * step);
        let moved = |point: &mut Point| *point = [placed(point[0], low[0]), placed(point[1], low[1])];
        for section in &mut sections {
            section.polygon.iter_mut().flatten().for_each(moved);
            section.areas.iter_mut().flat_map(|area| area.polygon.iter_mut().flatten()).for_each(moved);
            for seat in section.rows.iter_mut().flat_map(|row| &mut row.seats) {
                seat.x = placed(seat.x, low[0]);
                seat.y = placed(seat.y, low[1]);
            }
        }
        shapes.iter_mut().flat_map(|shape| &mut shape.polygon).for_each(moved);
        let size = [(high[0] - low[0] + 2.0 * margin).ceil(), (high[1] - low[1] + 2.0 * margin).ceil()];
        Layout { id: String::new(), name, size, sections, categories, shapes }.sealed()
    }
}

/// Every point that must be inside the layout; a seat reaches a little farther than its centre.
fn drawn_points<'a>(sections: &'a [Section], shapes: &'a [Shape]) -> impl Iterator<Item = Point> + 'a {
    let outlines = sections.iter().flat_map(|section| section.polygon.iter().flatten().copied());
    let areas = sections.iter().flat_map(|section| &section.areas);
    let areas = areas.flat_map(|area| area.polygon.iter().flatten().copied());
    let seats = sections.iter().flat_map(|section| &section.rows).flat_map(|row| &row.seats);
    let seats = seats.flat_map(|seat| {
        [[seat.x - SEAT_REACH, seat.y - SEAT_REACH], [seat.x + SEAT_REACH, seat.y + SEAT_REACH]]
    });
    let drawn = shapes.iter().flat_map(|shape| shape.polygon.iter().copied());
    outlines.chain(areas).chain(seats).chain(drawn)
}
