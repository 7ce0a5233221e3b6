//! Verification of the key file: counts and findings.

use super::*;
use crate::keys::header::PAGE;

#[test]
fn every_key_is_counted_by_the_master_key_it_is_wrapped_with() {
    let mut ring = ring("one");
    let directory = tempfile::tempdir().unwrap();
    let open = |ring: &MasterKeyRing| Keys::open(directory.path(), ring.clone()).unwrap();
    let keys = open(&ring);
    sealed(&keys, &["ada", "bob", "eve"]);
    keys.forget("eve").unwrap();
    drop(keys);
    let two = MasterKeyId::new("two").unwrap();
    ring.add(two, MasterKey::random().unwrap());
    let keys = open(&ring);
    // This key is not written yet.
    sealed(&keys, &["kim"]);
    let verified = keys.verify().unwrap();
    assert!(verified.is_whole(), "{verified:?}");
    let one = MasterKeyId::new("one").unwrap();
    assert_eq!(verified.masters, [(one, 2), (two, 1)].into());
    assert_eq!((verified.live(), verified.forgotten), (3, 1));
    keys.rotate().unwrap();
    assert_eq!(keys.verify().unwrap().masters, [(two, 3)].into());
}

#[test]
fn damage_is_found_slot_by_slot() {
    let ring = ring("one");
    let directory = tempfile::tempdir().unwrap();
    let keys = Keys::open(directory.path(), ring.clone()).unwrap();
    sealed(&keys, &["ada", "bob"]);
    drop(keys);
    let path = directory.path().join("keys");
    let whole = std::fs::read(&path).unwrap();
    let damage = |copies: &[usize]| {
        let mut damaged = whole.clone();
        copies.iter().for_each(|page| damaged[page * PAGE + 128 + 50] ^= 1);
        damaged
    };
    let both = opened(damage(&[2, 3]), &ring).verify().unwrap();
    assert_eq!(both.findings, ["slot 1: both copies are damaged: restore the key file"]);
    assert_eq!(both.live(), 1);
    // One copy is damaged while the file is open.
    std::fs::write(&path, &whole).unwrap();
    let keys = Keys::open(directory.path(), ring).unwrap();
    std::fs::write(&path, damage(&[3])).unwrap();
    let one = keys.verify().unwrap();
    assert_eq!(one.findings, ["slot 1: one copy is damaged; opening the file repairs it"]);
}
