//! Views on disk handle leftovers, damaged files, other processes and a killed process.

use std::fs;
use std::ops::Bound::Unbounded;
use std::path::Path;
use std::time::{Duration, Instant};

use actuarius_persistence::views::{Changes, Place, Table, ViewError, Views};
use tempfile::TempDir;

use crate::child;

fn home() -> (TempDir, Views) {
    let directory = tempfile::tempdir().expect("a directory");
    let views = actuarius_sled::views(directory.path().join("made/when/used"));
    (directory, views)
}

fn root(directory: &TempDir) -> std::path::PathBuf {
    directory.path().join("made/when/used/orders")
}

fn place(views: &Views) -> Place {
    views.place("orders").expect("opens")
}

fn put(table: &mut Table, key: &[u8], value: &[u8]) {
    let mut changes = Changes::new();
    changes.put(0, key, value).expect("fits");
    table.commit(changes).expect("stored");
}

fn one_row(views: &Views) {
    put(&mut place(views).table(1).expect("opens"), b"a", b"row");
}

fn assert_has_the_row(views: &Views) {
    let reader = place(views).table(1).expect("opens").reader();
    assert_eq!(reader.get(0, b"a").expect("readable").as_deref(), Some(&b"row"[..]));
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("readable");
    let mut names: Vec<_> = entries
        .map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_partly_created_table_opens_as_an_empty_one() {
    let (directory, views) = home();
    let half = root(&directory).join("1/table.creating");
    fs::create_dir_all(half.join("log")).expect("made");
    fs::write(half.join("log/conf"), b"torn").expect("written");
    fs::write(half.join("FORMAT"), b"").expect("written");
    let place = place(&views);
    assert!(place.generations().expect("readable").is_empty(), "it is not a table yet");
    let reader = place.table(1).expect("opens").reader();
    assert_eq!(reader.get(0, b"a").expect("readable"), None);
    assert_eq!(place.generations().expect("readable"), [1]);
    assert!(!half.exists());
}

#[test]
fn a_half_written_snapshot_of_the_engine_does_not_keep_a_table_from_opening() {
    let (directory, views) = home();
    one_row(&views);
    let leftover = root(&directory).join("1/table/log/snap.0000000000000abc.generating");
    fs::write(&leftover, b"cut off").expect("written");
    assert_has_the_row(&views);
    assert!(!leftover.exists());
}

#[test]
fn opening_finishes_interrupted_removals_and_replacements() {
    let (directory, views) = home();
    one_row(&views);
    fs::create_dir_all(root(&directory).join("7.removed/table/log")).expect("made");
    fs::write(root(&directory).join("current.writing"), b"torn").expect("written");
    fs::write(root(&directory).join("1/state.writing"), b"torn").expect("written");
    let place = place(&views);
    assert_eq!(place.generations().expect("readable"), [1]);
    assert_eq!(place.current().expect("readable"), None);
    assert_eq!(place.load_state(1).expect("readable"), None);
    place.make_current(1).expect("stored");
    place.save_state(1, b"state").expect("stored");
    assert_eq!(names(&root(&directory)), ["1", "current", "lock"]);
    assert_eq!(names(&root(&directory).join("1")), ["state", "table"]);
}

#[test]
fn the_files_of_a_removed_generation_are_deleted() {
    let (directory, views) = home();
    one_row(&views);
    let place = place(&views);
    place.save_state(2, b"state").expect("stored");
    place.remove(1).expect("removed");
    place.remove(2).expect("removed");
    assert_eq!(names(&root(&directory)), ["lock"]);
}

#[test]
fn a_damaged_byte_of_a_state_or_of_the_pointer_is_reported() {
    let (directory, views) = home();
    let place = place(&views);
    place.save_state(3, b"the state").expect("stored");
    place.make_current(3).expect("stored");
    for (file, ask) in [
        ("3/state", Place::load_state as fn(&Place, u64) -> _),
        ("current", |place, _| place.current().map(|_| None)),
    ] {
        let file = root(&directory).join(file);
        let whole = fs::read(&file).expect("readable");
        for byte in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[byte] ^= 1;
            fs::write(&file, damaged).expect("written");
            let error = ask(&place, 3).expect_err("damaged");
            let reported =
                matches!(error, ViewError::Damaged { .. } | ViewError::NewerFormat { .. });
            assert!(reported, "byte {byte} of {}: {error}", file.display());
        }
        fs::write(&file, whole).expect("written");
        ask(&place, 3).expect("whole");
    }
}

#[test]
fn a_damaged_pointer_is_repaired_by_making_a_generation_current() {
    let (directory, views) = home();
    let place = place(&views);
    fs::write(root(&directory).join("current"), b"").expect("written");
    assert!(place.current().is_err());
    place.make_current(2).expect("stored");
    assert_eq!(place.current().expect("readable"), Some(2));
}

