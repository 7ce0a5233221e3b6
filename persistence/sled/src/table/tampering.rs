//! Tests of tables after power cuts, damage and failures, which need access to the inside of a table.

use std::ops::Bound::Unbounded;
use std::path::PathBuf;

use actuarius_persistence::table::changes;
use tempfile::TempDir;

use super::keys::PART;
use super::unapplied::Unapplied;
use super::*;

struct Fixture {
    directory: TempDir,
}

impl Fixture {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a directory") }
    }

    fn open(&self) -> Result<SledTable, ViewError> {
        super::open(self.directory.path(), &SledOptions::default(), Box::new(()))
    }

    fn opened(&self) -> SledTable {
        self.open().unwrap_or_else(|error| panic!("{error}"))
    }

    fn damage(&self) -> String {
        match self.open().map(|_| ()) {
            Err(ViewError::Damaged { what }) => what,
            other => panic!("not damaged: {other:?}"),
        }
    }

    fn journal(&self) -> PathBuf {
        self.directory.path().join("table/journal")
    }
}

/// Returns changes that put `value` at the keys `a` and up.
fn changes(rows: u8, value: &[u8]) -> Changes {
    let mut changes = Changes::new();
    for row in 0..rows {
        changes.put(1, &[b'a' + row], value).expect("fits");
    }
    changes
}

fn only(batch: Changes) -> Unapplied {
    Unapplied::of(batch)
}

fn get(table: &SledTable, key: &[u8]) -> Result<Option<Bytes>, ViewError> {
    table.reader().get(&changes::place(1, key))
}

fn value_of(table: &SledTable, key: &[u8]) -> Bytes {
    get(table, key).expect("readable").expect("exists")
}

fn all(table: &SledTable) -> Vec<Entry> {
    let range = changes::places(1, (Unbounded, Unbounded)).expect("a range");
    table.reader().scan(&range, false, usize::MAX).expect("readable")
}

fn parts(table: &SledTable) -> usize {
    table.shared.engine.keys(&[PART]).count()
}

#[test]
fn a_batch_that_is_only_in_the_journal_is_restored_on_opening() {
    let fixture = Fixture::new();
    let mut table = fixture.opened();
    table.commit(changes(3, b"before")).expect("stored");
    table.journal.write(&changes(2, b"after")).expect("written");
    drop(table);
    for _ in 0..2 {
        let found = all(&fixture.opened());
        let values: Vec<_> = found.iter().map(|(_, value)| &value[..]).collect();
        assert_eq!(values, [&b"after"[..], b"after", b"before"]);
    }
}

#[test]
fn a_batch_that_is_partly_in_sled_is_completed_on_opening() {
    let fixture = Fixture::new();
    let (large, rows) = (vec![7; 10_000], changes(3, &vec![8; 9_000]));
    for stop in 0..3 {
        let mut table = fixture.opened();
        table.commit(changes(3, &large)).expect("stored");
        table.checkpoint().expect("synced");
        let sequence = table.journal.write(&rows).expect("written");
        table.applier.begin(sequence, sequence).expect("begun");
        // Writes `stop` rows of the batch, and removes the parts of the next row.
        let mut part = changes(stop, &vec![8; 9_000]);
        table.applier.apply(sequence, &only(part.clone())).expect("applied");
        part.remove(1, &[b'a' + stop]).expect("fits");
        table.applier.apply(sequence, &only(part)).expect("applied");
        drop(table);
        let table = fixture.opened();
        assert!(all(&table).iter().all(|(_, value)| value[..] == [8; 9_000]), "after {stop}");
        assert_eq!(parts(&table), 3 * 3, "none is left over");
    }
}

/// The changes of several batches are written to sled together, the newest of each row. A kill in between leaves any
/// first part of them, and the parts of large rows get the same keys when it is repeated.
#[test]
fn several_batches_that_are_partly_in_sled_are_completed_on_opening() {
    let large = |byte: u8| vec![byte; 9_000];
    let last = |row: u8| if row.is_multiple_of(2) { large(row) } else { vec![row; 10] };
    for stop in 0..=6 {
        let fixture = Fixture::new();
        let mut table = fixture.opened();
        table.commit(changes(6, &large(1))).expect("stored");
        table.checkpoint().expect("synced");
        // Each batch changes one row more, so the newest change of each is in another one.
        for batch in (0..6).rev() {
            table.commit(changes(batch + 1, &last(batch))).expect("stored");
        }
        let mut first_changes = Changes::new();
        for (place, value) in table.shared.unapplied().iter().take(stop) {
            first_changes.put(1, &place[1..], value.as_ref().expect("put")).expect("fits");
        }
        table.applier.apply(table.journal.next() - 1, &only(first_changes)).expect("applied");
        drop(table);
        for _ in 0..2 {
            let table = fixture.opened();
            for row in 0..6 {
                assert_eq!(value_of(&table, &[b'a' + row]), last(row), "row {row} after {stop}");
            }
            assert_eq!(parts(&table), 3 * 3, "none is left over, after {stop}");
        }
    }
}

