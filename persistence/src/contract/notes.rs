//! Cases about notes: small named values beside the log, in atomic sets.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use actuarius_domain::Version;

use super::concurrency::beside_a_writer;
use super::sample::{Sample, stream, text};
use super::scene::Scene;
use super::stage::Stage;
use crate::store::memory;
use crate::test_rng::TestRng;
use crate::{
    Batch, NOTE_KEY_BYTES_MAX, NOTE_VALUE_BYTES_MAX, NOTES_BYTES_MAX, Note, Notes, Reader,
};

/// The expected value of each note.
type Values = BTreeMap<Vec<u8>, Vec<u8>>;

/// Returns a set that puts these notes, and removes those without a value.
fn set<const N: usize>(changes: [(&[u8], Option<&[u8]>); N]) -> Notes {
    let mut notes = Notes::default();
    for (key, value) in changes {
        let taken = match value {
            Some(value) => notes.put(key, value),
            None => notes.remove(key),
        };
        taken.expect("the cases use small notes");
    }
    notes
}

fn commit(scene: &mut Scene<'_>, notes: Vec<Notes>) {
    let batch = Batch { notes, ..Batch::default() };
    let outcomes = scene.store().writer.commit(&batch).expect("the store keeps the notes");
    assert!(outcomes.is_empty(), "a batch without appends has no outcomes");
}

/// Checks that the store has exactly these notes; now and after reopening.
fn check(scene: &mut Scene<'_>, values: &Values) {
    for _ in 0..2 {
        let reader = scene.reader();
        for (key, value) in values {
            let found = reader.note(key).expect("the note is readable");
            let found = found.unwrap_or_else(|| panic!("no note {}", key.escape_ascii()));
            assert!(found == value[..], "the note {} has another value", key.escape_ascii());
        }
        let all = reader.notes(b"", None, usize::MAX).expect("the notes are readable");
        same(&all, values.iter());
        drop(reader);
        scene.reopen_and_check();
    }
}

fn same<'a>(found: &[Note], expected: impl Iterator<Item = (&'a Vec<u8>, &'a Vec<u8>)>) {
    let expected: Vec<_> = expected.collect();
    let keys = |keys: Vec<&[u8]>| keys.iter().map(|key| key.escape_ascii().to_string()).collect();
    let found_keys: Vec<String> = keys(found.iter().map(|note| &note.key[..]).collect());
    let expected_keys: Vec<String> = keys(expected.iter().map(|(key, _)| &key[..]).collect());
    assert_eq!(found_keys, expected_keys, "the notes listed");
    for (note, (key, value)) in found.iter().zip(expected) {
        assert!(note.value == value[..], "in a list, {} has another value", key.escape_ascii());
    }
}

fn values<const N: usize>(notes: [(&[u8], &[u8]); N]) -> Values {
    notes.into_iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
}

pub(super) fn notes_come_back_after_reopening(stage: &dyn Stage) {
    let mut scene = Scene::open(stage);
    assert_eq!(scene.reader().note(b"a").expect("readable"), None);
    assert_eq!(scene.reader().notes(b"", None, 10).expect("readable"), []);
    commit(&mut scene, vec![Notes::default()]);
    check(&mut scene, &Values::new());
    commit(&mut scene, vec![set([(b"a", Some(b"one")), (b"empty", Some(b""))])]);
    commit(&mut scene, vec![set([(b"b", Some(b"two"))])]);
    check(&mut scene, &values([(b"a", b"one"), (b"b", b"two"), (b"empty", b"")]));
}

pub(super) fn a_removed_note_is_gone(stage: &dyn Stage) {
    let mut scene = Scene::open(stage);
    commit(&mut scene, vec![set([(b"a", Some(b"1")), (b"b", Some(b"2")), (b"c", Some(b"3"))])]);
    commit(&mut scene, vec![set([(b"b", None)])]);
    assert_eq!(scene.reader().note(b"b").expect("readable"), None);
    check(&mut scene, &values([(b"a", b"1"), (b"c", b"3")]));
    commit(&mut scene, vec![set([(b"a", None), (b"never there", None), (b"c", None)])]);
    check(&mut scene, &Values::new());
}

