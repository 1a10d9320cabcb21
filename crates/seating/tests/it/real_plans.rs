//! Real plans, where they are at hand: they belong to others and are not part of the project.

use std::path::Path;

use livehouse_seating::import::{self, Imported};
use livehouse_seating::{Layout, ShapeKind};

use crate::checks;

/// A real plan, `None` with a printed line where it is not at hand.
fn real(file: &str) -> Option<Imported> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let path = root.join("../shared/data").join(file);
    let Ok(bytes) = std::fs::read(&path) else {
        eprintln!("skipped: {file} is not at hand");
        return None;
    };
    Some(import::parse(&bytes).unwrap())
}

fn rows(layout: &Layout) -> usize {
    layout.sections.iter().map(|section| section.rows.len()).sum()
}

fn is_sound(layout: &Layout) {
    checks::is_valid(layout);
    checks::ids_are_unique_and_well_formed(layout);
    checks::sections_do_not_overlap(layout);
    checks::seats_keep_their_distance(layout);
    assert!(layout.sections.iter().all(|section| section.polygon.is_some()));
}

#[test]
fn the_plan_with_738_seats_is_complete_and_its_repairs_are_listed() {
    let Some(Imported { layout, repairs }) = real("seating-plan-738.json") else { return };
    assert_eq!(
        (layout.seat_count(), rows(&layout), layout.sections.len(), layout.categories.len()),
        (738, 90, 2, 5)
    );
    is_sound(&layout);
    let names: Vec<_> = layout.sections.iter().map(|section| section.name.as_str()).collect();
    assert_eq!(names, ["Ground floor", "First Floor"]);
    let colors: Vec<_> = layout.categories.iter().map(|category| category.color.as_str()).collect();
    assert_eq!(colors, ["#F44336", "#9C27B0", "#4CAF50", "#2196F3", "#8BC34A"]);
    assert_eq!(layout.shapes.iter().filter(|shape| shape.kind == ShapeKind::Floor).count(), 1);
    // 90 rows have 30 different labels in their zones; the other 60 were renamed, two zones repeat their seat_guids, and
    // the upper floor was drawn over the lower one.
    let said = |what: &str| repairs.iter().filter(|repair| repair.what.contains(what)).count();
    assert_eq!((said("row label"), said("seat_guid"), said("it is drawn above")), (60, 2, 1), "{repairs:#?}");
    assert_eq!(repairs.len(), 63);
}

#[test]
fn the_stadium_is_complete_and_its_repairs_are_listed() {
    let Some(Imported { layout, repairs }) = real("stadium-metalist.json") else { return };
    assert_eq!((layout.seat_count(), rows(&layout), layout.sections.len()), (39_417, 1_450, 51));
    assert!((4..=6).contains(&layout.categories.len()));
    is_sound(&layout);
    let json = layout.canonical_json();
    assert!(json.len() < 2_900_000, "{} bytes", json.len());
    assert!(layout.seat_index().unwrap().memory_bytes() < 4 * 1024 * 1024);
    // The labels of this table are clean; only the names of seven lounges and boxes have an underscore.
    let said: Vec<String> = repairs.iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 7, "{said:#?}");
    assert_eq!(said[0], "stand west, section VIP_B: the section is shown as \"VIP B\"");
    assert_eq!(layout.sections[0].rows[0].seats[0].id, "1-1-1");
}
