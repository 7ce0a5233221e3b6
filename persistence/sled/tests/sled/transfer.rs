//! Copies, exports and migrations into a store on disk give the same log there.

use actuarius_persistence::copy::{self, Selection};
use actuarius_persistence::migrate::{self, BoxError, Rewrite};
use actuarius_persistence::{Batch, CommitView, Gone, Removal, Store, export, ignore_progress};

use crate::common::log::{log, same, source, stream};

#[test]
fn a_copy_of_a_whole_log_is_the_same_log() {
    let directory = tempfile::tempdir().expect("a directory");
    let (from, mut to) = (source(100), actuarius_sled::open(directory.path()).expect("opens"));
    let copied = copy(&from, &mut to).expect("copied");
    assert_eq!((copied.commits, copied.events, copied.found), (100, from.reader.head().get(), 0));
    assert!(same(&log(&*from.reader), &log(&*to.reader)));
    assert_eq!(
        from.reader.maintenance().chain().expect("readable"),
        to.reader.maintenance().chain().expect("readable")
    );
    let again = copy(&from, &mut to).expect("the same once more");
    assert_eq!((again.commits, again.found), (0, 100));
}

fn copy(from: &Store, to: &mut Store) -> Result<copy::Copied, copy::CopyError> {
    copy::run(&*from.reader, to, &Selection::all(), &mut ignore_progress)
}

#[test]
fn an_imported_log_is_the_exported_one_byte_by_byte() {
    let from = source(200);
    let lines = exported(&from);
    assert_eq!(lines.lines().count(), 202);
    let directory = tempfile::tempdir().expect("a directory");
    let mut to = actuarius_sled::open(directory.path()).expect("opens");
    let imported = import(&lines, &mut to).expect("imported");
    assert_eq!(imported.end, Some(from.reader.maintenance().chain().expect("readable")));
    assert!(same(&log(&*from.reader), &log(&*to.reader)));
    let again = import(&lines, &mut to).expect("a second run skips what is there");
    assert_eq!((again.copied.commits, again.copied.found), (0, 200));
    assert_eq!(exported(&to).lines().nth(50), lines.lines().nth(50));
}

fn exported(store: &Store) -> String {
    let mut lines = Vec::new();
    export::write(&*store.reader, &mut lines, &Selection::all(), &mut ignore_progress)
        .expect("exported");
    String::from_utf8(lines).expect("text")
}

fn import(lines: &str, to: &mut Store) -> Result<export::Imported, export::ImportError> {
    export::read(lines.as_bytes(), to, &mut ignore_progress)
}

#[test]
fn a_migration_that_keeps_everything_gives_the_same_log() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut from = source(150);
    let removals = log(&*from.reader).into_iter().filter(|it| it.view().belongs_to(&stream(3)));
    let removals = removals.map(|commit| Removal::of(&commit, Gone::Removed)).collect();
    from.writer.commit(&Batch { removals, ..Batch::default() }).expect("removed");
    let mut to = actuarius_sled::open(directory.path()).expect("opens");
    let migrated = migrate(&from, &mut to).expect("migrated");
    assert!(same(&log(&*from.reader), &log(&*to.reader)));
    assert_eq!(migrated.from, migrated.to);
    assert_eq!((migrated.commits_read, migrated.commits_written), (150, 150));
    assert_eq!(migrated.events_written, from.reader.head().get());
    assert_eq!(migrate(&from, &mut to).expect("nothing to do"), migrated);
}

fn migrate(from: &Store, to: &mut Store) -> Result<migrate::Migrated, migrate::MigrateError> {
    migrate::run(&*from.reader, to, &mut keep, &mut ignore_progress)
}

fn keep(_: &CommitView<'_>, out: &mut Rewrite) -> Result<(), BoxError> {
    out.keep();
    Ok(())
}
