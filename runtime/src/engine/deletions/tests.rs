//! Tests of [`Deletions`].

use actuarius_domain::{CommandId, Metadata, Timestamp, Version};
use actuarius_persistence::{Append, Codec, NewCommit};

use super::*;

fn stream(id: &str) -> StreamId {
    StreamId::new("sum", id).unwrap()
}

fn commit(id: &str, position: u64) -> Commit {
    let mut append = Append::new(stream(id), Version::new(position - 1));
    let commit = NewCommit {
        time: Timestamp::default(),
        command_id: CommandId::from("a command"),
        named_by_caller: false,
        metadata: &Metadata::default(),
    };
    append.push(commit, Codec::Json, &[Numbered::Is(7)], |_| 1).unwrap();
    let (frame, _) = append.frames().next().unwrap();
    Commit::from_frame(&frame.to_vec().into(), Position::new(position)).unwrap()
}

#[derive(serde::Serialize)]
enum Numbered {
    Is(u32),
}

/// Returns how many events each of five commits of the stream `a` has, read at a moment.
fn events(deletions: &Deletions, read: BeforeRead) -> Option<Vec<usize>> {
    let commits: Arc<[Commit]> = (1..=5).map(|position| commit("a", position)).collect();
    let found = deletions.without_deleted(commits, read).unwrap().ok()?;
    Some(found.iter().map(|commit| commit.view().events().count()).collect())
}

#[test]
fn every_event_before_the_end_counts_as_removed_while_the_removal_is_under_way() {
    let deletions = Deletions::default();
    let read = deletions.before_read();
    assert_eq!(events(&deletions, read).unwrap(), [1; 5]);
    deletions.begin(&stream("a"), Position::new(4));
    assert_eq!(events(&deletions, read).unwrap(), [0, 0, 0, 1, 1]);
    assert_eq!(events(&deletions, deletions.before_read()).unwrap(), [0, 0, 0, 1, 1]);
    deletions.begin(&stream("b"), Position::new(9));
    assert_eq!(deletions.complete(&stream("a"), Position::new(4)), None);
    assert_eq!(events(&deletions, read).unwrap(), [0, 0, 0, 1, 1], "it was read before");
    deletions.complete(&stream("b"), Position::new(9));
    assert_eq!(events(&deletions, deletions.before_read()).unwrap(), [1; 5], "of the store");
    let tail = deletions.before_read().of_tail();
    assert_eq!(events(&deletions, tail).unwrap(), [0, 0, 0, 1, 1]);
}

#[test]
fn what_was_read_before_a_removal_that_is_forgotten_is_read_again() {
    let deletions = Deletions::default();
    let read = deletions.before_read();
    let mut oldest = None;
    for number in 0..=REMOVALS_REMEMBERED as u64 {
        let stream = stream(&format!("other {number}"));
        deletions.begin(&stream, Position::new(100 + number));
        oldest = deletions.complete(&stream, Position::new(100 + number));
    }
    assert_eq!(oldest, Some(Position::new(100)));
    assert!(events(&deletions, read).is_some());
    deletions.forget_oldest();
    assert!(events(&deletions, read).is_none());
    assert!(events(&deletions, deletions.before_read()).is_some());
}

#[test]
fn a_removal_that_was_interrupted_and_begins_again_is_completed_once() {
    let deletions = Deletions::default();
    for _ in 0..2 {
        deletions.begin(&stream("a"), Position::new(4));
    }
    deletions.complete(&stream("a"), Position::new(4));
    deletions.complete(&stream("a"), Position::new(4));
    assert_eq!(deletions.read().under_way, 0);
    deletions.begin(&stream("a"), Position::new(6));
    assert_eq!(deletions.read().under_way, 1);
    assert_eq!(events(&deletions, deletions.before_read()).unwrap(), [0; 5]);
}
fn tail(deletions: &Deletions) -> BeforeRead {
    deletions.before_read().of_tail()
}