/// The batches that only the journal has were not named in sled, so a table whose journal had lost them opened as an
/// older one.
#[test]
fn a_lost_record_that_sled_has_nothing_of_is_reported() {
    let fixture = Fixture::new();
    let mut table = fixture.opened();
    table.commit(changes(1, b"first")).expect("stored");
    let whole = table.journal.bytes() as usize;
    table.commit(changes(1, b"second")).expect("stored");
    drop(table);
    let bytes = fs::read(fixture.journal()).expect("readable");
    fs::write(fixture.journal(), &bytes[..whole]).expect("written");
    assert!(fixture.damage().contains("the journal lacks a batch"));
}

#[test]
fn parts_are_removed_with_their_row() {
    let fixture = Fixture::new();
    let mut table = fixture.opened();
    for value in [vec![1; 10_000], vec![2; 100_000], vec![3; 5_000]] {
        table.commit(changes(4, &value)).expect("stored");
        table.checkpoint().expect("synced");
        assert_eq!(parts(&table), 4 * value.len().div_ceil(4_000));
    }
    drop(table);
    let mut table = fixture.opened();
    let mut last = changes(3, b"small");
    last.remove(1, b"d").expect("fits");
    table.commit(last).expect("stored");
    table.checkpoint().expect("synced");
    assert_eq!(parts(&table), 0);
}

#[test]
fn a_torn_record_after_the_last_batch_is_ignored() {
    let fixture = Fixture::new();
    let mut table = fixture.opened();
    table.commit(changes(3, b"before")).expect("stored");
    let whole = table.journal.bytes() as usize;
    table.journal.write(&changes(3, b"after")).expect("written");
    drop(table);
    let bytes = fs::read(fixture.journal()).expect("readable");
    fs::write(fixture.journal(), &bytes[..whole + (bytes.len() - whole) / 2]).expect("written");
    let mut table = fixture.opened();
    assert_eq!(value_of(&table, b"a"), &b"before"[..]);
    table.commit(changes(1, b"next")).expect("stored");
    drop(table);
    assert_eq!(value_of(&fixture.opened(), b"a"), &b"next"[..]);
}

#[test]
fn records_of_earlier_rounds_are_ignored() {
    let fixture = Fixture::new();
    let mut table = fixture.opened();
    for value in [b"1", b"2", b"3", b"4"] {
        table.commit(changes(3, value)).expect("stored");
    }
    table.checkpoint().expect("synced");
    // Its record has the size of the first one, so the old second record follows it.
    table.commit(changes(3, b"5")).expect("stored");
    drop(table);
    let table = fixture.opened();
    assert_eq!(value_of(&table, b"a"), &b"5"[..]);
    assert_eq!(table.journal.next(), 6);
}

#[test]
fn a_flipped_bit_in_a_needed_record_is_reported() {
    let fixture = Fixture::new();
    let mut table = fixture.opened();
    table.commit(changes(3, b"first")).expect("stored");
    table.commit(changes(3, b"second")).expect("stored");
    drop(table);
    let bytes = fs::read(fixture.journal()).expect("readable");
    for byte in (0..bytes.len()).step_by(5) {
        let mut damaged = bytes.clone();
        damaged[byte] ^= 1 << (byte % 8);
        fs::write(fixture.journal(), &damaged).expect("written");
        assert!(fixture.damage().contains("the journal lacks a batch"), "byte {byte}");
    }
    fs::write(fixture.journal(), &bytes).expect("written");
    assert_eq!(all(&fixture.opened()).len(), 3);
}

#[test]
fn a_sled_older_than_the_journal_is_reported() {
    let fixture = Fixture::new();
    let mut table = fixture.opened();
    for _ in 0..3 {
        table.commit(changes(3, b"row")).expect("stored");
        table.checkpoint().expect("synced");
    }
    table.commit(changes(3, b"row")).expect("stored");
    let older = Marker::Done(1).pack();
    table.shared.engine.db().insert(keys::MARKER, older).expect("written");
    drop(table);
    assert!(fixture.damage().contains("continues after"));
}

#[test]
fn a_missing_marker_is_reported() {
    let fixture = Fixture::new();
    let table = fixture.opened();
    table.shared.engine.db().remove(keys::MARKER).expect("removed");
    drop(table);
    assert!(fixture.damage().contains("the marker is missing"));
}

