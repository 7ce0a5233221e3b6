//! Verification of a store in memory. `sled/verify.rs` has all other cases.

use actuarius_persistence::memory;
use actuarius_persistence::verify::Verify;

use crate::common::{append, commit};

#[test]
fn a_store_in_memory_is_verified_too() {
    let mut store = memory::open();
    for number in 0..50 {
        commit(&mut store, append("stream", number * 2, &[10, 30]));
    }
    let verified = store.reader.maintenance().verify(&mut Verify::default()).expect("readable");
    assert!(verified.is_whole());
    assert_eq!(
        (verified.events, verified.chain),
        (100, store.reader.maintenance().chain().expect("known"))
    );
}
