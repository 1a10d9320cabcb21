//! The generated venues.

use std::collections::HashSet;

use livehouse_seating::{Attribute, Layout, ShapeKind, generate};

use crate::checks;

fn count(layout: &Layout, attribute: Attribute) -> usize {
    let seats = layout.sections.iter().flat_map(|section| &section.rows).flat_map(|row| &row.seats);
    seats.filter(|seat| seat.attributes.contains(&attribute)).count()
}

#[test]
fn every_venue_is_valid_and_the_same_every_time() {
    for name in generate::NAMES {
        let layout = generate::named(name).unwrap();
        checks::is_valid(&layout);
        checks::ids_are_unique_and_well_formed(&layout);
        assert_eq!(generate::named(name).unwrap().canonical_json(), layout.canonical_json(), "{name}");
    }
    assert!(generate::named("moon").is_none());
}

#[test]
fn sections_do_not_overlap_and_seats_keep_their_distance() {
    for name in generate::NAMES {
        let layout = generate::named(name).unwrap();
        let pairs = checks::sections_do_not_overlap(&layout);
        let nearest = checks::seats_keep_their_distance(&layout);
        eprintln!("{name}: {pairs} seat and outline pairs, nearest seats {nearest:.1} apart");
        assert!(layout.sections.iter().all(|section| section.polygon.is_some()));
    }
}

#[test]
fn every_venue_has_a_stage_and_uses_all_of_its_categories() {
    for name in generate::NAMES {
        let layout = generate::named(name).unwrap();
        assert_eq!(layout.shapes.iter().filter(|shape| shape.kind == ShapeKind::Stage).count(), 1, "{name}");
        let seats = layout.sections.iter().flat_map(|section| &section.rows).flat_map(|row| &row.seats);
        let areas = layout.sections.iter().flat_map(|section| &section.areas);
        let used: HashSet<_> =
            seats.map(|seat| &seat.category).chain(areas.map(|area| &area.category)).collect();
        assert_eq!(used.len(), layout.categories.len(), "{name}");
    }
}

#[test]
fn the_concert_hall_has_stalls_boxes_and_two_balconies() {
    let hall = generate::concert_hall();
    assert!((1_900..=2_200).contains(&hall.seat_count()), "{} seats", hall.seat_count());
    let names: HashSet<_> = hall.sections.iter().map(|section| section.name.as_str()).collect();
    for name in [
        "Stalls left",
        "Stalls centre",
        "Stalls right",
        "Balcony 1 centre",
        "Balcony 2 left",
        "Box 1",
        "Box 10",
    ] {
        assert!(names.contains(name), "{name} is missing");
    }
    assert_eq!(count(&hall, Attribute::Accessible), count(&hall, Attribute::Companion));
    assert!(count(&hall, Attribute::Accessible) >= 6);
    assert!(count(&hall, Attribute::RestrictedView) > 0);
    // Numbers run on across the aisles: no two seats of row A of the stalls have the same one.
    let row_a = hall
        .sections
        .iter()
        .filter(|section| section.name.starts_with("Stalls"))
        .map(|section| &section.rows[0]);
    let numbers: Vec<&str> = row_a.flat_map(|row| &row.seats).map(|seat| seat.label.as_str()).collect();
    assert_eq!(numbers, (1..=numbers.len()).map(|number| number.to_string()).collect::<Vec<_>>());
    assert_eq!(hall.sections[0].rows[0].seats[0].id, "stalls-left-a-1");
}

#[test]
fn the_arena_has_two_tiers_and_a_floor_for_2500() {
    let arena = generate::arena();
    assert!(arena.seat_count() >= 12_000, "{} seats", arena.seat_count());
    assert!(arena.sections.len() >= 31);
    let areas: Vec<_> = arena.sections.iter().flat_map(|section| &section.areas).collect();
    assert_eq!(areas.iter().map(|area| area.capacity).collect::<Vec<_>>(), [2_500]);
    assert_eq!(arena.unit_count(), arena.seat_count() as u64 + 2_500);
    assert!(arena.sections.iter().any(|section| section.name == "Block 112"));
    assert!(count(&arena, Attribute::Accessible) > 0 && count(&arena, Attribute::RestrictedView) > 0);
}

#[test]
fn nobody_sits_in_the_club_and_120_sit_in_the_studio() {
    let club = generate::club();
    let capacities: Vec<_> =
        club.sections.iter().flat_map(|section| &section.areas).map(|area| area.capacity).collect();
    assert_eq!((club.seat_count(), capacities), (0, vec![400, 120]));
    let studio = generate::studio();
    assert_eq!((studio.seat_count(), studio.categories.len()), (120, 1));
}
