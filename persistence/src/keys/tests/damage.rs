//! Damage of the key file: flipped bits, swapped slots, and foreign files.

use super::*;
use crate::keys::header::PAGE;
use crate::test_rng::TestRng;

fn file(ring: &MasterKeyRing) -> (Vec<u8>, Vec<Vec<u8>>) {
    let directory = tempfile::tempdir().unwrap();
    let keys = Keys::open(directory.path(), ring.clone()).unwrap();
    let values = sealed(&keys, &["ada", "bob", "eve"]);
    keys.forget("eve").unwrap();
    drop(keys);
    (std::fs::read(directory.path().join("keys")).unwrap(), values)
}

/// Checks that every value is read as it was, or reported as damaged.
fn check(content: Vec<u8>, ring: &MasterKeyRing, values: &[Vec<u8>], context: &str) {
    let Ok(keys) = try_open(content, ring) else { return };
    for (subject, value) in ["ada", "bob", "eve"].iter().zip(values) {
        match read(&keys, subject, value) {
            Ok(Some(clear)) => assert!(clear == *subject && *subject != "eve", "{context}"),
            Ok(None) => assert_eq!(*subject, "eve", "{context}"),
            Err(PersonalError::Keys(KeyError::Damaged { .. })) => {
                // It is not treated as a subject without a key either.
                let refused = keys.seal(subject, b"more").unwrap_err();
                assert!(matches!(refused, PersonalError::Keys(KeyError::Damaged { .. })));
            }
            Err(other) => panic!("{context}: {subject}: {other}"),
        }
    }
}

#[test]
fn one_flipped_bit_anywhere_changes_nothing() {
    let ring = ring("one");
    let (whole, values) = file(&ring);
    // The used pages, and then random bits.
    let used = 4 * PAGE * 8;
    let mut rng = TestRng::new(1);
    let all = (0..used).filter(|bit| bit % 7 == 0 || (bit / 8) % PAGE < 400);
    for bit in all.step_by(3).chain((0..200).map(|_| rng.below(whole.len() as u64 * 8) as usize)) {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let keys = opened(flipped.clone(), &ring);
        assert_eq!(keys.figures().damaged, 0, "bit {bit}");
        drop(keys);
        check(flipped, &ring, &values, &format!("bit {bit}"));
    }
}

#[test]
fn a_slot_with_two_damaged_copies_is_reported_and_never_treated_as_forgotten_or_new() {
    let ring = ring("one");
    let (whole, values) = file(&ring);
    for slot in 0..3 {
        for byte in 0..128 {
            let mut damaged = whole.clone();
            damaged[2 * PAGE + slot * 128 + byte] ^= 0x10;
            damaged[3 * PAGE + slot * 128 + (byte + 5) % 128] ^= 0x01;
            let keys = opened(damaged.clone(), &ring);
            assert_eq!(keys.figures().damaged, 1);
            let subject = ["ada", "bob", "eve"][slot];
            let error = read(&keys, subject, &values[slot]).unwrap_err();
            assert_eq!(error, PersonalError::Keys(KeyError::Damaged { slots: 1 }));
            assert_eq!(keys.forget("never seen"), Err(KeyError::Damaged { slots: 1 }));
            drop(keys);
            check(damaged, &ring, &values, &format!("slot {slot}, byte {byte}"));
        }
    }
}

/// Keys with two damaged copies were left out without a word. The old master key was removed, and the restored key
/// file could not be opened.
#[test]
fn a_rotation_names_the_slots_that_it_could_not_take_along() {
    let mut ring = ring("one");
    let (mut damaged, _) = file(&ring);
    for side in [2, 3] {
        damaged[side * PAGE + 128 + 40] ^= 1;
    }
    ring.add(MasterKeyId::new("two").expect("a name"), MasterKey::random().expect("random"));
    let keys = opened(damaged, &ring);
    let live = keys.figures().live;
    assert_eq!(keys.rotate(), Err(KeyError::NotRotated { rewrapped: live, left: vec![1] }));
    assert_eq!(keys.rotate(), Err(KeyError::NotRotated { rewrapped: 0, left: vec![1] }));
}

#[test]
fn swapped_slots_are_reported_as_damaged() {
    let ring = ring("one");
    let (whole, values) = file(&ring);
    let mut moved = whole.clone();
    for side in [2, 3] {
        let (one, two) = (side * PAGE, side * PAGE + 128);
        let copy = moved[one..one + 128].to_vec();
        moved.copy_within(two..two + 128, one);
        moved[two..two + 128].copy_from_slice(&copy);
    }
    assert_eq!(opened(moved.clone(), &ring).figures().damaged, 2);
    check(moved, &ring, &values, "moved");
}

#[test]
fn a_foreign_or_newer_file_is_refused() {
    let ring = ring("one");
    let (whole, _) = file(&ring);
    assert!(try_open(vec![], &ring).is_err());
    assert!(try_open(vec![7; whole.len()], &ring).is_err());
    let mut newer = whole;
    for page in [0, PAGE] {
        newer[page + 8] = 2;
        let checksum = crc32c::crc32c(&newer[page..page + 72]).to_le_bytes();
        newer[page + 72..page + 76].copy_from_slice(&checksum);
    }
    let newer = try_open(newer, &ring);
    assert!(matches!(newer, Err(NotOpen::Pages(pages::Unopened::Newer(2)))));
}
