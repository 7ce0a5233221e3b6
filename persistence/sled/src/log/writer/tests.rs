//! Tests of what is durable between two syncs of one batch.

use std::cell::RefCell;
use std::fs;
use std::path::Path;
use std::rc::Rc;

use actuarius_domain::Position;
use actuarius_persistence::verify::Verify;
use actuarius_persistence::{Batch, RecordedShape, Store};
use tempfile::TempDir;

use crate::engine::measuring::{after_each_sync, cut_after};
use crate::testing::append;
use crate::{SledOptions, open, open_with};

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("listed") {
        let from = entry.expect("listed").path();
        let to = to.join(from.file_name().expect("a name"));
        match from.is_dir() {
            true => copy(&from, &to),
            false => drop(fs::copy(&from, &to).expect("copied")),
        }
    }
}

/// The first bincode events of a type filled more than one group. Power failed between the groups, and the store
/// had the events without their shape: the next release would have recorded its own as theirs, and misread them.
#[test]
fn the_notes_of_a_batch_are_durable_before_its_events() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = open(directory.path()).expect("opens");
    let shape = RecordedShape::new("account", "Noise", 1, "bytes");
    let notes = vec![shape.notes().expect("short")];
    let appends = (0..8).map(|id| append("account", &id.to_string(), 0, &[700_000])).collect();
    let copies: Rc<RefCell<Vec<TempDir>>> = Rc::default();
    let (path, all) = (directory.path().to_owned(), copies.clone());
    let each = move || {
        let to = tempfile::tempdir().expect("a directory");
        copy(&path, to.path());
        all.borrow_mut().push(to);
    };
    after_each_sync(each, || {
        let batch = Batch { appends, notes, ..Batch::default() };
        store.writer.commit(&batch).expect("stored");
    });
    let mut cut = 0;
    for at in copies.borrow().iter() {
        let reader = open(at.path()).expect("opens").reader;
        let has_note = reader.note(shape.key().as_bytes()).expect("readable").is_some();
        assert!(has_note || reader.head() == Position::NONE, "events without their shape");
        cut += usize::from(reader.head() > Position::NONE && reader.head() < store.reader.head());
    }
    assert!(cut > 0, "the batch took one sync");
}

/// Small commits, with a large one among them.
fn mixed_batch(round: u64) -> Batch {
    let sizes = [700, 700, 700, 700, 12_000, 700, 700, 2_000, 700];
    let append = |(number, &size): (usize, &usize)| {
        append(&format!("kind-{round}"), &number.to_string(), 0, &[size])
    };
    Batch { appends: sizes.iter().enumerate().map(append).collect(), ..Batch::default() }
}

/// Commits a batch of which only the first changes are made, and copies the store as it is after the sync.
fn commit_cut(store: &mut Store, round: u64, changes: usize, (from, to): (&Path, &Path)) -> usize {
    let (from, to) = (from.to_owned(), to.to_owned());
    cut_after(changes, || {
        after_each_sync(
            move || copy(&from, &to),
            || {
                store.writer.commit(&mixed_batch(round)).expect("stored, as it seems");
            },
        );
    })
}

/// Groups without notes and snapshots are not atomic in sled: power may fail when any number of their first changes is
/// on disk. What is left is a prefix of the batch, its commits are whole, the index is right, and the store continues.
#[test]
fn a_group_of_which_any_first_part_is_left_is_a_prefix_of_its_batch() {
    // Runs of 90 commits in 30 buckets: their parts are written with many groups, and removed after they are merged.
    let options = SledOptions::default().index_runs(90, 30);
    let base = tempfile::tempdir().expect("a directory");
    let (mut partly, mut with_index, mut round) = (0, 0, 0);
    for rounds in [12, 70, 4] {
        let mut store = open_with(base.path(), &options).expect("opens");
        for _ in 0..rounds {
            round += 1;
            store.writer.commit(&mixed_batch(round)).expect("stored");
        }
        drop(store);
        for changes in 0.. {
            let made = || tempfile::tempdir().expect("a directory");
            let (one, cut) = (made(), made());
            copy(base.path(), one.path());
            let mut store = open_with(one.path(), &options).expect("opens");
            // The first group begins what is done in the background. It records that, so it is atomic.
            store.writer.commit(&mixed_batch(round + 1)).expect("stored");
            let head = store.reader.head();
            let unmade = commit_cut(&mut store, round + 2, changes, (one.path(), cut.path()));
            let whole = store.reader.head();
            drop(store);
            if unmade == 0 {
                break;
            }
            let mut store = open_with(cut.path(), &options).expect("opens after the power cut");
            let left = store.reader.head();
            assert!(head <= left && left <= whole, "{round} {changes}: {left:?}");
            partly += usize::from(head < left && left < whole);
            with_index += usize::from(left == whole);
            for later in 3..10 {
                store.writer.commit(&mixed_batch(round + later)).expect("stored");
            }
            let verified = store.reader.maintenance().verify(&mut Verify::default());
            let findings = verified.expect("readable").findings;
            assert!(findings.is_empty(), "{round} {changes}: {findings:?}");
        }
    }
    assert!(
        partly >= 8 && with_index >= 15,
        "{partly} prefixes, {with_index} with parts of the index"
    );
}
