//! Copies events from one store into another, whole or in part, and continues after an
//! interruption.

use std::ops::ControlFlow;

use actuarius_domain::{Position, StreamId, Version};
use actuarius_persistence::copy::{self, Copied, CopyError, Selection};
use actuarius_persistence::export::{self, ImportError};
use actuarius_persistence::fault::{self, Failure};
use actuarius_persistence::personal::KEY_FILE;
use actuarius_persistence::{
    Batch, Commit, Gone, Notes, PageLimit, Reader, Removal, Store, ignore_progress, memory,
};
use proptest::prelude::*;

use crate::common::log::{log, same, source, stream, write};

fn copy(from: &Store, to: &mut Store, selection: &Selection<'_>) -> Result<Copied, CopyError> {
    copy::run(&*from.reader, to, selection, &mut ignore_progress)
}

fn stream_of(reader: &dyn Reader, stream: &StreamId) -> Vec<Commit> {
    let limit = PageLimit { commits: usize::MAX, bytes: usize::MAX };
    reader.read_stream(stream, Version::NONE, Position::NONE, limit).expect("readable").commits
}

fn frames(commits: &[Commit]) -> Vec<bytes::Bytes> {
    commits.iter().map(Commit::frame).collect()
}

#[test]
fn one_aggregate_and_a_set_of_them_keep_their_versions_and_their_order() {
    let (from, mut to) = (source(60), memory::open());
    copy(&from, &mut to, &Selection::stream(stream(3))).expect("copied");
    assert_eq!(frames(&log(&*to.reader)), frames(&stream_of(&*from.reader, &stream(3))));

    let mut to = memory::open();
    let wanted = |kind: &str, id: &str| kind == "note" && ["0", "2"].contains(&id);
    copy(&from, &mut to, &Selection::matching(wanted)).expect("copied");
    let all = log(&*from.reader);
    let some = all.iter().filter(|it| wanted(it.view().category, it.view().id));
    assert_eq!(frames(&log(&*to.reader)), some.map(Commit::frame).collect::<Vec<_>>());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_copy_up_to_a_position_can_be_continued_later(ends in prop::collection::vec(0u64..130, 1..4)) {
        let (from, mut to) = (source(60), memory::open());
        let mut furthest = 0;
        for end in ends {
            furthest = furthest.max(end);
            copy(&from, &mut to, &Selection::all().up_to(Position::new(end))).expect("copied");
            let wanted: Vec<_> =
                log(&*from.reader).into_iter().filter(|it| it.last_position().get() <= furthest).collect();
            prop_assert!(same(&log(&*to.reader), &wanted));
        }
    }
}

#[test]
fn a_stream_that_has_other_events_is_refused() {
    let (from, mut to) = (source(30), memory::open());
    write(&mut to, [103]);
    assert_eq!(stream(103), stream(5));
    let error = copy(&from, &mut to, &Selection::all()).expect_err("other events");
    let is_reported = matches!(&error, CopyError::OtherEvents { stream: it, version } if *it == stream(5) && version.get() == 1);
    assert!(is_reported, "{error}");
    let before = log(&*to.reader).len();
    copy(&from, &mut to, &Selection::stream(stream(2))).expect("another stream");
    assert!(log(&*to.reader).len() >= before);
}

#[test]
fn removed_events_are_copied_as_their_remaining_headers() {
    let (mut from, mut to) = (source(30), memory::open());
    let removals = stream_of(&*from.reader, &stream(3));
    let removals = removals.iter().map(|commit| Removal::of(commit, Gone::Removed)).collect();
    from.writer.commit(&Batch { removals, ..Batch::default() }).expect("removed");
    copy(&from, &mut to, &Selection::all()).expect("copied");
    assert!(same(&log(&*from.reader), &log(&*to.reader)));
    assert_eq!(
        from.reader.maintenance().chain().expect("readable"),
        to.reader.maintenance().chain().expect("readable")
    );
}

#[test]
fn a_stopped_or_failed_copy_continues_when_it_is_run_again() {
    let from = source(3_000);
    let contents = std::sync::Arc::default();
    let mut to = memory::reopen(&contents);
    let stopped =
        copy::run(&*from.reader, &mut to, &Selection::all(), &mut |_| ControlFlow::Break(()));
    assert!(matches!(stopped, Err(CopyError::Stopped)));
    assert!(to.reader.head() > Position::NONE, "copied commits are not read again");
    let (mut failing, faults) = fault::over(memory::reopen(&contents));
    faults.fail_commit(1, Failure::HalfWritten);
    assert!(matches!(copy(&from, &mut failing, &Selection::all()), Err(CopyError::Store(_))));
    let copied = copy(&from, &mut to, &Selection::all()).expect("continues");
    assert!(copied.found > 0 && copied.commits > 0);
    assert!(same(&log(&*from.reader), &log(&*to.reader)));
}

/// Personal data was copied into a store with personal data of its own. The copy reported success, and nothing in it
/// could be read with the key file of the target: the store seemed to be damaged.
#[test]
fn a_target_with_another_key_file_is_refused_and_nothing_is_written() {
    let from = with_key_file(source(20), 1);
    let mut to = with_key_file(memory::open(), 2);
    let refused = copy(&from, &mut to, &Selection::all());
    let Err(CopyError::OtherKeyFile { of_source, of_target }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!((of_source.as_u128(), of_target.as_u128()), (1, 2));
    assert_eq!(to.reader.head(), Position::NONE);

    let mut lines = Vec::new();
    let all = Selection::all();
    export::write(&*from.reader, &mut lines, &all, &mut ignore_progress).expect("exported");
    let refused = export::read(&lines[..], &mut to, &mut ignore_progress);
    let is_other = |source: &CopyError| matches!(source, CopyError::OtherKeyFile { .. });
    assert!(matches!(&refused, Err(ImportError::Store { line: 1, source }) if is_other(source)));
    assert_eq!(to.reader.head(), Position::NONE);

    let mut same = with_key_file(memory::open(), 1);
    copy(&from, &mut same, &all).expect("copied");
    assert_eq!(same.reader.head(), from.reader.head());
}

fn with_key_file(mut store: Store, identity: u128) -> Store {
    let mut notes = Notes::default();
    notes.put(KEY_FILE, identity.to_be_bytes()).expect("short enough");
    store.writer.commit(&Batch { notes: vec![notes], ..Batch::default() }).expect("stored");
    store
}
