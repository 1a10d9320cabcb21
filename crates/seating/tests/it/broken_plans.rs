//! Plans that are refused, and the words with which they are.

use livehouse_seating::import;
use proptest::prelude::*;
use serde_json::{Value, json};

fn refusal(bytes: &[u8]) -> Vec<String> {
    let refused = import::parse(bytes).expect_err("the plan is refused");
    assert!(!refused.problems.is_empty());
    assert!(refused.to_string().starts_with("the seating plan was refused, "));
    refused.problems.iter().map(ToString::to_string).collect()
}

/// A sound pretix plan with one row of two seats.
pub(crate) fn plan() -> Value {
    let seat = |number: &str, x: f64| json!({"seat_guid": number, "seat_number": number, "position": {"x": x, "y": 0}, "category": "Stalls"});
    json!({
        "name": "Hall", "size": {"width": 100, "height": 100},
        "categories": [{"name": "Stalls", "color": "#ff0000"}],
        "zones": [{"name": "Parquet", "position": {"x": 0, "y": 0}, "rows": [
            {"row_number": "A", "position": {"x": 10, "y": 10}, "seats": [seat("1", 0.0), seat("2", 25.0)]}
        ]}]
    })
}

fn refused_plan(change: impl FnOnce(&mut Value)) -> Vec<String> {
    let mut plan = plan();
    change(&mut plan);
    refusal(plan.to_string().as_bytes())
}

#[test]
fn the_plan_that_the_others_are_broken_from_is_sound() {
    let imported = import::parse(plan().to_string().as_bytes()).unwrap();
    assert!(imported.repairs.is_empty(), "{:?}", imported.repairs);
    assert_eq!(imported.layout.sections[0].rows[0].seats[1].id, "parquet-a-2");
    assert_eq!(imported.layout.categories[0].color, "#ff0000");
}

/// One member or element of a value, chosen by numbers, replaced by something else or removed.
fn spoil(value: &mut Value, path: &[usize], by: &Value) {
    let (Some(step), rest) = (path.first(), path.get(1..).unwrap_or_default()) else {
        *value = by.clone();
        return;
    };
    match value {
        Value::Array(elements) if !elements.is_empty() => {
            let count = elements.len();
            if rest.is_empty() && by.is_null() {
                elements.remove(step % count);
            } else {
                spoil(&mut elements[step % count], rest, by);
            }
        }
        Value::Object(members) if !members.is_empty() => {
            let name = members.keys().nth(step % members.len()).cloned().unwrap();
            if rest.is_empty() && by.is_null() {
                members.remove(&name);
            } else {
                spoil(&mut members[&name], rest, by);
            }
        }
        other => *other = by.clone(),
    }
}

fn any_scrap() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop::sample::select(vec!["", "-2", "A", "\u{0}", "\u{202e}x", "#12", "Stalls"])
            .prop_map(Value::from),
        Just(json!([])),
        Just(json!({})),
        Just(json!({"x": 1e308, "y": -1e308})),
    ]
}

proptest! {
    #[test]
    fn a_spoilt_plan_is_repaired_or_refused_and_what_is_accepted_is_valid(
        which in 0..3_usize,
        spoils in prop::collection::vec((prop::collection::vec(any::<usize>(), 1..9), any_scrap()), 1..4),
    ) {
        let mut value = match which {
            0 => plan(),
            1 => json!({"venue": "X", "stands": [{"stand": "west", "sections": [
                {"section": "1", "rows": [{"row": "1", "seats": 9}, {"row": "2", "seats": 11}]},
                {"section": "VIP", "rows": [{"row": "7", "seats": 3}]}]}]}),
            _ => serde_json::from_slice(&livehouse_seating::generate::studio().canonical_json()).unwrap(),
        };
        for (path, by) in &spoils {
            spoil(&mut value, path, by);
        }
        match import::parse(value.to_string().as_bytes()) {
            Ok(imported) => crate::checks::is_valid(&imported.layout),
            Err(refused) => prop_assert!(!refused.problems.is_empty()),
        }
    }

    #[test]
    fn no_bytes_stop_the_program(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in any::<prop::sample::Index>()) {
        prop_assert!(import::parse(&bytes).is_err());
        let plan = plan().to_string();
        let cut = cut.index(plan.len());
        prop_assert!(import::parse(&plan.as_bytes()[..cut]).is_err());
    }
}

