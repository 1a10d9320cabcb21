//! The table of leases, which lies where others can write it, and what replicas do with whatever it says.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::json;

use crate::lease::share::Table;

/// What a replica does with the table.
#[derive(Debug, Clone)]
enum Act {
    Round(usize, Vec<usize>),
    Release(usize, Vec<usize>),
    Surrender(usize),
    Forget(usize),
}

const REPLICAS: usize = 4;
const KEYS: usize = 8;

fn replica(index: usize) -> String {
    format!("replica-{index}")
}

fn key(index: usize) -> String {
    format!("key.{index}")
}

fn keys(indexes: &[usize]) -> Vec<String> {
    let indexes: BTreeSet<usize> = indexes.iter().copied().collect();
    indexes.into_iter().map(key).collect()
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let some_keys = || prop::collection::vec(0..KEYS, 0..2 * KEYS);
    let act = prop_oneof![
        4 => (0..REPLICAS, some_keys()).prop_map(|(replica, keys)| Act::Round(replica, keys)),
        1 => (0..REPLICAS, some_keys()).prop_map(|(replica, keys)| Act::Release(replica, keys)),
        2 => (0..REPLICAS).prop_map(Act::Surrender),
        1 => (0..REPLICAS).prop_map(Act::Forget),
    ];
    prop::collection::vec(act, 0..30)
}

/// A table as somebody may have left it: with numbers of any size, and notes that fit nothing.
fn table() -> impl Strategy<Value = Table> {
    let number = || prop_oneof![0..10_u64, Just(u64::MAX), any::<u64>()];
    let replicas = prop::collection::btree_map((0..REPLICAS).prop_map(replica), number(), 0..REPLICAS);
    let holder = ((0..REPLICAS).prop_map(replica), number());
    let held = prop::collection::btree_map((0..KEYS).prop_map(key), holder, 0..KEYS);
    let by = prop::collection::btree_map((0..REPLICAS).prop_map(replica), any::<bool>(), 0..REPLICAS);
    let passed_over = prop::collection::btree_map((0..KEYS).prop_map(key), by, 0..KEYS);
    let beyond = prop::collection::btree_set((0..KEYS).prop_map(key), 0..KEYS);
    (replicas, held, number(), passed_over, beyond).prop_map(
        |(replicas, keys, epoch, passed_over, beyond)| Table {
            replicas,
            keys,
            epoch,
            passed_over,
            beyond,
            ..Table::default()
        },
    )
}

/// Hands over what is too much. To release nothing would say that the replica leaves.
fn surrender(table: &mut Table, by: &str) {
    let surplus = table.surplus(by);
    assert!(surplus.iter().all(|key| table.keys[key].0 == by));
    if !surplus.is_empty() {
        table.release(by, &surplus);
    }
}

/// Does it, and looks at what no act may break.
fn act(table: &mut Table, act: &Act) {
    match act {
        Act::Round(by, wanted) => {
            let wanted = keys(wanted);
            let others: Vec<_> = table
                .keys
                .iter()
                .filter(|(_, (holder, _))| *holder != replica(*by))
                .map(|(key, _)| key.clone())
                .collect();
            let holdings = table.round(&replica(*by), &wanted);
            assert!(holdings.iter().all(|holding| wanted.contains(&holding.key)));
            let taken = |key: &String| table.keys[key].0 == replica(*by);
            assert!(!others.iter().any(taken), "what another holds is not taken");
        }
        Act::Release(by, released) => table.release(&replica(*by), &keys(released)),
        Act::Surrender(by) => surrender(table, &replica(*by)),
        Act::Forget(gone) => table.forget(&BTreeSet::from([replica(*gone)])),
    }
}

proptest! {
    #[test]
    fn whatever_the_table_of_leases_says_replicas_go_on(
        (mut table, acts) in (table(), acts()), replicas in 1..=REPLICAS, wanted in 1..=KEYS,
    ) {
        for next in &acts {
            act(&mut table, next);
            let text = serde_json::to_string(&table).expect("it is written");
            table = serde_json::from_str(&text).expect("and read again");
        }
        // All that is wanted gets an owner when nobody is in the way, whatever was noted before, and evenly.
        let all = keys(&(0..wanted).collect::<Vec<_>>());
        let left: Vec<String> = (0..replicas).map(replica).collect();
        table.forget(&(replicas..REPLICAS).map(replica).collect());
        let unwanted: Vec<String> = (wanted..KEYS).map(key).collect();
        for replica in &left {
            table.round(replica, &all);
            if table.keys.iter().any(|(key, (holder, _))| holder == replica && unwanted.contains(key)) {
                table.release(replica, &unwanted);
            }
        }
        for _ in 0..3 * KEYS {
            for replica in &left {
                table.round(replica, &all);
                surrender(&mut table, replica);
            }
        }
        for replica in &left {
            table.round(replica, &all);
        }
        prop_assert_eq!(table.keys.len(), wanted);
        let held = |replica: &String| table.keys.values().filter(|(holder, _)| holder == replica).count();
        let held: Vec<usize> = left.iter().map(held).collect();
        prop_assert!(held.iter().max().unwrap() - held.iter().min().unwrap() <= 1, "{:?}", held);
    }

    #[test]
    fn any_bytes_are_read_as_a_table_or_refused(bytes in super::bytes(), json in super::json()) {
        let _ = serde_json::from_slice::<Table>(&bytes);
        let _ = serde_json::from_str::<Table>(&json);
        let table = json!({"replicas": {"a": 1}, "keys": {"k": ["a", 1]}, "epoch": 1}).to_string();
        let ones: Vec<usize> = table.match_indices('1').map(|(at, _)| at).collect();
        for at in ones {
            let nearly = format!("{}{json}{}", &table[..at], &table[at + 1..]);
            let _ = serde_json::from_str::<Table>(&nearly);
        }
    }
}
