//! A store with the keys of its subjects keeps the contract, too.

use std::sync::Arc;

use actuarius_persistence::contract::Stage;
use actuarius_persistence::keys::{self, Keys, MasterKeyRing};
use actuarius_persistence::memory;

fn empty_stage() -> impl Stage {
    let contents = Arc::default();
    let keys = Keys::in_memory(MasterKeyRing::generate("only").expect("a key")).expect("keys");
    move || keys::guard(memory::reopen(&contents), &keys)
}

actuarius_persistence::contract_tests!(empty_stage);

/// What a store can do in its own way must not be hidden by the guard, which would give the default.
#[test]
fn the_guard_passes_everything_on() {
    let methods = |source: &str, from: &str| -> Vec<String> {
        let body = source.split_once(from).expect("it is there").1;
        let body = body.split_once("\n}").expect("it ends").0;
        let lines = body.lines().filter_map(|line| line.strip_prefix("    fn "));
        lines.map(|line| line.split('(').next().unwrap_or_default().to_owned()).collect()
    };
    let store = include_str!("../../src/store.rs");
    let guard = include_str!("../../src/keys/guard.rs");
    for (of, by) in [
        ("pub trait Reader", "impl Reader for GuardedReader"),
        ("pub trait Writer", "impl Writer for GuardedWriter"),
    ] {
        let passed_on = methods(guard, by);
        for method in methods(store, of) {
            assert!(passed_on.contains(&method), "{method} is not passed on by the guard");
        }
    }
}
