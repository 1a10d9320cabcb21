//! What is wrong with a layout, and where.

use std::collections::HashSet;

use super::limits::*;
use super::{Area, Category, Layout, Point, Row, Section, Shape};
use crate::report::Problem;

/// After this many problems the rest is not listed: whoever reads them has enough to do.
const PROBLEMS_MAX: usize = 200;

impl Layout {
    /// Everything wrong with the layout, in its order; empty when it may be sold. At most 200 problems are listed.
    pub fn validate(&self) -> Vec<Problem> {
        let mut check = Check { layout: self, problems: Vec::new(), categories: HashSet::new() };
        check.layout_itself();
        check.categories();
        check.sections();
        check.shapes();
        check.problems.truncate(PROBLEMS_MAX);
        check.problems
    }
}

/// Whether a text is an id: `[a-z0-9-]{1,64}`.
pub(crate) fn is_id(text: &str) -> bool {
    (1..=ID_CHARACTERS_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// Whether a text is `#rrggbb`.
pub(crate) fn is_color(text: &str) -> bool {
    text.len() == 7 && text.starts_with('#') && text[1..].bytes().all(|byte| byte.is_ascii_hexdigit())
}

struct Check<'a> {
    layout: &'a Layout,
    problems: Vec<Problem>,
    categories: HashSet<&'a str>,
}

impl<'a> Check<'a> {
    fn say(&mut self, place: &str, what: String) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(Problem::new(place, what));
        }
    }

    fn more_than(&mut self, place: &str, count: usize, limit: usize, of_what: &str) {
        if count > limit {
            self.say(place, format!("has {count} {of_what}, the limit is {limit}"));
        }
    }

    fn layout_itself(&mut self) {
        let layout = self.layout;
        self.text("the layout", "name", &layout.name);
        let [width, height] = layout.size;
        let in_range = |length: f64| length.is_finite() && length > 0.0 && length <= SIZE_MAX;
        if !in_range(width) || !in_range(height) {
            self.say(
                "the layout",
                format!("its size [{width}, {height}] must be above 0 and at most {SIZE_MAX}"),
            );
        }
        self.more_than("the layout", layout.sections.len(), SECTIONS_MAX, "sections");
        self.more_than(
            "the layout",
            layout.sections.iter().map(|section| section.rows.len()).sum(),
            ROWS_MAX,
            "rows",
        );
        self.more_than("the layout", layout.seat_count(), SEATS_MAX, "seats");
        let areas = layout.sections.iter().map(|section| section.areas.len()).sum();
        self.more_than("the layout", areas, AREAS_MAX, "areas");
        let units = layout.unit_count();
        if units > UNITS_MAX {
            self.say("the layout", format!("holds {units} people, the limit is {UNITS_MAX}"));
        }
        if layout.sections.is_empty() {
            self.say("the layout", "has no section, so nothing can be sold".into());
        }
    }

    fn categories(&mut self) {
        let layout = self.layout;
        if layout.categories.is_empty() {
            self.say("the layout", "has no category, so nothing can have a price".into());
        }
        self.more_than("the layout", layout.categories.len(), CATEGORIES_MAX, "categories");
        for Category { id, name, color } in &layout.categories {
            let place = format!("category {name}");
            self.id(&place, id);
            self.text(&place, "name", name);
            self.color(&place, color);
            if !self.categories.insert(id) {
                self.say(&place, format!("the id {id:?} is used by another category too"));
            }
        }
    }

    fn sections(&mut self) {
        let mut names = HashSet::new();
        let mut section_ids = HashSet::new();
        let mut row_ids = HashSet::new();
        let mut seat_ids = HashSet::new();
        for section in &self.layout.sections {
            let place = format!("section {}", section.name);
            self.section(&place, section);
            if !section_ids.insert(section.id.as_str()) {
                self.say(&place, format!("the id {:?} is used by another section or area too", section.id));
            }
            if !names.insert(section.name.as_str()) {
                self.say(
                    &place,
                    "another section has the same name, tickets of both would read the same".into(),
                );
            }
            let mut labels = HashSet::new();
            for row in &section.rows {
                let place = format!("{place}, row {}", row.label);
                if !row_ids.insert(row.id.as_str()) {
                    self.say(&place, format!("the id {:?} is used by another row too", row.id));
                }
                if !labels.insert(row.label.as_str()) {
                    self.say(&place, "another row of this section has the same label".into());
                }
                self.row(&place, row, &mut seat_ids);
            }
            for area in &section.areas {
                let place = format!("{place}, area {}", area.name);
                if !section_ids.insert(area.id.as_str()) {
                    self.say(&place, format!("the id {:?} is used by another section or area too", area.id));
                }
                self.area(&place, area);
            }
        }
    }

    fn section(&mut self, place: &str, section: &Section) {
        self.id(place, &section.id);
        self.text(place, "name", &section.name);
        if RESERVED_SECTION_IDS.contains(&section.id.as_str()) {
            self.say(
                place,
                format!("the id {:?} has another meaning in the live models, choose another", section.id),
            );
        }
        if section.rows.is_empty() && section.areas.is_empty() {
            self.say(place, "is empty: it has neither rows nor areas".into());
        }
        if let Some(polygon) = &section.polygon {
            self.polygon(place, polygon, 3);
        }
    }

    fn row(&mut self, place: &str, row: &'a Row, seat_ids: &mut HashSet<&'a str>) {
        self.id(place, &row.id);
        self.text(place, "label", &row.label);
        if row.seats.is_empty() {
            self.say(place, "has no seats".into());
        }
        self.more_than(place, row.seats.len(), SEATS_PER_ROW_MAX, "seats");
        let mut labels = HashSet::with_capacity(row.seats.len());
        for seat in &row.seats {
            // The place is only put together for a seat with a problem: there may be 200,000 without.
            let unknown = !self.categories.contains(seat.category.as_str());
            let repeated_id = !seat_ids.insert(seat.id.as_str());
            let repeated_label = !labels.insert(seat.label.as_str());
            let sound = is_id(&seat.id) && is_label(&seat.label) && self.is_inside(seat.position());
            if sound && !unknown && !repeated_id && !repeated_label && seat.attributes.len() <= 4 {
                continue;
            }
            let place = format!("{place}, seat {}", seat.label);
            self.id(&place, &seat.id);
            self.text(&place, "label", &seat.label);
            self.position(&place, seat.position());
            if unknown {
                self.unknown_category(&place, &seat.category);
            }
            if repeated_id {
                self.say(&place, format!("the id {:?} is used by another seat too", seat.id));
            }
            if repeated_label {
                self.say(&place, "another seat of this row has the same label".into());
            }
            self.more_than(&place, seat.attributes.len(), 4, "attributes");
        }
    }

    fn area(&mut self, place: &str, area: &Area) {
        self.id(place, &area.id);
        self.text(place, "name", &area.name);
        if area.capacity == 0 {
            self.say(place, "its capacity is 0, it must be at least 1".into());
        }
        if !self.categories.contains(area.category.as_str()) {
            self.unknown_category(place, &area.category);
        }
        if let Some(polygon) = &area.polygon {
            self.polygon(place, polygon, 3);
        }
    }

    fn shapes(&mut self) {
        let layout = self.layout;
        self.more_than("the layout", layout.shapes.len(), SHAPES_MAX, "shapes");
        for (number, Shape { kind, polygon, label, color }) in layout.shapes.iter().enumerate() {
            let place = format!("shape {} ({})", number + 1, label.as_deref().unwrap_or("without a label"));
            let points_min = if *kind == super::ShapeKind::Line { 2 } else { 3 };
            self.polygon(&place, polygon, points_min);
            if let Some(label) = label {
                self.text(&place, "label", label);
            }
            if let Some(color) = color {
                self.color(&place, color);
            }
        }
    }

    fn id(&mut self, place: &str, id: &str) {
        if !is_id(id) {
            let rule = format!("must be 1 to {ID_CHARACTERS_MAX} of a-z, 0-9 and -");
            self.say(place, format!("the id {id:?} {rule}"));
        }
    }

    fn text(&mut self, place: &str, member: &str, text: &str) {
        if !is_label(text) {
            let rule = format!("must be 1 to {LABEL_CHARACTERS_MAX} characters without control characters");
            self.say(place, format!("its {member} {rule}"));
        }
    }

    fn color(&mut self, place: &str, color: &str) {
        if !is_color(color) {
            self.say(place, format!("its color {color:?} must be # and six hexadecimal digits"));
        }
    }

    fn unknown_category(&mut self, place: &str, category: &str) {
        let known: Vec<_> = self.layout.categories.iter().map(|known| known.id.as_str()).collect();
        self.say(place, format!("its category {category:?} is unknown, known are: {}", known.join(", ")));
    }

    fn is_inside(&self, [x, y]: Point) -> bool {
        let [width, height] = self.layout.size;
        (0.0..=width).contains(&x) && (0.0..=height).contains(&y)
    }

    fn position(&mut self, place: &str, point: Point) {
        let [x, y] = point;
        if !x.is_finite() || !y.is_finite() {
            self.say(place, "its position is not a number".into());
        } else if !self.is_inside(point) {
            let [width, height] = self.layout.size;
            self.say(
                place,
                format!("its position [{x}, {y}] is outside the layout's size [{width}, {height}]"),
            );
        }
    }

    fn polygon(&mut self, place: &str, polygon: &[Point], points_min: usize) {
        let count = polygon.len();
        if !(points_min..=POLYGON_POINTS_MAX).contains(&count) {
            let rule = format!("{points_min} to {POLYGON_POINTS_MAX}");
            self.say(place, format!("its polygon has {count} points, it must have {rule}"));
        }
        let far = |value: f64| !value.is_finite() || value.abs() > SIZE_MAX;
        if polygon.iter().any(|[x, y]| far(*x) || far(*y)) {
            self.say(place, format!("its polygon has a point that is not a number or beyond {SIZE_MAX}"));
        }
    }
}

fn is_label(text: &str) -> bool {
    !text.trim().is_empty()
        && text.chars().count() <= LABEL_CHARACTERS_MAX
        && !text.chars().any(char::is_control)
}