/// A plan whose first row has so many seats, all of one label; how long its refusal took.
fn time_of_equal_labels(count: usize) -> std::time::Duration {
    let mut plan = plan();
    let seat = plan["zones"][0]["rows"][0]["seats"][0].clone();
    let seats: Vec<Value> = (0..count)
        .map(|number| {
            let mut seat = seat.clone();
            seat["position"]["x"] = (number * 25).into();
            seat
        })
        .collect();
    plan["zones"][0]["rows"][0]["seats"] = seats.into();
    let text = plan.to_string();
    let started = std::time::Instant::now();
    let problems = refusal(text.as_bytes());
    let expected = format!("section Parquet, row A: has {count} seats, the limit is 500");
    assert_eq!(problems.last(), Some(&expected));
    started.elapsed()
}

#[test]
fn equal_labels_are_told_apart_in_time_that_grows_with_their_number_not_its_square() {
    // Eight times the labels take eight times the time, or sixty-four times if each is compared with all others. The
    // quickest of a few runs tells what the work costs; the others, how busy the machine is.
    let quickest = |count| (0..5).map(|_| time_of_equal_labels(count)).min().unwrap_or_default();
    let (few, many) = (quickest(2_000), quickest(16_000));
    assert!(many < few * 24, "2,000 took {few:?}, 16,000 took {many:?}");
}

#[test]
fn broken_json_says_line_and_column() {
    assert_eq!(refusal(b""), ["line 1, column 0: is not JSON: EOF while parsing a value"]);
    assert_eq!(refusal(b"{\"zones\":\n  [1,,]}"), ["zones (line 2, column 6): is not JSON: expected value"]);
    assert_eq!(refusal(b"{\"zones\":[]} and more"), ["line 1, column 14: is not JSON: trailing characters"]);
    assert_eq!(
        refusal(b"{\"zones\":[], \"zone"),
        ["line 1, column 18: is not JSON: EOF while parsing a string"]
    );
    assert_eq!(refusal(b"[1]"), ["line 1, column 0: invalid type: sequence, expected a map"]);
}

