//! The fault store fails exactly as scripted, and keeps every other promise.

use std::sync::Arc;
use std::thread;

use actuarius_domain::{Metadata, Position, StreamId, Timestamp, Version};
use actuarius_persistence::contract::Stage;
use actuarius_persistence::fault::{self, Failure, Faults};
use actuarius_persistence::memory::{self, Contents};
use actuarius_persistence::{
    Append, Batch, Codec, NewCommit, NewSnapshot, Note, Notes, PageLimit, ReadError, Reader, Store,
};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
enum Event {
    Happened,
}

fn stream(id: &str) -> StreamId {
    StreamId::new("sample", id).expect("valid")
}

/// Makes one append of `commits` commits with one event each.
fn append(id: &str, expected: u64, commits: usize) -> Append {
    let mut append = Append::new(stream(id), Version::new(expected));
    let metadata = Metadata::default();
    for _ in 0..commits {
        let commit = NewCommit {
            time: Timestamp::default(),
            command_id: id.into(),
            named_by_caller: false,
            metadata: &metadata,
        };
        append.push(commit, Codec::Json, &[Event::Happened], |_| 1).expect("encodable");
    }
    append
}

fn batch(appends: Vec<Append>) -> Batch {
    Batch { appends, ..Batch::default() }
}

fn snapshot(id: &str, version: u64) -> NewSnapshot {
    NewSnapshot {
        stream: stream(id),
        version: Version::new(version),
        position: Position::new(version),
        as_of: Position::new(version),
        state_version: 1,
        time: Timestamp::default(),
        payload: vec![version as u8].into(),
        keep: 9,
        keep_since: None,
    }
}

/// A fault store whose stream "a" has two events, its script, and the contents underneath.
fn two_events() -> (Store, Faults, Arc<Contents>) {
    let disk = Arc::default();
    let (mut store, faults) = fault::over(memory::reopen(&disk));
    store.writer.commit(&batch(vec![append("a", 0, 2)])).expect("nothing is scripted yet");
    (store, faults, disk)
}

/// Returns what a reader sees of the streams "a" and "b", and of the log.
fn visible(reader: &dyn Reader) -> (u64, u64, u64, usize) {
    let limit = PageLimit { commits: 1, bytes: usize::MAX };
    let (mut events, mut last) = (0, Position::NONE);
    loop {
        let page = reader.read_log(last, limit).expect("readable");
        assert!(!page.commits.is_empty() || last == reader.head(), "the log ends at the head");
        assert_eq!(page.more, page.commits.iter().any(|it| it.position() < reader.head()));
        events += page.commits.len();
        last = Position::new(events as u64);
        if !page.more {
            break;
        }
    }
    let [a, b] = ["a", "b"].map(|id| {
        let whole = PageLimit::default();
        let version = reader.version(&stream(id)).expect("readable");
        let page = reader.read_stream(&stream(id), Version::NONE, Position::NONE, whole);
        assert_eq!(page.expect("readable").commits.len() as u64, version.get());
        if version > Version::NONE {
            // A page that ends right before hidden events does not announce them.
            let whole = PageLimit { commits: version.get() as usize, bytes: usize::MAX };
            let page = reader.read_stream(&stream(id), Version::NONE, Position::NONE, whole);
            assert!(!page.expect("readable").more);
        }
        version.get()
    });
    (reader.head().get(), a, b, events)
}

mod without_faults {
    use super::*;

    fn empty_stage() -> impl Stage {
        let contents = Arc::default();
        move || fault::over(memory::reopen(&contents)).0
    }

    actuarius_persistence::contract_tests!(empty_stage);
}

#[test]
fn a_failed_batch_is_never_visible_and_a_restart_finds_what_was_written() {
    let cases = [
        (Failure::Unwritten, (2, 2, 0, 2)),
        (Failure::HalfWritten, (5, 3, 2, 5)),
        (Failure::Unacknowledged, (8, 4, 4, 8)),
    ];
    for (failure, after_restart) in cases {
        let (mut store, faults, disk) = two_events();
        faults.fail_commit(1, failure);
        let appends =
            vec![append("b", 0, 2), append("a", 2, 1), append("a", 3, 1), append("b", 2, 2)];
        assert!(store.writer.commit(&batch(appends)).is_err());
        assert_eq!(visible(&*store.reader), (2, 2, 0, 2), "{failure:?}");
        assert_eq!(store.reader.info().expect("readable").events, 2);
        assert_eq!(visible(&*memory::reopen(&disk).reader), after_restart, "{failure:?}");
    }
}

