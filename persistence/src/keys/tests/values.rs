//! Sealed values: forgetting, rotation, wrong keys, and values shown in clear text.

use super::*;
use crate::Personal;

#[test]
fn a_value_is_readable_until_its_subject_is_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let ring = ring("one");
    let keys = Keys::open(directory.path(), ring.clone()).unwrap();
    let values = sealed(&keys, &["ada", "bob"]);
    assert_eq!(keys.forget("ada"), Ok(Forgotten { had_key: true, number: 1 }));
    assert_eq!(keys.forget("ada"), Ok(Forgotten { had_key: false, number: 1 }));
    for _ in 0..2 {
        assert_eq!(read(&keys, "ada", &values[0]), Ok(None));
        assert_eq!(read(&keys, "bob", &values[1]), Ok(Some("bob".to_owned())));
        let refused = keys.seal("ada", b"more").unwrap_err();
        assert_eq!(refused, PersonalError::Forgotten { subject: "ada".to_owned() });
        assert!(keys.is_forgotten("ada") && !keys.is_forgotten("bob"));
    }
    drop(keys);
    let keys = Keys::open(directory.path(), ring).unwrap();
    assert_eq!(read(&keys, "ada", &values[0]), Ok(None));
    assert_eq!(read(&keys, "bob", &values[1]), Ok(Some("bob".to_owned())));
    assert_eq!((keys.figures().live, keys.forgotten()), (1, 1));
}

#[test]
fn an_unknown_subject_can_be_forgotten_in_advance() {
    let keys = Keys::in_memory(ring("one")).unwrap();
    assert_eq!(keys.forget("ada"), Ok(Forgotten { had_key: false, number: 1 }));
    assert!(matches!(keys.seal("ada", b"x"), Err(PersonalError::Forgotten { .. })));
    assert_eq!(keys.forget(""), Err(KeyError::Subject));
    assert_eq!(keys.forget(&"x".repeat(513)), Err(KeyError::Subject));
}

#[test]
fn a_value_of_another_subject_and_every_flipped_bit_are_detected() {
    let keys = Keys::in_memory(ring("one")).unwrap();
    let values = sealed(&keys, &["ada", "bob"]);
    let altered = |subject: &str| PersonalError::Altered { subject: subject.to_owned() };
    assert!(read(&keys, "bob", &values[0]).is_err());
    for bit in 0..values[0].len() * 8 {
        let mut flipped = values[0].clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let error = read(&keys, "ada", &flipped).unwrap_err();
        // The mark identifies the key, so a flipped mark looks like another key.
        let is_mark = (8..40).contains(&bit);
        assert!(is_mark || error == altered("ada"), "bit {bit}: {error}");
    }
    for length in 0..values[0].len() {
        assert!(read(&keys, "ada", &values[0][..length]).is_err());
    }
}

#[test]
fn another_key_file_is_distinguished_from_a_forgotten_subject() {
    let (ours, theirs) =
        (Keys::in_memory(ring("one")).unwrap(), Keys::in_memory(ring("one")).unwrap());
    let value = &sealed(&theirs, &["ada"])[0];
    let subject = "ada".to_owned();
    assert_eq!(read(&ours, "ada", value), Err(PersonalError::Missing { subject: subject.clone() }));
    sealed(&ours, &["ada"]);
    assert_eq!(read(&ours, "ada", value), Err(PersonalError::OtherKey { subject }));
}

#[test]
fn data_sealed_for_several_subjects_is_erased_when_one_is_forgotten() {
    let keys = Keys::in_memory(ring("one")).unwrap();
    sealed(&keys, &["ada", "bob"]);
    let both: Subjects = ["ada", "bob"].map(|it| keys.fingerprint(it)).into_iter().collect();
    let whole = keys.seal_for(&both, b"both").unwrap().unwrap();
    let Opened::Clear(clear, whose) = keys.open_for(&whole).unwrap() else { panic!() };
    assert_eq!((&clear[..], &whose), (&b"both"[..], &both));
    for bit in 32..whole.len() * 8 {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let opened = keys.open_for(&flipped).unwrap();
        assert!(!matches!(opened, Opened::Clear(..)), "bit {bit}");
    }
    keys.forget("bob").unwrap();
    assert_eq!(keys.open_for(&whole).unwrap(), Opened::Erased);
    assert_eq!(keys.seal_for(&both, b"both").unwrap(), None);
    assert_eq!(keys.open_for(b"another layout").unwrap(), Opened::Unsealed);
}