pub(super) fn the_last_change_of_a_note_counts(stage: &dyn Stage) {
    let mut scene = Scene::open(stage);
    commit(&mut scene, vec![set([(b"a", Some(b"long before"))])]);
    commit(&mut scene, vec![set([(b"a", Some(b"now"))])]);
    check(&mut scene, &values([(b"a", b"now")]));
    let put = |value| set([(b"a", Some(value))]);
    commit(&mut scene, vec![put(b"first"), put(b"second")]);
    check(&mut scene, &values([(b"a", b"second")]));
    commit(&mut scene, vec![put(b"third"), set([(b"a", None)])]);
    check(&mut scene, &Values::new());
    commit(
        &mut scene,
        vec![put(b"fourth"), set([(b"a", None), (b"b", Some(b"1"))]), put(b"fifth")],
    );
    check(&mut scene, &values([(b"a", b"fifth"), (b"b", b"1")]));
}

pub(super) fn notes_are_listed_by_prefix_in_the_order_of_their_keys(stage: &dyn Stage) {
    let mut scene = Scene::open(stage);
    let mut expected = Values::new();
    // Not in their order, and in several batches.
    for number in 0..60u32 {
        let number = (number * 37 % 60) as u8;
        let key = format!("{}/{number:02}", ["left", "leftover", "right"][usize::from(number % 3)]);
        commit(&mut scene, vec![set([(key.as_bytes(), Some(&[number]))])]);
        expected.insert(key.into_bytes(), vec![number]);
    }
    check(&mut scene, &expected);
    let reader = scene.reader();
    for prefix in ["", "l", "left", "left/", "leftover/0", "right/", "right/59", "none", "z"] {
        let wanted = || expected.iter().filter(|(key, _)| key.starts_with(prefix.as_bytes()));
        for limit in [1, 2, 7, 100] {
            same(&page_by_page(&*reader, prefix.as_bytes(), limit), wanted());
        }
        // Also after keys that do not exist, or have another prefix.
        for after in ["", "a", "left/", "left/10", "left/30x", "leftover/59", "right", "z"] {
            let after = after.as_bytes();
            let found = reader.notes(prefix.as_bytes(), Some(after), 100).expect("readable");
            same(&found, wanted().filter(|(key, _)| &key[..] > after));
        }
        assert_eq!(reader.notes(prefix.as_bytes(), None, 0).expect("readable"), []);
    }
}

fn page_by_page(reader: &dyn Reader, prefix: &[u8], limit: usize) -> Vec<Note> {
    let mut all: Vec<Note> = Vec::new();
    loop {
        let after = all.last().map(|note| note.key.clone());
        let page = reader.notes(prefix, after.as_deref(), limit).expect("the notes are readable");
        assert!(page.len() <= limit, "a page of {} for {limit}", page.len());
        let continues = page.iter().all(|note| after.as_ref().is_none_or(|after| note.key > after));
        assert!(continues, "a page starts at or before the end of the previous one");
        let is_last = page.len() < limit;
        all.extend(page);
        if is_last {
            return all;
        }
    }
}

