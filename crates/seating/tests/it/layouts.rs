//! Hash and validation of layouts.

use livehouse_seating::{Area, Attribute, Category, Layout, Row, Seat, Section, Shape, ShapeKind, import};
use proptest::prelude::*;

pub(crate) fn category(number: usize) -> Category {
    Category { id: format!("cat-{number}"), name: format!("Category {number}"), color: "#2f6fde".into() }
}

/// Any valid layout: sections with rows, areas or both.
pub(crate) fn any_layout() -> impl Strategy<Value = Layout> {
    let seats_of_rows = prop::collection::vec(1_usize..12, 0..6);
    let section = (seats_of_rows, prop::collection::vec(1_u32..5_000, 0..3), any::<bool>());
    (prop::collection::vec(section, 1..8), "[a-zA-Zäöü ]{0,12}[a-z]", any::<u16>()).prop_map(
        |(sections, name, seed)| {
            let mut sections: Vec<Section> = sections
                .into_iter()
                .enumerate()
                .map(|(number, (rows, areas, outlined))| section_of(number, &rows, &areas, outlined, seed))
                .collect();
            for section in &mut sections {
                if section.rows.is_empty() && section.areas.is_empty() {
                    section.areas.push(area(&section.id, 0, 1));
                }
            }
            let shape = Shape {
                kind: ShapeKind::Stage,
                polygon: vec![[0.0, 0.0], [10.5, 0.0], [10.5, 3.0]],
                label: Some("Stage".into()),
                color: None,
            };
            let shapes = if seed % 2 == 0 { vec![shape] } else { Vec::new() };
            let categories = (0..3).map(category).collect();
            Layout { id: String::new(), name, size: [5_000.0, 5_000.0], sections, categories, shapes }
                .sealed()
        },
    )
}

fn area(section: &str, number: usize, capacity: u32) -> Area {
    let id = format!("{section}-area-{number}");
    Area { name: id.clone(), id, capacity, polygon: None, category: "cat-0".into() }
}

fn section_of(number: usize, rows: &[usize], areas: &[u32], outlined: bool, seed: u16) -> Section {
    let id = format!("section-{number}");
    let rows = rows.iter().enumerate().map(|(row, count)| {
        let row_id = format!("{id}-{row}");
        let seats = (0..*count).map(|seat| Seat {
            id: format!("{row_id}-{seat}"),
            label: (seat + 1).to_string(),
            x: f64::from(seed % 97) / 7.0 + seat as f64 * 50.0,
            y: number as f64 * 600.0 + row as f64 * 90.0 + f64::from(seed % 13) / 3.0,
            category: format!("cat-{}", (seat + row) % 3),
            attributes: if seat == 0 { vec![Attribute::Aisle] } else { Vec::new() },
        });
        Row { seats: seats.collect(), label: (row + 1).to_string(), id: row_id.clone() }
    });
    let rows = rows.collect();
    let areas = areas.iter().enumerate().map(|(number, capacity)| area(&id, number, *capacity)).collect();
    let polygon = outlined.then(|| vec![[0.0, 0.0], [100.05, 0.0], [100.0, 99.96]]);
    Section { name: format!("Section {number}"), id, polygon, rows, areas }
}

