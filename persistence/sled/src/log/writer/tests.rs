//! Tests of what is durable between two syncs of one batch.

use std::cell::RefCell;
use std::fs;
use std::path::Path;
use std::rc::Rc;

use actuarius_domain::Position;
use actuarius_persistence::{Batch, RecordedShape};
use tempfile::TempDir;

use crate::engine::measuring::after_each_sync;
use crate::open;
use crate::testing::append;

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