#[test]
fn an_unknown_format_says_what_was_looked_for() {
    let expected = "the file: is in no known format: a pretix plan has \"zones\", a table of stands has \"stands\", a \
                    Livehouse layout has \"sections\", each only one of them; found ";
    assert_eq!(refusal(b"{}"), [format!("{expected}no members at all")]);
    assert_eq!(refusal(br#"{"rooms":[],"name":"x"}"#), [format!("{expected}\"name\", \"rooms\"")]);
    assert_eq!(refusal(br#"{"zones":[],"sections":[]}"#), [format!("{expected}\"sections\", \"zones\"")]);
}

#[test]
fn a_plan_too_large_or_too_deep_is_not_read() {
    let large = vec![b' '; import::BYTES_MAX + 1];
    assert_eq!(refusal(&large), ["the file: has 16777217 bytes, the limit is 16777216"]);
    let mut deep = b"{\"zones\":\n".to_vec();
    deep.extend(vec![b'['; 5_000_000]);
    assert_eq!(refusal(&deep), ["line 2, column 32: is nested deeper than 32 levels"]);
    // Brackets in words are not nesting.
    let mut words = plan();
    words["name"] = "[".repeat(100).into();
    assert!(import::parse(words.to_string().as_bytes()).is_ok());
}

#[test]
fn what_is_not_in_the_format_is_refused_with_its_path() {
    let one = |problems: Vec<String>, path: &str, what: &str| {
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(
            problems[0].starts_with(&format!("{path} (line 1, column ")),
            "{problems:?} should be at {path}"
        );
        assert!(problems[0].ends_with(&format!("): {what}")), "{problems:?} should say {what}");
    };
    one(
        refused_plan(|plan| plan["zones"][0]["rows"][0]["seats"][1]["position"]["x"] = "far".into()),
        "zones[0].rows[0].seats[1].position.x",
        "invalid type: string \"far\", expected f64",
    );
    one(
        refused_plan(|plan| {
            drop(plan["zones"][0]["rows"][0]["seats"][0].as_object_mut().unwrap().remove("category"))
        }),
        "zones[0].rows[0].seats[0]",
        "missing field `category`",
    );
    one(
        refused_plan(|plan| plan["zones"][0]["rows"][0]["row_nummer"] = "A".into()),
        "zones[0].rows[0].row_nummer",
        "unknown field `row_nummer`, expected one of `row_number`, `row_label`, `seat_label`, `uuid`, `seats`, \
         `row_number_position`, `position`",
    );
    one(refused_plan(|plan| plan["zones"] = json!({})), "zones", "invalid type: map, expected a sequence");
}

#[test]
fn what_makes_no_sense_is_refused_with_its_place() {
    let place = "zone Parquet, row A (row 1 of the zone), seat 2";
    assert_eq!(
        refused_plan(|plan| plan["zones"][0]["rows"][0]["seats"][1]["category"] = "Gods".into()),
        [format!("{place}: its category \"Gods\" is not in the plan's categories: Stalls")]
    );
    assert_eq!(
        refused_plan(|plan| plan["zones"][0]["rows"][0]["seats"][1]["position"]["x"] = 0.into()),
        ["zone Parquet, row A, seat 2: lies on row A, seat 1; move one of them"]
    );
    assert_eq!(refused_plan(|plan| plan["zones"] = json!([])), ["the plan: has no seats at all"]);
    let far = refused_plan(|plan| {
        let mut row = plan["zones"][0]["rows"][0].clone();
        row["row_number"] = "B".into();
        row["position"]["y"] = 1e300.into();
        plan["zones"][0]["rows"].as_array_mut().unwrap().push(row);
    });
    assert!(far[0].starts_with("the layout: its size ["), "{far:?}");
}

#[test]
fn tables_beyond_the_limits_are_refused_before_they_are_drawn() {
    let table = |rows: Value| json!({"venue": "X", "stands": [{"stand": "west", "sections": [{"section": "1", "rows": rows}]}]});
    let refused = |rows: Value| refusal(table(rows).to_string().as_bytes());
    assert_eq!(
        refused(json!([{"row": "1", "seats": 501}])),
        ["stand west, section 1, row 1: has 501 seats, the limit is 500"]
    );
    assert_eq!(
        refused(json!([{"row": "1", "seats": 4_000_000_000_u32}]))[0],
        "the table: has 4000000000 seats, the limit is 200000"
    );
    assert_eq!(refused(json!([{"row": "1", "seats": 0}])), ["the table: has no seats at all"]);
    let negative = refused(json!([{"row": "1", "seats": -3}]));
    assert!(negative[0].starts_with("stands[0].sections[0].rows[0].seats (line 1, column "), "{negative:?}");
    assert!(negative[0].ends_with("): invalid value: integer `-3`, expected u32"), "{negative:?}");
    let stands: Vec<_> = (0..5).map(|number| json!({"stand": number.to_string(), "sections": []})).collect();
    let problems = refusal(json!({"venue": "X", "stands": stands}).to_string().as_bytes());
    assert_eq!(problems[0], "the table: has 5 stands, the limit is 4");
}

#[test]
fn a_broken_layout_is_refused_with_all_of_its_problems() {
    let text = r##"{"name":"Yard","size":[100,100],"sections":[{"id":"a","name":"A","rows":[{"id":"r","label":"1","seats":[
        {"id":"s","label":"1","x":10,"y":10,"category":"all"},{"id":"s","label":"2","x":500,"y":10,"category":"none"}]}]},
        {"id":"b","name":"B"}],"categories":[{"id":"all","name":"All","color":"#336699"}]}"##;
    assert_eq!(
        refusal(text.as_bytes()),
        [
            "section A, row 1, seat 2: its position [500, 10] is outside the layout's size [100, 100]",
            "section A, row 1, seat 2: its category \"none\" is unknown, known are: all",
            "section A, row 1, seat 2: the id \"s\" is used by another seat too",
            "section B: is empty: it has neither rows nor areas",
        ]
    );
    let unknown = refusal(br#"{"name":"Yard","size":[1,1],"sections":[],"categories":[],"color":1}"#);
    assert!(unknown[0].starts_with("color (line 1, column 65): unknown field `color`"), "{unknown:?}");
}