#[test]
fn the_scripted_commit_and_all_later_ones_fail() {
    let (mut store, faults, _) = two_events();
    faults.fail_commit(3, Failure::Unwritten);
    assert!(store.writer.commit(&batch(vec![append("b", 0, 1)])).is_ok());
    assert!(store.writer.commit(&batch(vec![append("b", 1, 1)])).is_ok());
    for _ in 0..3 {
        assert!(store.writer.commit(&Batch::default()).is_err());
        faults.clear();
    }
    assert_eq!(visible(&*store.reader), (4, 2, 2, 4));
    assert_eq!(faults.counts().commits, 1 + 2 + 3);
    assert_eq!(faults.counts().appends, 3);
}

#[test]
fn a_partly_written_single_commit_is_not_there_after_a_restart() {
    let (mut store, faults, disk) = two_events();
    faults.fail_commit(1, Failure::HalfWritten);
    assert!(store.writer.commit(&batch(vec![append("b", 0, 1)])).is_err());
    assert_eq!(memory::reopen(&disk).reader.head(), Position::new(2));
}

#[test]
fn an_unacknowledged_snapshot_is_not_visible() {
    let (mut store, faults, disk) = two_events();
    let keep = |version| Batch { snapshots: vec![snapshot("a", version)], ..Batch::default() };
    store.writer.commit(&keep(1)).expect("nothing is scripted yet");
    faults.fail_commit(1, Failure::Unacknowledged);
    assert!(store.writer.commit(&keep(2)).is_err());
    let newest = |reader: &dyn Reader| reader.snapshot(&stream("a"), None).expect("readable");
    assert_eq!(newest(&*store.reader).map(|it| it.version), Some(Version::new(1)));
    let underneath = memory::reopen(&disk).reader;
    assert_eq!(newest(&*underneath).map(|it| it.version), Some(Version::new(2)));
}

/// A batch of two sets of notes and no append.
fn two_sets() -> Batch {
    let (mut first, mut second) = (Notes::default(), Notes::default());
    first.put("kept", "new").expect("small");
    first.put("added", "new").expect("small");
    second.remove("removed").expect("small");
    Batch { notes: vec![first, second], ..Batch::default() }
}

/// Returns the notes as text, read in pages of one and all at once.
fn noted(reader: &dyn Reader) -> String {
    let all = reader.notes(b"", None, 100).expect("readable");
    let mut after = None;
    for note in &all {
        assert_eq!(reader.note(&note.key).expect("readable").as_ref(), Some(&note.value));
        let page = reader.notes(b"", after, 1).expect("readable");
        assert_eq!(page, std::slice::from_ref(note));
        after = Some(&note.key);
    }
    assert_eq!(reader.notes(b"", after, 1).expect("readable"), []);
    let text = |it: &Note| [&it.key[..], b"=", &it.value[..], b" "].concat();
    String::from_utf8(all.iter().flat_map(text).collect()).expect("text")
}

#[test]
fn notes_of_a_failed_batch_are_never_visible_and_a_restart_finds_what_was_written() {
    let before = "kept=old other=old removed=old ";
    let cases = [
        (Failure::Unwritten, before),
        (Failure::HalfWritten, "added=new kept=new other=old removed=old "),
        (Failure::Unacknowledged, "added=new kept=new other=old "),
    ];
    for (failure, after_restart) in cases {
        let (mut store, faults, disk) = two_events();
        let mut notes = Notes::default();
        ["kept", "other", "removed"].iter().for_each(|key| notes.put(key, "old").expect("small"));
        store.writer.commit(&Batch { notes: vec![notes], ..Batch::default() }).expect("healthy");
        faults.fail_commit(1, failure);
        assert!(store.writer.commit(&two_sets()).is_err());
        assert_eq!(noted(&*store.reader), before, "{failure:?}");
        assert_eq!(store.reader.note(b"added").expect("readable"), None, "{failure:?}");
        assert_eq!(visible(&*store.reader), (2, 2, 0, 2));
        let underneath = memory::reopen(&disk).reader;
        assert_eq!(noted(&*underneath), after_restart, "{failure:?}");
        assert_eq!(underneath.identity(), store.reader.identity());
        assert_eq!(faults.counts().notes, 3);
    }
}