pub(super) fn odd_keys_never_share_a_note(stage: &dyn Stage) {
    let mut scene = Scene::open(stage);
    // Also keys that look like internal ones of a store.
    let odd: [&[u8]; 18] = [
        b"\0",
        b"\0\0",
        b"\0\0\0",
        b"\0a",
        b"a",
        b"a\0",
        b"a\0b",
        b"ab",
        b"aB",
        b"a/b",
        b"a//b",
        b"\xff",
        b"\xff\0",
        b"\xff\xff",
        b"e",
        b"e\0\0\0\0\0\0\0\x01\0\0",
        b"m",
        b"n",
    ];
    let mut notes = Notes::default();
    let mut expected = Values::new();
    for (number, key) in odd.into_iter().enumerate() {
        notes.put(key, [number as u8]).expect("small");
        expected.insert(key.to_vec(), vec![number as u8]);
    }
    scene.write(&stream("a"), vec![Sample::Marked]);
    commit(&mut scene, vec![notes]);
    check(&mut scene, &expected);
    for prefix in [&b"\0"[..], b"\0\0", b"a", b"a\0", b"\xff", b"\xff\xff", b"\xff\xff\xff"] {
        let found = scene.reader().notes(prefix, None, 100).expect("readable");
        same(&found, expected.iter().filter(|(key, _)| key.starts_with(prefix)));
    }
    for absent in [&b""[..], b"A", b"\0\0\0\0", b"\xff\xff\xff", b"a/", &[b'a'; 5_000]] {
        assert_eq!(scene.reader().note(absent).expect("readable"), None);
    }
    for key in odd {
        commit(&mut scene, vec![set([(key, None)])]);
        expected.remove(key);
        assert_eq!(scene.reader().notes(b"", None, 100).expect("readable").len(), expected.len());
    }
    check(&mut scene, &Values::new());
}

pub(super) fn the_largest_notes_survive_reopening(stage: &dyn Stage) {
    let mut scene = Scene::open(stage);
    let (mut rng, mut expected) = (TestRng::new(21), Values::new());
    let mut sets = vec![Notes::default()];
    // Full sets, and more of them than a store prefers to sync at once.
    while sets.len() < 6 {
        let mut key = text(&mut rng, NOTE_KEY_BYTES_MAX).into_bytes();
        key[0] = 0xff;
        let value = text(&mut rng, NOTE_VALUE_BYTES_MAX).into_bytes();
        if sets.last_mut().is_some_and(|set| set.put(&key, &value).is_err()) {
            sets.push(set([(&key, Some(&value))]));
        }
        expected.insert(key, value);
    }
    assert!(sets.iter().map(Notes::bytes).sum::<usize>() > 4 * NOTES_BYTES_MAX);
    scene.put(&stream("a"), vec![Sample::Marked]);
    scene.put_notes(sets);
    scene.commit();
    check(&mut scene, &expected);
}

pub(super) fn a_full_set_of_small_notes_survives_reopening(stage: &dyn Stage) {
    let mut scene = Scene::open(stage);
    let (mut rng, mut expected, mut notes) = (TestRng::new(22), Values::new(), Notes::default());
    loop {
        let key = rng.next_u64().to_be_bytes();
        if notes.put(key, [1]).is_err() {
            break;
        }
        expected.insert(key.to_vec(), vec![1]);
    }
    let mut removed = Notes::default();
    notes.iter().for_each(|change| removed.remove(&change.key).expect("no larger"));
    commit(&mut scene, vec![notes]);
    check(&mut scene, &expected);
    commit(&mut scene, vec![removed]);
    check(&mut scene, &Values::new());
}

pub(super) fn a_batch_of_notes_alone_moves_no_position(stage: &dyn Stage) {
    let mut scene = Scene::open(stage);
    scene.write(&stream("a"), vec![Sample::Marked, Sample::Counted(1)]);
    commit(&mut scene, vec![set([(b"a", Some(b"1"))])]);
    scene.check();
    scene.write(&stream("a"), vec![Sample::Marked]);
    check(&mut scene, &values([(b"a", b"1")]));
    commit(&mut scene, vec![set([(b"a", Some(b"2"))]), set([(b"b", Some(b"3"))])]);
    scene.write(&stream("b"), vec![Sample::Marked]);
    check(&mut scene, &values([(b"a", b"2"), (b"b", b"3")]));
}