proptest! {
    #[test]
    fn the_canonical_json_reads_back_to_the_same_layout_bytes_and_hash(layout in any_layout()) {
        let bytes = layout.canonical_json();
        let again = import::parse(&bytes).unwrap();
        prop_assert_eq!(&again.layout, &layout);
        prop_assert_eq!(again.layout.canonical_json(), bytes);
        prop_assert_eq!(again.layout.hash(), layout.id.clone());
        prop_assert!(again.repairs.is_empty());
        prop_assert_eq!(layout.clone().sealed(), layout);
    }

    #[test]
    fn white_space_member_order_and_the_id_do_not_change_the_hash(layout in any_layout()) {
        // A value of serde_json keeps its members sorted by name, which is not the canonical order.
        let mut value: serde_json::Value = serde_json::from_slice(&layout.canonical_json()).unwrap();
        value["id"] = "somebody-elses".into();
        let imported = import::parse(&serde_json::to_vec_pretty(&value).unwrap()).unwrap();
        prop_assert_eq!(&imported.layout.id, &layout.id);
        prop_assert_eq!(imported.repairs.len(), 1);
    }

    #[test]
    fn any_change_that_can_be_seen_changes_the_hash(layout in any_layout(), which in 0..5_usize) {
        let mut changed = layout.clone();
        match which {
            0 => changed.name.push('!'),
            1 => changed.size[0] += 0.1,
            2 => changed.sections[0].name.push('!'),
            3 => changed.categories[0].color = "#000000".into(),
            _ => match changed.sections.iter_mut().flat_map(|section| &mut section.rows).next() {
                Some(row) => row.seats[0].x += 0.2,
                None => changed.sections[0].areas[0].capacity += 1,
            },
        }
        prop_assert_ne!(changed.sealed().id, layout.id);
    }

    #[test]
    fn a_change_below_the_precision_does_not_change_the_hash(layout in any_layout()) {
        let mut changed = layout.clone();
        for seat in changed.sections.iter_mut().flat_map(|section| &mut section.rows).flat_map(|row| &mut row.seats) {
            seat.x += 0.01;
        }
        prop_assert_eq!(changed.hash(), layout.id);
    }
}

