//! Segments return what was put in, and report every flipped bit and every cut.

use std::fs;
use std::path::PathBuf;

use actuarius_domain::Position;
use actuarius_persistence::chain::Link;
use actuarius_persistence::segment::{
    Kind, Links, Segment, SegmentError, SegmentHead, Summary, Writing,
};
use actuarius_persistence::{Commit, ReadError};
use bytes::Bytes;
use proptest::prelude::*;
use tempfile::TempDir;
use uuid::Uuid;

/// A commit's position and its frame.
type Put = (Position, Bytes);

/// Commits of one stream, one per payload size, each of one event.
fn commits(payloads: &[usize]) -> Vec<Put> {
    let append = crate::common::append("alice", 0, payloads);
    let frames = append.frames().map(|(frame, _)| Bytes::copy_from_slice(frame));
    frames.enumerate().map(|(at, frame)| (Position::new(at as u64 + 1), frame)).collect()
}

fn head(kind: Kind) -> SegmentHead {
    SegmentHead { kind, id: Uuid::from_u128(1), store: Uuid::from_u128(2) }
}

fn write(commits: &[Put], links: Option<Links>) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("a.seg");
    let mut writing = Writing::create(&path, head(Kind::Archive)).expect("created");
    for (position, frame) in commits {
        writing.put(*position, frame).expect("put");
    }
    let finished = writing.finish(links).expect("finished");
    let bytes = fs::read(&path).expect("there");
    assert_eq!(finished.bytes, bytes.len() as u64);
    assert_eq!(finished.hash, *blake3::hash(&bytes).as_bytes());
    (directory, path)
}

fn read(segment: &Segment, from: u64) -> Vec<Commit> {
    segment.commits_from(Position::new(from)).map(|commit| commit.expect("whole")).collect()
}

fn same(one: &[Commit], other: &[Put]) -> bool {
    let whole = |(position, frame): &Put| Commit::from_frame(frame, *position).expect("whole");
    let other: Vec<_> = other.iter().map(whole).collect();
    format!("{one:?}") == format!("{other:?}")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn commits_come_back_as_they_were_put_in_with_gaps(
        payloads in prop::collection::vec(prop_oneof![0usize..300, 0usize..90_000], 1..40),
        kept in prop::collection::vec(any::<bool>(), 40),
        from in 0u64..45,
    ) {
        let all = commits(&payloads);
        let some: Vec<_> = all.iter().zip(&kept).filter(|(_, kept)| **kept).map(|(it, _)| it.clone()).collect();
        let (_directory, path) = write(&some, None);
        let segment = Segment::open(&path).expect("opens");
        segment.verify().expect("whole");
        prop_assert!(same(&read(&segment, 0), &some));
        let later: Vec<_> = some.iter().filter(|it| it.0.get() >= from).cloned().collect();
        prop_assert!(same(&read(&segment, from), &later));
        for put in &all {
            let found = segment.commit_at(put.0).expect("readable");
            let wanted = some.iter().filter(|it| it.0 == put.0).cloned();
            prop_assert!(same(&found.into_iter().collect::<Vec<_>>(), &wanted.collect::<Vec<_>>()));
        }
    }
}

#[test]
fn the_head_and_the_summary_of_a_segment_are_readable() {
    let all = commits(&[10, 20, 30]);
    let before = Link([1; 32]);
    let whole =
        all.iter().map(|(position, frame)| Commit::from_frame(frame, *position).expect("whole"));
    let after = whole.fold(before, |link, commit| link.then(&commit.hash()));
    let links = Some(Links { before, after });
    let (_directory, path) = write(&all, links);
    let segment = Segment::open(&path).expect("opens");
    assert_eq!(segment.head(), head(Kind::Archive));
    let (first, last) = (Position::new(1), Position::new(3));
    assert_eq!(*segment.summary(), Summary { commits: 3, events: 3, first, last, links });
    assert_eq!(segment.path(), path);
    segment.verify().expect("its commits lead from the first link to the last");
    let (_directory, path) = write(&all, Some(Links { before, after: before }));
    assert!(Segment::open(path).expect("opens").verify().is_err());
}

