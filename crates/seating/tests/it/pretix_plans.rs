//! Repairs of pretix plans.

use livehouse_seating::{ShapeKind, import};
use serde_json::{Value, json};

use crate::broken_plans::plan;
use crate::checks;

fn imported(change: impl FnOnce(&mut Value)) -> (livehouse_seating::Layout, Vec<String>) {
    let mut plan = plan();
    change(&mut plan);
    let imported = import::parse(plan.to_string().as_bytes()).unwrap();
    checks::is_valid(&imported.layout);
    checks::ids_are_unique_and_well_formed(&imported.layout);
    (imported.layout, imported.repairs.iter().map(ToString::to_string).collect())
}

fn row(label: &str, y: f64, numbers: &[&str]) -> Value {
    let seats: Vec<Value> = numbers
        .iter()
        .enumerate()
        .map(|(position, number)| {
            json!({"seat_guid": format!("{label} {y} {position}"), "seat_number": number,
                   "position": {"x": position * 25, "y": 0}, "category": "Stalls"})
        })
        .collect();
    json!({"row_number": label, "position": {"x": 0, "y": y}, "seats": seats})
}

#[test]
fn repeated_labels_are_kept_apart_by_label_and_id() {
    let (layout, repairs) = imported(|plan| {
        plan["zones"][0]["rows"] =
            json!([row("A", 0.0, &["1", "1"]), row("A", 30.0, &["1", ""]), row("", 60.0, &["7"])]);
    });
    let section = &layout.sections[0];
    let labels: Vec<_> = section.rows.iter().map(|row| row.label.as_str()).collect();
    assert_eq!(labels, ["A", "A (2)", "3"]);
    let ids: Vec<_> = section.rows.iter().flat_map(|row| &row.seats).map(|seat| seat.id.as_str()).collect();
    assert_eq!(ids, ["parquet-a-1", "parquet-a-1-2", "parquet-a-2-1", "parquet-a-2-2", "parquet-3-7"]);
    assert_eq!(
        repairs,
        [
            "zone Parquet, row A (row 1 of the zone), seat 1: the seat label \"1\" is used before in the same place, it \
             became \"1 (2)\"",
            "zone Parquet, row A (row 2 of the zone): the row label \"A\" is used before in the same place, it became \
             \"A (2)\"",
            "zone Parquet, row A (row 2 of the zone), seat : the seat has no label, it is called \"2\" now",
            "zone Parquet, row  (row 3 of the zone): the row has no label, it is called \"3\" now",
        ]
    );
}

#[test]
fn floors_drawn_over_each_other_are_drawn_beside_each_other() {
    let (layout, repairs) = imported(|plan| {
        let mut balcony = plan["zones"][0].clone();
        balcony["name"] = "Balcony".into();
        balcony["position"]["y"] = (-1).into();
        plan["zones"].as_array_mut().unwrap().push(balcony);
    });
    assert_eq!(repairs, ["zone Balcony: lies on zone Parquet, it is drawn above everything before it"]);
    checks::sections_do_not_overlap(&layout);
    assert!(layout.sections[1].rows[0].seats[0].y < layout.sections[0].rows[0].seats[0].y);
}

#[test]
fn what_a_plan_draws_becomes_shapes_with_its_colors() {
    let (layout, repairs) = imported(|plan| {
        plan["zones"][0]["areas"] = json!([
            {"shape": "rectangle", "color": "#CBEEB3", "rotation": 90, "position": {"x": 0, "y": -100},
             "rectangle": {"width": 40, "height": 20}, "text": {"text": "Main stage", "position": {"x": 0, "y": 0}}},
            {"shape": "circle", "color": "#abc", "position": {"x": 0, "y": 100}, "circle": {"radius": 10}},
            {"shape": "text", "position": {"x": 0, "y": 150}, "text": {"text": "Exit", "position": {"x": 0, "y": 0}}},
            {"shape": "polygon", "polygon": {"points": [{"x": 0, "y": 0}, {"x": 9, "y": 0}, {"x": 0, "y": 9}]}},
            {"shape": "ellipse", "ellipse": {"radius": {"x": 5, "y": 9}}},
        ]);
    });
    assert!(repairs.is_empty(), "{repairs:?}");
    let kinds: Vec<_> = layout.shapes.iter().map(|shape| shape.kind).collect();
    use ShapeKind::{Floor, Stage, Text};
    assert_eq!(kinds, [Stage, Floor, Text, Floor, Floor]);
    let colors: Vec<_> = layout.shapes.iter().map(|shape| shape.color.as_deref()).collect();
    assert_eq!(colors, [Some("#CBEEB3"), Some("#aabbcc"), None, None, None]);
    // A quarter turn clockwise: 40 long to the right became 40 long downwards (80 in units, seats being 25 apart).
    let stage = &layout.shapes[0].polygon;
    assert!(
        (stage[1][1] - stage[0][1] - 80.0).abs() < 0.11 && (stage[1][0] - stage[0][0]).abs() < 0.11,
        "{stage:?}"
    );
}

#[test]
fn a_zone_without_seats_keeps_its_drawing_and_names_and_colors_are_put_right() {
    let (layout, repairs) = imported(|plan| {
        let circle = json!({"shape": "circle", "circle": {"radius": 10}});
        let empty = json!({"name": "Foyer", "position": {"x": 300, "y": 0}, "rows": [], "areas": [circle]});
        let mut twin = plan["zones"][0].clone();
        twin["position"]["y"] = 500.into();
        let zones = plan["zones"].as_array_mut().unwrap();
        zones.extend([empty, twin]);
        plan["categories"] = json!([{"name": "Stalls", "color": "tomato"}, {"name": "Stalls"}]);
    });
    assert_eq!(layout.shapes.len(), 1);
    let names: Vec<_> =
        layout.sections.iter().map(|section| (section.id.as_str(), section.name.as_str())).collect();
    assert_eq!(names, [("parquet", "Parquet"), ("parquet-2", "Parquet (2)")]);
    assert_eq!(
        repairs,
        [
            "category Stalls: the color \"tomato\" is not # and hexadecimal digits, it became #8a4fd3",
            "category Stalls: is given more than once, the first one counts",
            "zone 3: the zone label \"Parquet\" is used before in the same place, it became \"Parquet (2)\"",
        ]
    );
}
