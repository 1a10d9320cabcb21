//! Livehouse's own format.

use livehouse_seating::{generate, import};

#[test]
fn a_layout_may_leave_out_its_id_and_empty_lists() {
    let text = r##"{"name":"Yard","size":[100,100],
        "sections":[{"id":"yard","name":"Yard","areas":[{"id":"grass","name":"Grass","capacity":50,"category":"all"}]}],
        "categories":[{"id":"all","name":"All","color":"#336699"}]}"##;
    let imported = import::parse(text.as_bytes()).unwrap();
    assert!(imported.repairs.is_empty());
    assert_eq!(imported.layout.id, imported.layout.hash());
    assert_eq!(imported.layout.unit_count(), 50);
}

#[test]
fn a_byte_order_mark_is_no_obstacle() {
    let mut bytes = b"\xef\xbb\xbf".to_vec();
    bytes.extend(generate::club().canonical_json());
    assert_eq!(import::parse(&bytes).unwrap().layout, generate::club());
}

#[test]
fn a_wrong_id_is_replaced_and_said() {
    let mut layout = generate::club();
    let right = layout.id.clone();
    layout.id = "0000".into();
    let imported = import::parse(&layout.canonical_json()).unwrap();
    assert_eq!(imported.layout.id, right);
    let repairs: Vec<String> = imported.repairs.iter().map(ToString::to_string).collect();
    assert_eq!(
        repairs,
        [format!("the layout: the id \"0000\" is not the hash of the content, it became {right:?}")]
    );
}
