//! A table, in memory and on disk, equals a `BTreeMap` after any steps.

use std::collections::BTreeMap;
use std::ops::Bound::{self, Excluded, Included, Unbounded};

use actuarius_persistence::views::{Changes, Entry, Table, Views};
use proptest::prelude::*;

fn table(views: &Views) -> Table {
    views.place("orders").expect("opens").table(1).expect("opens")
}

#[derive(Debug, Clone)]
enum Step {
    Commit(Vec<(u8, Vec<u8>, Option<Vec<u8>>)>),
    Reopen,
    Scan(u8, Bound<Vec<u8>>, Bound<Vec<u8>>, bool, usize),
}

/// Short keys that repeat often, and long keys with a common prefix.
fn key() -> impl Strategy<Value = Vec<u8>> {
    let bytes = |some| {
        let byte = prop::sample::select(vec![0u8, 1, 0x7F, 0x80, 0xFE, 0xFF]);
        prop::collection::vec(byte, some)
    };
    let long = (bytes(0..=2), 0..=7usize, bytes(0..=3));
    let long = long.prop_map(|(start, run, end)| [start, vec![0xFF; run], end].concat());
    prop_oneof![2 => bytes(0..=3), 3 => long]
}

fn bound() -> impl Strategy<Value = Bound<Vec<u8>>> {
    prop_oneof![Just(Unbounded), key().prop_map(Included), key().prop_map(Excluded)]
}

fn space() -> impl Strategy<Value = u8> {
    prop::sample::select(vec![0u8, 1, 255])
}

fn step() -> impl Strategy<Value = Step> {
    let bytes = prop_oneof![8 => 0..50usize, 1 => 1_990..2_010usize, 1 => 3_990..20_000usize];
    let value = (bytes, any::<u8>()).prop_map(|(bytes, byte)| vec![byte; bytes]);
    let change = (space(), key(), prop::option::weighted(0.7, value));
    prop_oneof![
        5 => prop::collection::vec(change, 0..50).prop_map(Step::Commit),
        1 => Just(Step::Reopen),
        4 => (space(), bound(), bound(), any::<bool>(), 0..9usize)
            .prop_map(|(space, from, to, down, limit)| Step::Scan(space, from, to, down, limit)),
    ]
}

type Model = BTreeMap<(u8, Vec<u8>), Vec<u8>>;

fn expected(
    model: &Model,
    space: u8,
    range: &(Bound<Vec<u8>>, Bound<Vec<u8>>),
    down: bool,
    limit: usize,
) -> Vec<Entry> {
    let within = |key: &Vec<u8>| std::ops::RangeBounds::contains(range, key);
    let rows = model.iter().filter(|((of, key), _)| *of == space && within(key));
    let mut rows: Vec<Entry> =
        rows.map(|((_, key), value)| (key.clone().into(), value.clone().into())).collect();
    if down {
        rows.reverse();
    }
    rows.truncate(limit);
    rows
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_table_equals_an_ordered_map(steps in prop::collection::vec(step(), 1..30)) {
        let directory = tempfile::tempdir().expect("a directory");
        for views in [Views::in_memory(), actuarius_sled::views(directory.path())] {
            let (mut model, mut open) = (Model::new(), table(&views));
            for step in &steps {
                match step {
                    Step::Reopen => {
                        drop(open);
                        open = table(&views);
                    }
                    Step::Commit(list) => {
                        let mut changes = Changes::new();
                        for (space, key, value) in list {
                            let place = (*space, key.clone());
                            if let Some(value) = value {
                                changes.put(*space, key, value).expect("fits");
                                model.insert(place, value.clone());
                            } else {
                                changes.remove(*space, key).expect("fits");
                                model.remove(&place);
                            }
                        }
                        open.commit(changes).expect("stored");
                    }
                    Step::Scan(space, from, to, down, limit) => {
                        let range = (
                            from.as_ref().map(Vec::as_slice),
                            to.as_ref().map(Vec::as_slice),
                        );
                        let found = open.reader().scan(*space, range, *down, *limit);
                        let range = (from.clone(), to.clone());
                        let expected = expected(&model, *space, &range, *down, *limit);
                        prop_assert_eq!(found.expect("readable"), expected);
                    }
                }
            }
            let reader = open.reader();
            for ((space, key), value) in &model {
                let found = reader.get(*space, key).expect("readable");
                prop_assert_eq!(found.as_deref(), Some(&value[..]));
            }
            for space in [0, 1, 255] {
                let every = (Unbounded, Unbounded);
                for down in [false, true] {
                    let found = reader.scan(space, every, down, usize::MAX).expect("readable");
                    let every = (Unbounded, Unbounded);
                    prop_assert_eq!(found, expected(&model, space, &every, down, usize::MAX));
                }
            }
        }
    }
}
