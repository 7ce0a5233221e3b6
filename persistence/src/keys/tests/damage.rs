use super::*;
use crate::keys::pages::PAGE;
use crate::test_rng::TestRng;

fn file(ring: &MasterKeyRing) -> (Vec<u8>, Vec<Vec<u8>>) {
    let directory = tempfile::tempdir().unwrap();
    let keys = Keys::open(directory.path(), ring.clone()).unwrap();
    let values = sealed(&keys, &["ada", "bob", "eve"]);
    keys.forget("eve").unwrap();
    drop(keys);
    (std::fs::read(directory.path().join("keys")).unwrap(), values)
}

/// Everything is as it was, or it is said that it is damaged.
fn check(content: Vec<u8>, ring: &MasterKeyRing, values: &[Vec<u8>], context: &str) {
    let Ok(keys) = try_open(content, ring) else { return };
    for (subject, value) in ["ada", "bob", "eve"].iter().zip(values) {
        match read(&keys, subject, value) {
            Ok(Some(clear)) => assert!(clear == *subject && *subject != "eve", "{context}"),
            Ok(None) => assert_eq!(*subject, "eve", "{context}"),
            Err(PersonalError::Keys(KeyError::Damaged { .. })) => {
                // Nor does it pass for one that has no key yet.
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
    // The pages with anything in them; then places at random.
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
fn both_copies_damaged_are_told_and_are_never_forgotten_or_new() {
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

#[test]
fn slots_that_have_changed_places_are_damaged() {
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
fn a_file_that_is_no_key_file_or_a_newer_one_is_told() {
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