/// An event without the recorded shape of its type could be misread later.
#[test]
fn notes_are_stored_before_the_commits_of_their_batch() {
    let (mut store, faults, disk) = two_events();
    faults.fail_commit(1, Failure::HalfWritten);
    let batch = Batch { appends: vec![append("b", 0, 3)], ..two_sets() };
    assert!(store.writer.commit(&batch).is_err());
    let underneath = memory::reopen(&disk).reader;
    let found = (underneath.head().get(), noted(&*underneath));
    assert_eq!(found, (2, "added=new kept=new ".to_owned()));
}

#[test]
fn notes_beside_a_rejected_append_are_kept() {
    let (mut store, faults, _) = two_events();
    faults.reject_append(&stream("a"));
    let batch = Batch { appends: vec![append("a", 2, 1)], ..two_sets() };
    assert!(store.writer.commit(&batch).expect("only the append is refused")[0].is_err());
    assert_eq!(noted(&*store.reader), "added=new kept=new ");
}

#[test]
fn a_damaged_note_is_reported_and_the_others_are_readable() {
    let (mut store, faults, _) = two_events();
    store.writer.commit(&two_sets()).expect("healthy");
    faults.damage_note("added");
    let reader = &store.reader;
    let error = reader.notes(b"", None, 9).expect_err("damaged");
    assert!(error.to_string().contains("added"), "{error}");
    let ReadError::DamagedNote { key, .. } = error else { panic!("{error}") };
    assert!(reader.note(&key).is_err());
    assert_eq!(reader.notes(b"", Some(&key), 9).expect("the note after it").len(), 1);
    faults.clear();
    faults.fail_read(1);
    assert!(matches!(reader.note(b"kept"), Err(ReadError::Io(_))));
    assert_eq!(noted(&**reader), "added=new kept=new ");
}

#[test]
fn a_rejected_append_is_a_conflict_and_its_neighbours_are_stored() {
    let (mut store, faults, _) = two_events();
    faults.reject_append(&stream("a"));
    let appends = vec![append("b", 0, 1), append("a", 2, 1), append("b", 1, 1)];
    let outcomes = store.writer.commit(&batch(appends)).expect("only one append is refused");
    assert!(matches!(outcomes[0], Ok(first) if first == Position::new(3)));
    let conflict = outcomes[1].as_ref().expect_err("rejected").conflict().expect("a conflict");
    assert_eq!(conflict.actual, Version::new(3));
    assert!(matches!(outcomes[2], Ok(first) if first == Position::new(4)));
    assert!(store.writer.commit(&batch(vec![append("a", 2, 1)])).expect("healthy")[0].is_ok());
    assert_eq!(visible(&*store.reader), (5, 3, 2, 5));
}

#[test]
fn a_held_commit_writes_nothing_until_released() {
    let (store, faults, disk) = two_events();
    let hold = faults.hold();
    assert!(!hold.is_holding());
    let Store { mut writer, reader } = store;
    let committing = thread::spawn(move || writer.commit(&batch(vec![append("b", 0, 1)])));
    hold.wait_until_held();
    assert!(hold.is_holding());
    assert_eq!(visible(&*reader), (2, 2, 0, 2));
    assert_eq!(memory::reopen(&disk).reader.head(), Position::new(2));
    hold.release();
    committing.join().expect("no panic").expect("the commit continues");
    assert_eq!(visible(&*reader), (3, 2, 1, 3));
}

#[test]
fn commits_stay_held_until_the_last_hold_is_dropped() {
    let (store, faults, _) = two_events();
    let (first, second) = (faults.hold(), faults.clone().hold());
    let mut writer = store.writer;
    let committing = thread::spawn(move || writer.commit(&Batch::default()));
    first.wait_until_held();
    drop(first);
    faults.clear();
    second.wait_until_held();
    assert!(!committing.is_finished());
    drop(second);
    committing.join().expect("no panic").expect("the commit continues");
}

#[test]
fn reads_fail_as_often_as_scripted() {
    let (store, faults, _) = two_events();
    let (reader, a) = (&store.reader, stream("a"));
    faults.fail_read(2);
    assert!(reader.version(&a).is_ok());
    let limit = PageLimit::default();
    assert!(matches!(reader.read_log(Position::NONE, limit), Err(ReadError::Io(_))));
    assert!(reader.read_log(Position::NONE, limit).is_ok());

    faults.fail_reads_of(&a);
    assert!(matches!(reader.version(&a), Err(ReadError::Io(_))));
    assert!(matches!(reader.snapshot(&a, None), Err(ReadError::Io(_))));
    assert!(reader.read_stream(&a, Version::NONE, Position::NONE, limit).is_err());
    assert!(reader.version(&stream("b")).is_ok() && reader.read_log(Position::NONE, limit).is_ok());
    faults.clear();
    assert!(reader.version(&a).is_ok());
    assert_eq!(faults.counts().reads, 9);
}