#[test]
fn a_missing_or_wrong_master_key_is_reported_and_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let right = ring("one");
    let keys = Keys::open(directory.path(), right.clone()).unwrap();
    let value = &sealed(&keys, &["ada"])[0];
    drop(keys);
    let before = std::fs::read(directory.path().join("keys")).unwrap();
    let refused = |ring: MasterKeyRing| match Keys::open(directory.path(), ring) {
        Err(OpenError::Keys { source: KeyError::Master(error), .. }) => error,
        other => panic!("{other:?}"),
    };
    let id = MasterKeyId::new("one").unwrap();
    assert_eq!(refused(ring("two")), MasterKeyError::Unknown { id });
    assert_eq!(refused(ring("one")), MasterKeyError::Wrong { id });
    assert_eq!(std::fs::read(directory.path().join("keys")).unwrap(), before);
    let keys = Keys::open(directory.path(), right).unwrap();
    assert_eq!(read(&keys, "ada", value), Ok(Some("ada".to_owned())));
}

#[test]
fn after_a_rotation_the_old_master_key_is_not_needed() {
    let directory = tempfile::tempdir().unwrap();
    let mut ring = ring("one");
    let keys = Keys::open(directory.path(), ring.clone()).unwrap();
    let subjects: Vec<_> = (0..3_000).map(|number| format!("subject {number}")).collect();
    let subjects: Vec<_> = subjects.iter().map(String::as_str).collect();
    let values = sealed(&keys, &subjects);
    keys.forget("subject 7").unwrap();
    drop(keys);
    let (old, id) = (MasterKeyId::new("one").unwrap(), MasterKeyId::new("two").unwrap());
    ring.add(id, MasterKey::random().unwrap());
    let keys = Keys::open(directory.path(), ring.clone()).unwrap();
    assert_eq!(keys.rotate(), Ok(2_999));
    assert_eq!(keys.rotate(), Ok(0));
    drop(keys);
    assert!(ring.remove(&old));
    let keys = Keys::open(directory.path(), ring).unwrap();
    for (subject, value) in subjects.iter().zip(&values) {
        let expected = (*subject != "subject 7").then(|| (*subject).to_owned());
        assert_eq!(read(&keys, subject, value), Ok(expected));
    }
}

#[test]
fn the_file_contains_no_names_and_is_opened_only_once() {
    let directory = tempfile::tempdir().unwrap();
    let keys = Keys::open(directory.path(), ring("one")).unwrap();
    sealed(&keys, &["ada lovelace"]);
    keys.settle().unwrap();
    let bytes = std::fs::read(directory.path().join("keys")).unwrap();
    assert!(!bytes.windows(3).any(|found| found == b"ada"));
    assert!(matches!(Keys::open(directory.path(), ring("one")), Err(OpenError::Locked { .. })));
}

#[test]
fn shown_values_are_clear_text_or_erased_and_cannot_be_read_back() {
    let keys = Keys::in_memory(ring("one")).unwrap();
    let nested = Personal::new("ada", vec![Personal::new("bob", 7u8)]);
    let stored = keys.within(|| serde_json::to_string(&nested)).unwrap();
    keys.forget("bob").unwrap();
    let read =
        keys.within(|| serde_json::from_str::<Personal<Vec<Personal<u8>>>>(&stored)).unwrap();
    // Even while keys are in scope.
    let shown = keys.within(|| showing(|| serde_json::to_string(&read))).unwrap();
    let bob = r#"{"subject":"bob","erased":true}"#;
    assert_eq!(shown, format!(r#"{{"subject":"ada","value":[{bob}]}}"#));
    let unset = showing(|| serde_json::to_string(&Personal::<u8>::default())).unwrap();
    assert_eq!(unset, r#"{"subject":"","value":null}"#);
    assert!(showing(|| serde_json::from_str::<Personal<Vec<Personal<u8>>>>(&stored)).is_err());
    assert!(serde_json::to_string(&read).is_err(), "outside of `showing` it is refused");
}