/// Removes one more stream than are remembered, and forgets the oldest.
fn forget_others(deletions: &Deletions) {
    for number in 0..=REMOVALS_REMEMBERED as u64 {
        let stream = stream(&format!("other {number}"));
        deletions.begin(&stream, Position::new(100 + number));
        deletions.complete(&stream, Position::new(100 + number));
        deletions.forget_oldest();
    }
}

/// A large aggregate was removed, and its id was used and deleted again meanwhile. When the first removal was
/// complete, the second one no longer counted, and a view took a part of its events.
#[test]
fn a_removal_before_an_earlier_end_neither_completes_nor_replaces_one_before_a_later_end() {
    let deletions = Deletions::default();
    deletions.begin(&stream("a"), Position::new(2));
    deletions.begin(&stream("a"), Position::new(5));
    deletions.begin(&stream("a"), Position::new(2));
    deletions.complete(&stream("a"), Position::new(2));
    assert_eq!(deletions.read().under_way, 1);
    assert_eq!(events(&deletions, deletions.before_read()).unwrap(), [0, 0, 0, 0, 1]);
    deletions.complete(&stream("a"), Position::new(5));
    assert_eq!(deletions.read().under_way, 0);
}

/// An id that was deleted twice left a gap in the count of removals that are forgotten: an old page counted as new.
#[test]
fn a_removal_that_begins_again_is_no_reason_to_take_an_old_page() {
    let deletions = Deletions::default();
    for end in [1, 2] {
        deletions.begin(&stream("again"), Position::new(end));
        deletions.complete(&stream("again"), Position::new(end));
    }
    let read = deletions.before_read();
    deletions.begin(&stream("a"), Position::new(4));
    deletions.complete(&stream("a"), Position::new(4));
    forget_others(&deletions);
    assert!(deletions.read().end_of("sum", "a").is_none(), "it is forgotten");
    assert!(events(&deletions, read).is_none());
}

/// A view took groups of the tail, and then the removal of a stream in them was forgotten: it had been complete
/// before, so they did not count as too old.
#[test]
fn what_was_taken_from_the_tail_is_too_old_once_any_removal_is_forgotten() {
    let deletions = Deletions::default();
    deletions.begin(&stream("a"), Position::new(4));
    deletions.complete(&stream("a"), Position::new(4));
    let tail = deletions.before_read().of_tail();
    assert_eq!(events(&deletions, tail).unwrap(), [0, 0, 0, 1, 1]);
    assert!(!deletions.may_have_removed(&stream("b"), Position::new(1), tail));
    forget_others(&deletions);
    assert!(events(&deletions, tail).is_none());
    assert!(deletions.may_have_removed(&stream("b"), Position::new(1), tail));
    assert!(events(&deletions, deletions.before_read().of_tail()).is_some());
}

#[test]
fn an_end_that_is_read_replaces_one_that_was_assumed() {
    let deletions = Deletions::default();
    deletions.begin_before(&stream("a"), Position::new(5));
    assert_eq!(events(&deletions, deletions.before_read()).unwrap(), [0, 0, 0, 0, 1]);
    deletions.begin(&stream("a"), Position::new(3));
    assert_eq!(events(&deletions, deletions.before_read()).unwrap(), [0, 0, 1, 1, 1]);
    deletions.complete(&stream("a"), Position::new(3));
    assert_eq!(deletions.read().under_way, 0);
    for id in ["a", "b"] {
        deletions.withdraw(&stream(id));
    }
    assert_eq!(events(&deletions, tail(&deletions)).unwrap(), [0, 0, 1, 1, 1], "it was read");
}

#[test]
fn a_stream_without_the_assumed_end_keeps_its_events() {
    let deletions = Deletions::default();
    deletions.begin_before(&stream("a"), Position::new(5));
    deletions.withdraw(&stream("a"));
    assert_eq!(events(&deletions, tail(&deletions)).unwrap(), [1; 5]);
    assert_eq!(deletions.read().under_way, 0);
}
