//! Values of every shape that serde knows are written as serde_json writes them.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Serialize;

use crate::{Collection, Data, Model, Ref, SoftRef};

#[derive(Debug, Clone, Serialize)]
struct Unit;

#[derive(Debug, Clone, Serialize)]
struct Newtype(String);

#[derive(Debug, Clone, Serialize)]
enum Variant {
    Unit,
    Newtype(String),
    Tuple(u8, String),
    Struct { text: String },
}

#[derive(Debug, Clone, Serialize)]
struct Inner {
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<u8>,
    optional: Option<String>,
    flag: bool,
    list: Vec<Newtype>,
    pair: (i64, char),
    variants: Vec<Variant>,
    map: BTreeMap<u16, f64>,
    unit: Unit,
    raw: Box<serde_json::value::RawValue>,
}

#[derive(Debug, Clone, Serialize)]
struct Whole {
    #[serde(rename = "a \"name\"")]
    text: String,
    newtype: Newtype,
    number: f32,
    large: u64,
    character: char,
    nothing: (),
    reference: Option<Ref>,
    soft: SoftRef,
    plain: Data<String>,
    inner: Data<Inner>,
    list: Data<Vec<Inner>>,
}

/// Texts of every length up to some words of a machine, with something to escape at any place or none.
fn text() -> impl Strategy<Value = String> {
    let special = prop::sample::select(vec!['"', '\\', '\n', '\0', '\u{1f}', ' ', '\u{7f}', 'é', '€', '😀']);
    let plain = prop::collection::vec(
        prop::char::range('!', '~').prop_filter("plain", |c| !"\"\\".contains(*c)),
        0..40,
    );
    (plain, prop::option::of((any::<prop::sample::Index>(), special))).prop_map(|(mut text, at)| {
        if let Some((place, special)) = at {
            let place = place.index(text.len() + 1);
            text.insert(place, special);
        }
        text.into_iter().collect()
    })
}

fn variant() -> impl Strategy<Value = Variant> {
    prop_oneof![
        Just(Variant::Unit),
        text().prop_map(Variant::Newtype),
        (any::<u8>(), text()).prop_map(|(number, text)| Variant::Tuple(number, text)),
        text().prop_map(|text| Variant::Struct { text }),
    ]
}

fn inner() -> impl Strategy<Value = Inner> {
    let values = (text(), prop::option::of(any::<u8>()), prop::option::of(text()), any::<bool>());
    let lists =
        (prop::collection::vec(text().prop_map(Newtype), 0..4), prop::collection::vec(variant(), 0..4));
    let others =
        (any::<(i64, char)>(), prop::collection::btree_map(any::<u16>(), any::<f64>(), 0..3), text());
    (values, lists, others).prop_map(
        |((text, skipped, optional, flag), (list, variants), (pair, map, raw))| {
            let raw = serde_json::value::to_raw_value(&raw).expect("JSON");
            Inner { text, skipped, optional, flag, list, pair, variants, map, unit: Unit, raw }
        },
    )
}

fn whole() -> impl Strategy<Value = Whole> {
    let values = (text(), text(), any::<f32>(), any::<u64>(), any::<char>(), any::<bool>(), text());
    (values, inner(), prop::collection::vec(inner(), 0..3)).prop_map(|(values, inner, list)| {
        let (text, newtype, number, large, character, is_there, plain) = values;
        Whole {
            text,
            newtype: Newtype(newtype),
            number,
            large,
            character,
            nothing: (),
            reference: is_there.then(|| Ref::new("a.b").expect("valid")),
            soft: SoftRef::new("a?b").expect("valid"),
            plain: Data(plain),
            inner: Data(inner),
            list: Data(list),
        }
    })
}

proptest! {
    #[test]
    fn a_model_is_written_as_serde_json_writes_it(whole in whole()) {
        let expected = serde_json::to_string(&whole).expect("JSON");
        let model = Model::from_serialize(&whole).expect("a model");
        let said = |model: &Model| String::from_utf8(model.json().to_vec()).expect("text");
        prop_assert_eq!(said(&model), &*expected);
        // A clone is kept elsewhere, and what is written next goes to the first one's place.
        let kept = model.clone();
        drop(model);
        let other = Model::from_serialize(&whole.inner.0.map).expect("a model");
        prop_assert_eq!(said(&kept), expected);
        prop_assert_eq!(&other.json()[..], serde_json::to_vec(&whole.inner.0.map).expect("JSON"));
    }

    #[test]
    fn a_collection_is_written_as_serde_json_writes_it(items in prop::collection::vec(inner(), 0..5)) {
        let items: Vec<_> = items.into_iter().map(Data).collect();
        let collection = Collection::from_serialize(&items).expect("a collection");
        prop_assert_eq!(&collection.json()[..], serde_json::to_vec(&items).expect("JSON"));
    }
}