#[test]
fn damaged_events_are_reported_with_stream_and_position() {
    let (mut store, faults, _) = two_events();
    store.writer.commit(&batch(vec![append("b", 0, 1), append("a", 2, 1)])).expect("healthy");
    faults.damage_events(&stream("b"));
    let (reader, limit) = (&store.reader, PageLimit::default());
    let damage = |read: Result<_, ReadError>| match read {
        Err(ReadError::Damaged(damage)) => (damage.stream, damage.position),
        other => panic!("no damage: {other:?}"),
    };
    let at_three = (Some(stream("b")), Position::new(3));
    let of_b = reader.read_stream(&stream("b"), Version::NONE, Position::NONE, limit);
    assert_eq!(damage(of_b), at_three);
    let before = reader.read_log(Position::NONE, limit).expect("readable up to the damage");
    assert_eq!((before.commits.len(), before.more), (2, true));
    assert_eq!(damage(reader.read_log(Position::new(2), limit)), at_three);
    assert!(reader.read_log(Position::new(3), limit).is_ok(), "readable after the damage");
    assert!(reader.read_stream(&stream("a"), Version::NONE, Position::NONE, limit).is_ok());
}

#[test]
fn a_damaged_snapshot_is_reported_by_version_and_older_ones_are_readable() {
    let (mut store, faults, _) = two_events();
    let snapshots = vec![snapshot("a", 1), snapshot("a", 2)];
    store.writer.commit(&Batch { snapshots, ..Batch::default() }).expect("healthy");
    faults.damage_snapshot(&stream("a"), Version::new(2));
    let error = store.reader.snapshot(&stream("a"), None).expect_err("the newest is damaged");
    let ReadError::DamagedSnapshot { version, .. } = error else { panic!("{error}") };
    let older = store.reader.snapshot(&stream("a"), Some(version)).expect("readable");
    assert_eq!(older.map(|it| it.version), Some(Version::new(1)));
}

/// A service reported a clean end, although the disk had refused the last sync of its store.
#[test]
fn a_close_that_fails_is_reported_and_loses_nothing() {
    let (mut store, faults, disk) = two_events();
    store.writer.commit(&batch(vec![append("b", 0, 1)])).expect("healthy");
    faults.fail_close();
    assert!(store.writer.close().is_err());
    assert_eq!(memory::reopen(&disk).reader.head().get(), 3);
    let (mut store, faults, _) = two_events();
    faults.fail_commit(1, Failure::Unwritten);
    let failure = store.writer.commit(&batch(vec![append("b", 0, 1)])).expect_err("scripted");
    let closed = store.writer.close().expect_err("it had failed before");
    assert_eq!(closed.to_string(), failure.to_string());
    assert!(two_events().0.writer.close().is_ok());
}

#[test]
fn random_faults_repeat_with_their_seed_and_lose_nothing_acknowledged() {
    let mut ends = Vec::new();
    for seed in (0..200).chain(0..200) {
        let (mut store, faults, disk) = two_events();
        faults.fail_commits_at_random(seed, 0.1);
        let mut acknowledged = 2;
        while store.writer.commit(&batch(vec![append("a", acknowledged, 2)])).is_ok() {
            acknowledged += 2;
        }
        assert_eq!(store.reader.head().get(), acknowledged);
        let found = memory::reopen(&disk).reader.head().get();
        assert!((acknowledged..=acknowledged + 2).contains(&found));
        ends.push((acknowledged, found - acknowledged));
    }
    assert_eq!(ends[..200], ends[200..], "the same seed fails in the same way");
    for written in 0..=2 {
        assert!(ends.iter().any(|end| end.1 == written), "each kind of failure happens");
    }
}

#[test]
fn random_reads_fail_at_about_their_rate() {
    let (store, faults, _) = two_events();
    faults.fail_reads_at_random(1, 0.25);
    let failed = (0..4_000).filter(|_| store.reader.version(&stream("a")).is_err()).count();
    assert!((800..1_200).contains(&failed), "{failed} of 4,000 failed");
}