#[test]
fn a_newer_or_unknown_table_is_refused_by_name() {
    let (directory, views) = home();
    one_row(&views);
    let file = root(&directory).join("1/table/FORMAT");
    let whole = fs::read_to_string(&file).expect("readable");
    let newer = whole.replace("format 1", "format 2");
    let sealed = &newer[..newer.rfind("checksum").expect("sealed")];
    let sealed = format!("{sealed}checksum {:08x}\n", crc32c::crc32c(sealed.as_bytes()));
    fs::write(&file, sealed).expect("written");
    let error = place(&views).table(1).map(|_| ()).expect_err("newer");
    assert!(matches!(error, ViewError::NewerFormat { found: 2, supported: 1, .. }), "{error}");
    fs::write(&file, b"something else").expect("written");
    let error = place(&views).table(1).map(|_| ()).expect_err("unknown");
    assert!(matches!(error, ViewError::Damaged { .. }), "{error}");
    fs::remove_file(&file).expect("removed");
    let error = place(&views).table(1).map(|_| ()).expect_err("missing");
    assert!(matches!(error, ViewError::Damaged { .. }), "{error}");
    fs::write(&file, whole).expect("written");
    assert_has_the_row(&views);
}

#[test]
fn errors_of_the_file_system_name_the_path() {
    let (directory, views) = home();
    let place = place(&views);
    fs::write(root(&directory).join("5"), b"a file in the way").expect("written");
    let refused = [
        place.save_state(5, b"state").expect_err("no directory"),
        place.table(5).map(|_| ()).expect_err("no directory"),
    ];
    fs::remove_dir_all(root(&directory)).expect("removed");
    let gone = [
        place.make_current(1).expect_err("its directory was removed"),
        place.generations().expect_err("its directory was removed"),
    ];
    for error in refused.into_iter().chain(gone) {
        let error = match error {
            ViewError::Io(error) => error.to_string(),
            other => panic!("{other:?}"),
        };
        assert!(error.contains("orders"), "{error}");
    }
}

#[test]
fn a_table_that_failed_to_open_can_be_opened_again() {
    let (directory, views) = home();
    one_row(&views);
    let place = place(&views);
    let (table, aside) = (root(&directory).join("1/table"), root(&directory).join("aside"));
    fs::rename(table.join("FORMAT"), &aside).expect("moved");
    assert!(place.table(1).is_err());
    fs::rename(&aside, table.join("FORMAT")).expect("moved");
    place.table(1).expect("opens");
}

#[test]
fn a_place_in_use_is_refused_after_a_short_wait_in_this_process_and_in_another() {
    let (directory, views) = home();
    let held = place(&views);
    let begun = Instant::now();
    let refused = views.place("orders").map(|_| ()).expect_err("in use");
    assert!(matches!(refused, ViewError::InUse { .. }), "{refused}");
    assert!(begun.elapsed() < Duration::from_secs(60), "it does not wait for the other to close");
    let mut child = child::running(module_path!(), "the_view_named_by_the_environment_is_in_use");
    child.env("VIEWS_IN_USE", directory.path().join("made/when/used"));
    child::must_pass(child);
    drop(held);
}

/// The work of the child process of the test above. Does nothing without its environment variable.
#[test]
fn the_view_named_by_the_environment_is_in_use() {
    let Some(directory) = std::env::var_os("VIEWS_IN_USE") else { return };
    let refused = actuarius_sled::views(directory).place("orders").map(|_| ()).expect_err("in use");
    assert!(matches!(refused, ViewError::InUse { .. }), "{refused}");
}

/// Commits batches of rows that all contain the same number, until it is killed.
#[test]
fn the_view_named_by_the_environment_is_written() {
    let Some(directory) = std::env::var_os("VIEWS_WRITTEN") else { return };
    let mut table = place(&actuarius_sled::views(directory)).table(1).expect("opens");
    let before = table.reader().get(0, b"batch").expect("readable");
    let number = before.map_or(0, |bytes| u64::from_le_bytes(bytes[..8].try_into().expect("8")));
    for number in number + 1.. {
        let mut changes = Changes::new();
        // Every seventh batch is large and takes several syncs.
        let bytes = if number.is_multiple_of(7) { 20_000 } else { 100 };
        let mut value = vec![0; bytes];
        value[..8].copy_from_slice(&number.to_le_bytes());
        changes.put(0, b"batch", &value).expect("fits");
        (0..60u8).for_each(|row| changes.put(1, &[row], &value).expect("fits"));
        table.commit(changes).expect("stored");
        println!("\nacknowledged {number}");
    }
}

#[test]
fn a_killed_process_leaves_complete_batches_and_every_acknowledged_one() {
    let (directory, views) = home();
    let mut acknowledged = 0;
    for kill in 0..6 {
        let test = "the_view_named_by_the_environment_is_written";
        let mut child = child::running(module_path!(), test);
        child.env("VIEWS_WRITTEN", directory.path().join("made/when/used"));
        acknowledged = acknowledged.max(child::kill_after(child, 1 + kill * 5));
        let table = place(&views).table(1).expect("opens");
        let reader = table.reader();
        let batch = reader.get(0, b"batch").expect("readable").expect("there");
        let rows = reader.scan(1, (Unbounded, Unbounded), false, 100).expect("readable");
        assert_eq!(rows.len(), 60);
        assert!(rows.iter().all(|(_, value)| *value == batch), "a part of a batch");
        let number = u64::from_le_bytes(batch[..8].try_into().expect("8"));
        assert!(number >= acknowledged, "{number} is before {acknowledged}");
    }
}