#[test]
fn a_damaged_row_is_reported_by_its_key_and_others_are_readable() {
    let fixture = Fixture::new();
    for value in [vec![7; 10], vec![7; 10_000]] {
        let mut table = fixture.opened();
        table.commit(changes(3, &value)).expect("stored");
        table.checkpoint().expect("synced");
        let key = keys::key(&changes::place(1, b"b"));
        let row = table.shared.engine.get(&key).expect("readable").expect("exists");
        for byte in 0..row.len() {
            let mut damaged = row.to_vec();
            damaged[byte] ^= 4;
            table.shared.engine.db().insert(&key, damaged).expect("written");
            let error = get(&table, b"b").expect_err("damaged").to_string();
            assert!(error.contains("key b of space 1"), "{error}");
            let range = changes::places(1, (Unbounded, Unbounded)).expect("a range");
            assert!(table.reader().scan(&range, true, 2).is_err());
        }
        assert!(get(&table, b"a").expect("readable").is_some());
        let other = keys::key(&changes::place(1, b"c"));
        let whole = table.shared.engine.db().insert(&other, row.clone()).expect("written");
        assert!(get(&table, b"c").is_err(), "a row at the key of another");
        table.shared.engine.db().insert(&other, whole.expect("exists")).expect("written");
        table.shared.engine.db().insert(&key, row).expect("written");
        assert!(get(&table, b"b").expect("readable").is_some());
    }
}

#[test]
fn an_invalid_key_of_a_row_is_reported() {
    let fixture = Fixture::new();
    let mut table = fixture.opened();
    table.commit(changes(3, b"row")).expect("stored");
    for key in [&b"r"[..], b"r\x01\xff\xff\xff", b"r\x01\xff\xff\xff\xff"] {
        table.shared.engine.db().insert(key, b"row").expect("written");
        let range = (Unbounded, Unbounded);
        let error = table.reader().scan(&range, true, 9).expect_err("damaged").to_string();
        assert!(error.contains("of space"), "{error}");
        table.shared.engine.db().remove(key).expect("removed");
    }
    assert_eq!(all(&table).len(), 3);
}

#[test]
fn a_missing_part_is_reported() {
    let fixture = Fixture::new();
    let mut table = fixture.opened();
    table.commit(changes(1, &[7; 10_000])).expect("stored");
    table.checkpoint().expect("synced");
    let part = table.shared.engine.keys(&[PART]).last().expect("exists").expect("readable");
    table.shared.engine.db().remove(part).expect("removed");
    let error = get(&table, b"a").expect_err("damaged").to_string();
    assert!(error.contains("a part is missing"), "{error}");
}

#[test]
fn every_flipped_bit_of_the_marker_is_detected() {
    let whole = Marker::Begun { first: 5, last: 7 }.pack();
    let fixture = Fixture::new();
    let table = fixture.opened();
    for bit in 0..whole.len() * 8 {
        let mut damaged = whole.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        table.shared.engine.db().insert(keys::MARKER, damaged).expect("written");
        assert!(rows::marker(&table.shared.engine).is_err(), "bit {bit}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn after_the_first_failure_nothing_is_written_and_readers_continue() {
    let fixture = Fixture::new();
    let mut table = fixture.opened();
    table.commit(changes(3, b"before")).expect("stored");
    table.journal.break_down();
    let first = table.commit(changes(3, b"after")).expect_err("the disk is full");
    assert!(matches!(first, ViewError::Io(_)), "{first}");
    let second = table.commit(changes(3, b"after")).expect_err("it has failed");
    assert!(matches!(second, ViewError::Failed { .. }), "{second}");
    let empty = table.commit(Changes::new()).expect_err("it has failed");
    assert!(matches!(empty, ViewError::Failed { .. }), "{empty}");
    assert_eq!(value_of(&table, b"a"), &b"before"[..]);
    drop(table);
    let mut table = fixture.opened();
    assert_eq!(value_of(&table, b"c"), &b"before"[..]);
    table.commit(changes(3, b"again")).expect("stored");
}

#[test]
fn readers_see_a_whole_batch_that_is_only_partly_in_sled() {
    let fixture = Fixture::new();
    let mut table = fixture.opened();
    table.commit(changes(4, b"old")).expect("stored");
    let mut batch = changes(2, b"new");
    batch.remove(1, b"c").expect("fits");
    batch.put(1, b"bb", b"new").expect("fits");
    table.shared.show(batch);
    let found = all(&table);
    let rows: Vec<_> = found.iter().map(|(key, value)| (&key[..], &value[..])).collect();
    let new = &b"new"[..];
    assert_eq!(rows, [(&b"a"[..], new), (b"b", new), (b"bb", new), (b"d", b"old")]);
    assert_eq!(get(&table, b"c").expect("readable"), None);
    let range = changes::places(1, (Unbounded, Unbounded)).expect("a range");
    let descending = table.reader().scan(&range, true, 3).expect("readable");
    assert!(descending.iter().eq(found.iter().rev().take(3)));
}