#[test]
fn the_hash_of_a_known_layout_never_changes() {
    let layout = Layout {
        id: String::new(),
        name: "Hall".into(),
        size: [100.0, 50.5],
        sections: vec![section_of(0, &[2], &[7], true, 0)],
        categories: (0..3).map(category).collect(),
        shapes: Vec::new(),
    }
    .sealed();
    let expected = concat!(
        r##"{"name":"Hall","size":[100,50.5],"sections":[{"id":"section-0","name":"Section 0","##,
        r##""polygon":[[0,0],[100.1,0],[100,100]],"rows":[{"id":"section-0-0","label":"1","seats":["##,
        r##"{"id":"section-0-0-0","label":"1","x":0,"y":0,"category":"cat-0","attributes":["aisle"]},"##,
        r##"{"id":"section-0-0-1","label":"2","x":50,"y":0,"category":"cat-1"}]}],"areas":["##,
        r##"{"id":"section-0-area-0","name":"section-0-area-0","capacity":7,"category":"cat-0"}]}],"categories":["##,
        r##"{"id":"cat-0","name":"Category 0","color":"#2f6fde"},{"id":"cat-1","name":"Category 1","color":"#2f6fde"},"##,
        r##"{"id":"cat-2","name":"Category 2","color":"#2f6fde"}]}"##,
    );
    let with_id = format!(r#"{{"id":"{}",{}"#, layout.id, &expected[1..]);
    assert_eq!(String::from_utf8(layout.canonical_json()).unwrap(), with_id);
    assert_eq!(layout.id, sha256_start(expected));
    assert_eq!(layout.id.len(), 32);
}

/// The first 32 hexadecimal characters of a SHA-256, taken apart from the crate's own way.
fn sha256_start(text: &str) -> String {
    use sha2::Digest;
    let digest = sha2::Sha256::digest(text.as_bytes());
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// A small valid layout that a test then breaks.
fn sound() -> Layout {
    let sections = (0..2).map(|number| section_of(number, &[3, 3], &[10], false, 0)).collect();
    let categories = (0..3).map(category).collect();
    Layout {
        id: String::new(),
        name: "Hall".into(),
        size: [2_000.0, 2_000.0],
        sections,
        categories,
        shapes: Vec::new(),
    }
}

fn problems_after(change: impl FnOnce(&mut Layout)) -> Vec<String> {
    let mut layout = sound();
    assert!(layout.validate().is_empty());
    change(&mut layout);
    let problems: Vec<String> = layout.validate().iter().map(ToString::to_string).collect();
    assert_eq!(layout.seat_index().is_err(), !problems.is_empty());
    problems
}

#[test]
fn problems_say_their_place_and_what_to_do() {
    let seat = |layout: &mut Layout, change: fn(&mut Seat)| change(&mut layout.sections[0].rows[0].seats[2]);
    let place = "section Section 0, row 1, seat 3";
    let cases: Vec<(Vec<String>, String)> = vec![
        (
            problems_after(|layout| seat(layout, |seat| seat.id = "section-0-0-0".into())),
            format!("{place}: the id \"section-0-0-0\" is used by another seat too"),
        ),
        (
            problems_after(|layout| seat(layout, |seat| seat.category = "gold".into())),
            format!("{place}: its category \"gold\" is unknown, known are: cat-0, cat-1, cat-2"),
        ),
        (
            problems_after(|layout| seat(layout, |seat| seat.x = f64::NAN)),
            format!("{place}: its position is not a number"),
        ),
        (
            problems_after(|layout| seat(layout, |seat| seat.y = -1.0)),
            format!("{place}: its position [100, -1] is outside the layout's size [2000, 2000]"),
        ),
        (
            problems_after(|layout| seat(layout, |seat| seat.id = "Seat 3".into())),
            format!("{place}: the id \"Seat 3\" must be 1 to 64 of a-z, 0-9 and -"),
        ),
        (
            problems_after(|layout| layout.sections[0].rows[0].seats[2].label = "1".into()),
            "section Section 0, row 1, seat 1: another seat of this row has the same label".into(),
        ),
        (
            problems_after(|layout| layout.sections[0].rows[1].seats.clear()),
            "section Section 0, row 2: has no seats".into(),
        ),
        (
            problems_after(|layout| layout.sections[1].rows[0].id = "section-0-0".into()),
            "section Section 1, row 1: the id \"section-0-0\" is used by another row too".into(),
        ),
        (
            problems_after(|layout| {
                layout.sections[1].rows.clear();
                layout.sections[1].areas.clear();
            }),
            "section Section 1: is empty: it has neither rows nor areas".into(),
        ),
        (
            problems_after(|layout| layout.sections[1].id = "total".into()),
            "section Section 1: the id \"total\" has another meaning in the live models, choose another".into(),
        ),
        (
            problems_after(|layout| layout.sections[1].areas[0].id = "section-0".into()),
            "section Section 1, area section-1-area-0: the id \"section-0\" is used by another section or area too".into(),
        ),
        (
            problems_after(|layout| layout.sections[1].areas[0].capacity = 0),
            "section Section 1, area section-1-area-0: its capacity is 0, it must be at least 1".into(),
        ),
        (
            problems_after(|layout| layout.sections[1].areas[0].capacity = 1_000_001),
            "the layout: holds 1000023 people, the limit is 1000000".into(),
        ),
        (
            problems_after(|layout| layout.sections[0].polygon = Some(vec![[0.0, 0.0], [1.0, 1.0]])),
            "section Section 0: its polygon has 2 points, it must have 3 to 2000".into(),
        ),
        (
            problems_after(|layout| layout.categories[2].color = "red".into()),
            "category Category 2: its color \"red\" must be # and six hexadecimal digits".into(),
        ),
        (
            problems_after(|layout| layout.size[1] = f64::INFINITY),
            "the layout: its size [2000, inf] must be above 0 and at most 1000000".into(),
        ),
        (problems_after(|layout| layout.sections.clear()), "the layout: has no section, so nothing can be sold".into()),
    ];
    for (problems, expected) in cases {
        assert!(problems.contains(&expected), "expected {expected:?} among {problems:#?}");
    }
}

#[test]
fn limits_are_checked_one_above_and_not_at_them() {
    let row_of = |count: usize| {
        move |layout: &mut Layout| {
            layout.size = [50_000.0, 2_000.0];
            layout.sections[0] = section_of(0, &[count], &[], false, 0);
        }
    };
    assert_eq!(problems_after(row_of(500)), Vec::<String>::new());
    assert_eq!(problems_after(row_of(501)), ["section Section 0, row 1: has 501 seats, the limit is 500"]);

    let sections_of = |count: usize| {
        move |layout: &mut Layout| {
            layout.sections = (0..count).map(|number| section_of(number, &[], &[1], false, 0)).collect();
        }
    };
    assert_eq!(problems_after(sections_of(2_000)), Vec::<String>::new());
    let problems = problems_after(sections_of(2_001));
    assert_eq!(problems[0], "the layout: has 2001 sections, the limit is 2000");
}
