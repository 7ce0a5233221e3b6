//! Frames, appends and commits: round trips, bounds, and damaged bytes.

mod mutated;

use actuarius_domain::{Metadata, Position, StreamId, Timestamp, Version};
use bytes::Bytes;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::codec::{Codec, CodecError};
use super::frame::seal_frame;
use super::*;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Sample {
    Marked,
    Noted(String),
}

fn append(metadata: &Metadata, events: &[Sample]) -> Append {
    let stream = StreamId::new("sample", "a").expect("valid");
    let mut append = Append::new(stream, Version::new(3));
    append.push(commit(metadata), Codec::Bincode, events, |_| 2).expect("encodable");
    append
}

fn commit(metadata: &Metadata) -> NewCommit<'_> {
    NewCommit {
        time: Timestamp::from_micros(-7),
        command_id: "a command".into(),
        named_by_caller: true,
        metadata,
    }
}

fn full_metadata() -> Metadata {
    let ids = Metadata {
        correlation: Some("story".into()),
        causation: Some("cause".into()),
        ..Default::default()
    };
    ids.on_behalf_of("zoe").with("tenant", "north").with("", "")
}

fn frame() -> Vec<u8> {
    let events = [Sample::Marked, Sample::Noted("hello".to_owned())];
    append(&full_metadata(), &events).frames
}

/// A frame around any body, with the right length and checksum.
fn sealed(body: &[u8]) -> Bytes {
    let mut frame = vec![0; FRAME_HEAD];
    frame.extend_from_slice(body);
    seal_frame(&mut frame).expect("small enough");
    frame.into()
}

/// Reads every field and event of a commit.
fn read_everything(commit: &Commit) {
    let view = commit.view();
    let events: Vec<_> = view.events().collect();
    assert_eq!(events.len() as u64, view.events);
    for event in &events {
        let header = view.header(event);
        assert!(header.version <= view.last_version());
        assert!(header.position <= view.last_position());
        let _ = event.decode::<Sample>();
    }
}

#[test]
fn every_flipped_bit_of_a_frame_is_refused() {
    let frame = frame();
    for bit in 0..frame.len() * 8 {
        let mut flipped = frame.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let taken = Commit::take(&flipped.into(), Position::new(1));
        assert!(taken.is_err(), "flipped bit {bit} is not detected");
    }
}

#[test]
fn every_part_of_a_frame_is_refused() {
    let frame = frame();
    for length in 0..frame.len() {
        let part = Bytes::copy_from_slice(&frame[..length]);
        assert!(Commit::take(&part, Position::new(1)).is_err(), "{length} bytes were accepted");
    }
}

#[test]
fn a_frame_ends_where_the_next_begins() {
    let frame = frame();
    let twice = Bytes::from([&frame[..], &frame[..]].concat());
    let (first, length) = Commit::take(&twice, Position::new(1)).expect("whole");
    assert_eq!(length, frame.len());
    let (second, _) = Commit::take(&twice.slice(length..), Position::new(3)).expect("whole");
    assert!(first.same_bytes(&second));
    assert!(Commit::from_frame(&twice, Position::new(1)).is_err(), "two are not one");
    assert!(Commit::from_frame(&frame.into(), Position::new(1)).is_ok());
}

#[test]
fn a_failed_push_leaves_the_append_as_before() {
    #[derive(Serialize)]
    struct NotAnEvent;
    let metadata = full_metadata();
    let mut append = append(&metadata, &[Sample::Marked]);
    let before = append.clone();

    let not_an_enum = append.push(commit(&metadata), Codec::Bincode, &[NotAnEvent], |_| 1);
    assert!(matches!(not_an_enum, Err(CodecError::NotAnEnum { .. })));
    let huge = [Sample::Marked, Sample::Noted("x".repeat(crate::COMMIT_BYTES_MAX))];
    let too_large = append.push(commit(&metadata), Codec::Bincode, &huge, |_| 1);
    assert_eq!(too_large, Err(CodecError::TooLarge));

    assert_eq!(append.frames, before.frames);
    assert_eq!((append.events(), append.commits()), (1, 1));
    append.push(commit(&metadata), Codec::Bincode, &[Sample::Marked], |_| 1).expect("encodable");
    let second = Bytes::copy_from_slice(append.frames().nth(1).expect("two commits").0);
    let second = Commit::from_frame(&second, Position::new(1)).expect("whole");
    assert_eq!(second.view().version, Version::new(5));
}

#[test]
fn a_push_of_no_events_adds_nothing() {
    let metadata = Metadata::default();
    let mut append = Append::new(StreamId::new("sample", "a").expect("valid"), Version::NONE);
    append.push::<Sample>(commit(&metadata), Codec::Json, &[], |_| 1).expect("nothing to do");
    assert!(append.is_empty() && append.bytes() == 0 && append.events() == 0);
}

#[test]
fn the_front_of_an_append_is_whole_commits() {
    let metadata = Metadata::default();
    let mut append = append(&metadata, &[Sample::Marked, Sample::Marked]);
    append.push(commit(&metadata), Codec::Json, &[Sample::Marked], |_| 1).expect("encodable");
    for (commits, events) in [(0, 0), (1, 2), (2, 3), (9, 3)] {
        let front = append.front(commits);
        assert_eq!(front.events(), events);
        assert_eq!(front.frames().count(), commits.min(2));
        assert!(append.frames.starts_with(&front.frames));
    }
}

#[test]
fn a_version_beyond_all_numbers_is_refused() {
    let stream = StreamId::new("sample", "a").expect("valid");
    let mut append = Append::new(stream, Version::new(u64::MAX - 1));
    let metadata = Metadata::default();
    append.push(commit(&metadata), Codec::Json, &[Sample::Marked], |_| 1).expect("encodable");
    assert!(Commit::take(&append.frames.into(), Position::new(1)).is_err());
}

proptest! {
    #[test]
    fn no_bytes_make_a_frame_panic(bytes: Vec<u8>) {
        let _ = Commit::take(&bytes.into(), Position::new(1));
    }

    #[test]
    fn no_body_under_a_right_checksum_panics(body: Vec<u8>) {
        if let Ok((commit, _)) = Commit::take(&sealed(&body), Position::new(1)) {
            read_everything(&commit);
        }
    }

    /// Near misses reach further into the parser than noise does.
    #[test]
    fn no_damage_under_a_right_checksum_panics(
        hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut body = frame().split_off(FRAME_HEAD);
        for (at, byte) in hits {
            let at = at.index(body.len());
            body[at] = byte;
        }
        if let Some(cut) = cut {
            body.truncate(cut.index(body.len()));
        }
        if let Ok((commit, _)) = Commit::take(&sealed(&body), Position::new(1)) {
            read_everything(&commit);
        }
    }
}