#[test]
fn an_empty_segment_is_valid() {
    let (_directory, path) = write(&[], None);
    let segment = Segment::open(path).expect("opens");
    segment.verify().expect("whole");
    assert_eq!(segment.commits_from(Position::NONE).count(), 0);
    assert!(segment.commit_at(Position::new(1)).expect("readable").is_none());
}

#[test]
fn the_largest_commit_fits() {
    let all = commits(&[10, 16 * 1024 * 1024 - 200, 20]);
    let (_directory, path) = write(&all, None);
    let segment = Segment::open(path).expect("opens");
    segment.verify().expect("whole");
    assert!(same(&read(&segment, 2), &all[1..]));
    let found = segment.commit_at(Position::new(2)).expect("readable").expect("there");
    assert!(same(&[found], &all[1..2]));
}

#[test]
fn every_flipped_bit_is_reported() {
    let (_directory, path) = write(&commits(&[40, 10, 40]), None);
    let whole = fs::read(&path).expect("there");
    for bit in 0..whole.len() * 8 {
        let mut damaged = whole.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, damaged).expect("written");
        let error =
            Segment::open(&path).and_then(|segment| segment.verify()).expect_err("reported");
        assert!(error.to_string().contains("a.seg"), "bit {bit}: {error}");
        assert!(!matches!(error, SegmentError::NewerFormat { .. }), "bit {bit}: {error}");
    }
}

#[test]
fn every_cut_and_every_longer_file_is_reported() {
    let (_directory, path) = write(&commits(&[40, 10]), None);
    let whole = fs::read(&path).expect("there");
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).expect("written");
        assert!(matches!(Segment::open(&path), Err(SegmentError::NotWhole { .. })), "{length}");
    }
    fs::write(&path, [&whole[..], &[0]].concat()).expect("written");
    assert!(matches!(Segment::open(&path), Err(SegmentError::NotWhole { .. })));
}

#[test]
fn damage_is_reported_with_its_position_and_other_blocks_stay_readable() {
    let all = commits(&[100_000, 100_000, 100_000, 100_000]);
    let (_directory, path) = write(&all, None);
    let mut bytes = fs::read(&path).expect("there");
    bytes[70] ^= 1;
    fs::write(&path, bytes).expect("written");
    let segment = Segment::open(&path).expect("its head and summary are intact");
    let error = segment.commit_at(Position::new(2)).expect_err("reported");
    assert!(
        matches!(error, SegmentError::Damaged { position, .. } if position.get() == 1),
        "{error}"
    );
    assert!(matches!(ReadError::from(error), ReadError::Damaged(_)));
    assert!(segment.commit_at(Position::new(3)).expect("whole").is_some());
    let mut walk = segment.commits_from(Position::NONE);
    assert!(walk.next().expect("reported").is_err());
    assert!(walk.next().is_none(), "nothing is returned after the damage");
}

#[test]
fn an_unfinished_segment_does_not_exist_and_no_segment_is_overwritten() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("a.seg");
    let all = commits(&[10, 10]);
    let mut writing = Writing::create(&path, head(Kind::Backup)).expect("created");
    writing.put(all[1].0, &all[1].1).expect("put");
    let error = writing.put(all[0].0, &all[0].1).expect_err("out of order");
    assert!(matches!(error, SegmentError::Misplaced { .. }));
    drop(writing);
    assert_eq!(fs::read_dir(&directory).expect("listed").count(), 0, "no file is left");
    fs::write(&path, "something").expect("written");
    let refused = Writing::create(&path, head(Kind::Backup));
    assert!(matches!(refused, Err(SegmentError::Exists { .. })));
}