pub(super) fn notes_beside_a_conflict_are_kept(stage: &dyn Stage) {
    let mut scene = Scene::open(stage);
    scene.write(&stream("a"), vec![Sample::Marked]);
    scene.put_commits(&stream("a"), Version::NONE, &[vec![Sample::Marked]]);
    scene.put_notes(vec![set([(b"a", Some(b"1")), (b"b", Some(b"1"))]), set([(b"b", None)])]);
    scene.put(&stream("a"), vec![Sample::Marked]);
    scene.commit();
    check(&mut scene, &values([(b"a", b"1")]));
    // A batch in which every append is a conflict.
    scene.put_commits(&stream("a"), Version::NONE, &[vec![Sample::Marked]]);
    scene.put_notes(vec![set([(b"a", Some(b"2"))])]);
    scene.commit();
    check(&mut scene, &values([(b"a", b"2")]));
}

pub(super) fn notes_in_any_order_equal_their_model(stage: &dyn Stage) {
    let mut scene = Scene::open(stage);
    let (mut rng, mut expected) = (TestRng::new(23), Values::new());
    for round in 1..=60 {
        let sets = (0..rng.below(4)).map(|_| random_changes(&mut rng, &mut expected)).collect();
        if rng.chance(0.5) {
            scene.put(&stream("a"), vec![Sample::Marked]);
        }
        scene.put_notes(sets);
        scene.commit();
        if round % 20 == 0 {
            check(&mut scene, &expected);
        }
    }
}

/// Returns a set of changes of some twenty notes, and applies them to `expected`, too.
fn random_changes(rng: &mut TestRng, expected: &mut Values) -> Notes {
    let mut notes = Notes::default();
    for _ in 0..=rng.below(8) {
        let key = vec![b'k'; rng.below(20) as usize + 1];
        if rng.chance(0.3) {
            notes.remove(&key).expect("small");
            expected.remove(&key);
        } else {
            let bytes = rng.below(400) as usize;
            let value = text(rng, bytes).into_bytes();
            notes.put(&key, &value).expect("small");
            expected.insert(key, value);
        }
    }
    notes
}

pub(super) fn the_identity_stays_and_is_the_stores_own(stage: &dyn Stage) {
    let mut scene = Scene::open(stage);
    let identity = scene.reader().identity();
    assert_ne!(identity, memory::open().reader.identity(), "another store's");
    scene.write(&stream("a"), vec![Sample::Marked]);
    assert_eq!(scene.reader().identity(), identity);
    for _ in 0..2 {
        scene.reopen_and_check();
        assert_eq!(scene.reader().identity(), identity, "after reopening");
    }
}

/// Each set changes 22 notes to the same value.
pub(super) fn readers_beside_a_writer_see_sets_of_notes_whole(stage: &dyn Stage) {
    let write = |scene: &mut Scene<'_>| {
        for number in 1..=200u64 {
            if number % 3 > 0 {
                scene.put(&stream("a"), vec![Sample::Marked]);
            }
            let values = [number, scene.head().get()].map(u64::to_be_bytes).concat();
            let mut notes = Notes::default();
            (0..22u8).for_each(|key| notes.put([key], &values).expect("small"));
            scene.put_notes(vec![notes]);
            scene.commit();
        }
    };
    beside_a_writer(stage, write, |reader, done| {
        let mut seen = 0;
        loop {
            let last_round = done.load(Ordering::Acquire);
            let notes = reader.notes(b"", None, 100).expect("the notes are readable");
            let head = reader.head();
            assert!(notes.len() == 22 || notes.is_empty() && seen == 0, "half a set");
            assert!(notes.iter().all(|note| note.value == notes[0].value), "half a set");
            if let Some(note) = notes.first() {
                let [number, of_batch] = [&note.value[..8], &note.value[8..]]
                    .map(|it| u64::from_be_bytes(it.try_into().expect("eight bytes")));
                assert!(number >= seen, "a note has an older value than before");
                assert!(of_batch <= head.get(), "a note is visible before the events of its batch");
                seen = number;
            }
            if last_round {
                return;
            }
        }
    });
}
