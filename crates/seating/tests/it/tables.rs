//! Tables without coordinates become stadiums.

use livehouse_seating::{ShapeKind, import};
use proptest::prelude::*;
use serde_json::json;

use crate::checks;

#[test]
fn dirty_row_labels_are_kept_apart_or_left_out_and_every_one_is_said() {
    let rows =
        [("1", 5), ("-2", 5), ("-02", 5), ("00", 5), ("3", 5), ("3", 5), ("", 5), ("9", 0), (" 4 ", 5)];
    let rows: Vec<_> = rows.iter().map(|(row, seats)| json!({"row": row, "seats": seats})).collect();
    let table = json!({"venue": "Ground", "stands": [{"stand": "west", "sections": [
        {"section": "1", "rows": rows}, {"section": "1", "rows": [{"row": "1", "seats": 3}]}, {"section": "2", "rows": []}]}]});
    let imported = import::parse(table.to_string().as_bytes()).unwrap();
    let layout = imported.layout;
    checks::is_valid(&layout);
    checks::ids_are_unique_and_well_formed(&layout);
    assert_eq!(layout.seat_count(), 43);
    let rows: Vec<_> =
        layout.sections[0].rows.iter().map(|row| (row.id.as_str(), row.label.as_str())).collect();
    assert_eq!(
        rows,
        [
            ("1-1", "1"),
            ("1-minus-2", "-2"),
            ("1-minus-02", "-02"),
            ("1-00", "00"),
            ("1-3", "3"),
            ("1-3-2", "3 (2)"),
            ("1-7", "7"),
            ("1-4", "4"),
        ]
    );
    let repairs: Vec<String> = imported.repairs.iter().map(ToString::to_string).collect();
    let compare = "compare it with the sign on the row";
    assert_eq!(
        repairs,
        [
            format!("stand west, section 1, row -2: the label \"-2\" is kept; {compare}"),
            format!(
                "stand west, section 1, row -02: the label \"-02\" is kept and reads as the same number as row \"-2\", \
                 both have their own id; {compare}"
            ),
            format!("stand west, section 1, row 00: the label \"00\" is kept; {compare}"),
            "stand west, section 1, row 3: the row label \"3\" is used before in the same place, it became \"3 (2)\"".into(),
            "stand west, section 1, row : the row has no label, it is called \"7\" now".into(),
            "stand west, section 1, row 9: has no seats, the row was left out".into(),
            "stand west, section 1, row  4 : the label \" 4 \" became \"4\"".into(),
            "stand west, section 1: the section label \"1\" is used before in the same place, it became \"1 (2)\"".into(),
            "stand west, section 2: has no seats, the section was left out".into(),
        ]
    );
}

#[test]
fn stands_without_a_compass_are_drawn_in_their_order_and_said() {
    let stand = |name: &str| json!({"stand": name, "sections": [{"section": name, "rows": [{"row": "1", "seats": 9}]}]});
    let table = json!({"venue": "Ground", "stands": [stand("Main"), stand("Kop")]});
    let imported = import::parse(table.to_string().as_bytes()).unwrap();
    let repairs: Vec<String> = imported.repairs.iter().map(ToString::to_string).collect();
    let what = "the stands are not four different points of the compass, this one is drawn at the";
    assert_eq!(repairs, [format!("stand Main: {what} top"), format!("stand Kop: {what} right")]);
    assert_eq!(imported.layout.shapes.iter().filter(|shape| shape.kind == ShapeKind::Pitch).count(), 1);
}

#[test]
fn a_lounge_whose_rows_count_from_lower_than_the_stands_keeps_its_rows_apart() {
    let rows = |numbers: [i64; 2]| numbers.map(|number| json!({"row": number.to_string(), "seats": 4}));
    let table = json!({"venue": "Ground", "stands": [{"stand": "west", "sections": [
        {"section": "1", "rows": rows([6, 7])}, {"section": "Lounge", "rows": rows([1, 2])}]}]});
    let layout = import::parse(table.to_string().as_bytes()).unwrap().layout;
    checks::sections_do_not_overlap(&layout);
    assert!(checks::seats_keep_their_distance(&layout) > 49.0);
    let lounge = &layout.sections[1].rows[0].seats[0];
    assert!(lounge.y < layout.sections[0].rows[1].seats[0].y, "the lounge lies behind section 1");
}

fn any_label() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (1..60_u32).prop_map(|number| number.to_string()),
        1 => prop::sample::select(vec!["-2", "-02", "00", "0", "", " ", "A", "Ä", "VIP_1", "№", "x\u{0}y", "12 (2)"])
            .prop_map(str::to_owned),
    ]
}

prop_compose! {
    fn any_table()(stands in prop::collection::vec(
        prop::collection::vec((any_label(), prop::collection::vec((any_label(), 0..40_u32), 0..30), any::<bool>()), 0..9), 1..=4,
    )) -> serde_json::Value {
        let names = ["west", "north", "east", "south"];
        let stands: Vec<_> = names.iter().zip(stands).map(|(name, sections)| {
            let sections: Vec<_> = sections.into_iter().map(|(label, rows, in_order)| {
                let rows: Vec<_> = rows.into_iter().enumerate().map(|(number, (label, seats))| {
                    let label = if in_order { (number + 3).to_string() } else { label };
                    json!({"row": label, "seats": seats})
                }).collect();
                json!({"section": label, "rows": rows})
            }).collect();
            json!({"stand": name, "sections": sections})
        }).collect();
        json!({"venue": "Ground", "stands": stands})
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn any_table_becomes_a_stadium_without_overlaps_and_loses_no_seat(table in any_table()) {
        let seats: u64 = table["stands"].as_array().unwrap().iter()
            .flat_map(|stand| stand["sections"].as_array().unwrap())
            .flat_map(|section| section["rows"].as_array().unwrap())
            .map(|row| row["seats"].as_u64().unwrap())
            .sum();
        match import::parse(table.to_string().as_bytes()) {
            Err(refused) => {
                prop_assert_eq!(seats, 0);
                prop_assert_eq!(refused.problems[0].to_string(), "the table: has no seats at all");
            }
            Ok(imported) => {
                prop_assert_eq!(imported.layout.seat_count() as u64, seats);
                checks::is_valid(&imported.layout);
                checks::ids_are_unique_and_well_formed(&imported.layout);
                checks::sections_do_not_overlap(&imported.layout);
                checks::seats_keep_their_distance(&imported.layout);
                // The same table gives the same ids, whoever imports it and when.
                let again = import::parse(table.to_string().as_bytes()).unwrap();
                prop_assert_eq!(again.layout.id, imported.layout.id);
            }
        }
    }
}
