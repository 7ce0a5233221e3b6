//! A store with the keys of its subjects passes the contract, too.

use std::sync::Arc;

use actuarius_persistence::contract::Stage;
use actuarius_persistence::keys::{Keys, MasterKeyRing};
use actuarius_persistence::{memory, with_sealer};

fn empty_stage() -> impl Stage {
    let contents = Arc::default();
    let keys = Keys::in_memory(MasterKeyRing::generate("only").expect("a key")).expect("keys");
    move || with_sealer(memory::reopen(&contents), keys.clone())
}

actuarius_persistence::contract_tests!(empty_stage);

/// The guard must forward every method; otherwise it would use the default implementation instead
/// of the store's own.
#[test]
fn the_guard_forwards_every_method() {
    let methods = |source: &str, from: &str| -> Vec<String> {
        let body = source.split_once(from).expect("it is there").1;
        let body = body.split_once("\n}").expect("it ends").0;
        let lines = body.lines().filter_map(|line| line.strip_prefix("    fn "));
        lines.map(|line| line.split('(').next().unwrap_or_default().to_owned()).collect()
    };
    let writer = include_str!("../../src/store/writer.rs");
    let reader = include_str!("../../src/store/reader.rs");
    let guard = include_str!("../../src/store/keyed.rs");
    for (source, of, by) in [
        (reader, "pub trait Reader", "impl Reader for KeyedReader"),
        (reader, "pub trait Maintenance", "impl Maintenance for KeyedReader"),
        (writer, "pub trait Writer", "impl Writer for KeyedWriter"),
    ] {
        let passed_on = methods(guard, by);
        for method in methods(source, of) {
            assert!(passed_on.contains(&method), "the guard does not forward {method}");
        }
    }
}
