//! Cases about snapshots, a cache that must never be wrong.

use actuarius_domain::{Position, StreamId, Timestamp, Version};
use bytes::Bytes;

use super::sample::{Sample, stream, text};
use super::scene::Scene;
use super::stage::Stage;
use crate::test_rng::TestRng;
use crate::{Batch, NewSnapshot, Snapshot};

/// Returns a scene whose streams "a" and "b" have ten events each, one per commit and in turn.
fn ten_events_each(stage: &dyn Stage) -> Scene<'_> {
    let mut scene = Scene::open(stage);
    for number in 0..10 {
        scene.put(&stream("a"), vec![Sample::Counted(number)]);
        scene.put(&stream("b"), vec![Sample::Counted(number)]);
    }
    scene.commit();
    scene
}

/// Returns a snapshot of a stream of that scene. Every field depends on the version.
fn taken(stream: &StreamId, version: u64, keep: u32) -> NewSnapshot {
    let offset = if stream.id() == "b" { 0 } else { 1 };
    NewSnapshot {
        stream: stream.clone(),
        version: Version::new(version),
        position: Position::new(2 * version - offset),
        as_of: Position::new(2 * version),
        state_version: version as u32 + 100,
        time: Timestamp::from_micros(-(version as i64)),
        payload: Bytes::from(format!("{stream} at {version}")),
        keep,
        keep_since: None,
    }
}

fn keep(scene: &mut Scene<'_>, snapshots: &[NewSnapshot]) {
    let batch = Batch { snapshots: snapshots.to_vec(), ..Batch::default() };
    let outcomes = scene.store().writer.commit(&batch).expect("the store keeps the snapshots");
    assert!(outcomes.is_empty(), "a batch without appends has no outcomes");
    scene.store().writer.settle().expect("the store has stored large ones, too");
}

/// Checks that the stream has exactly these snapshots, the newest first; now and after reopening.
fn check(scene: &mut Scene<'_>, stream: &StreamId, expected: &[&NewSnapshot]) {
    for _ in 0..2 {
        let reader = scene.reader();
        let mut before = None;
        for new in expected {
            let found = reader.snapshot(stream, before).expect("the snapshot is readable");
            let found = found.unwrap_or_else(|| panic!("{stream} has one at {}", new.version));
            let (version, expected) = (found.version, Snapshot::from(*new));
            assert_eq!(version, expected.version, "the newest of {stream} before {before:?}");
            assert!(found == expected, "the snapshot of {stream} at {version} differs");
            before = Some(version);
        }
        let surplus = reader.snapshot(stream, before).expect("the snapshot is readable");
        assert_eq!(surplus.map(|it| it.version), None, "{stream} has no more before {before:?}");
        drop(reader);
        scene.reopen_and_check();
    }
}

pub(super) fn the_newest_snapshot_comes_first_and_before_leads_to_older_ones(stage: &dyn Stage) {
    let mut scene = ten_events_each(stage);
    let [two, five, nine] = [2, 5, 9].map(|version| taken(&stream("a"), version, 5));
    keep(&mut scene, std::slice::from_ref(&two));
    keep(&mut scene, &[five.clone(), nine.clone()]);
    check(&mut scene, &stream("a"), &[&nine, &five, &two]);
    let reader = scene.reader();
    for (before, expected) in [(1, None), (2, None), (3, Some(2)), (9, Some(5)), (100, Some(9))] {
        let found = reader.snapshot(&stream("a"), Some(Version::new(before))).expect("readable");
        assert_eq!(found.map(|it| it.version.get()), expected, "before {before}");
    }
}

pub(super) fn snapshots_beyond_keep_are_dropped_oldest_first(stage: &dyn Stage) {
    let mut scene = ten_events_each(stage);
    let all: Vec<_> = (1..=8).map(|version| taken(&stream("a"), version, 3)).collect();
    for new in &all {
        keep(&mut scene, std::slice::from_ref(new));
    }
    check(&mut scene, &stream("a"), &[&all[7], &all[6], &all[5]]);
    let last = taken(&stream("a"), 10, 1);
    keep(&mut scene, std::slice::from_ref(&last));
    check(&mut scene, &stream("a"), &[&last]);
}

pub(super) fn snapshots_that_are_too_old_go_when_a_new_one_comes(stage: &dyn Stage) {
    let mut scene = ten_events_each(stage);
    let at = |version: u64, hour: i64, since: Option<i64>| NewSnapshot {
        time: Timestamp::from_micros(hour),
        keep_since: since.map(Timestamp::from_micros),
        // Age also matters for snapshots that are stored in several parts.
        payload: Bytes::from(vec![7; 20_000]),
        ..taken(&stream("a"), version, 4)
    };
    let [one, two, three] = [at(1, -9, None), at(2, 5, None), at(3, 6, None)];
    keep(&mut scene, &[one, two.clone(), three.clone()]);
    let four = at(4, 7, Some(5));
    keep(&mut scene, std::slice::from_ref(&four));
    check(&mut scene, &stream("a"), &[&four, &three, &two]);
    // The new one stays, however old it is, and so does a newer one.
    let late = at(3, 1, Some(100));
    keep(&mut scene, std::slice::from_ref(&late));
    check(&mut scene, &stream("a"), &[&four, &late]);
    // The number matters, too.
    let last = NewSnapshot { keep: 2, ..at(5, 8, Some(0)) };
    keep(&mut scene, std::slice::from_ref(&last));
    check(&mut scene, &stream("a"), &[&last, &four]);
}

pub(super) fn a_snapshot_at_the_same_version_replaces_the_old_one(stage: &dyn Stage) {
    let mut scene = ten_events_each(stage);
    let first = taken(&stream("a"), 4, 2);
    let old = taken(&stream("a"), 6, 2);
    // As after a change of the state; much longer, then much shorter than before.
    for payload in [Bytes::from(vec![7; 50_000]), Bytes::from_static(b"short"), Bytes::new()] {
        let new = NewSnapshot { state_version: 999, payload, ..old.clone() };
        keep(&mut scene, &[first.clone(), old.clone()]);
        keep(&mut scene, std::slice::from_ref(&new));
        check(&mut scene, &stream("a"), &[&new, &first]);
    }
}

pub(super) fn a_late_snapshot_does_not_displace_a_newer_one(stage: &dyn Stage) {
    let mut scene = ten_events_each(stage);
    let [early, late] = [3, 8].map(|version| taken(&stream("a"), version, 2));
    keep(&mut scene, std::slice::from_ref(&late));
    keep(&mut scene, std::slice::from_ref(&early));
    check(&mut scene, &stream("a"), &[&late, &early]);
}

pub(super) fn snapshots_of_every_size_survive_reopening(stage: &dyn Stage) {
    let mut scene = ten_events_each(stage);
    let mut rng = TestRng::new(11);
    let sizes = [0, 1, 7 * 1024, 16 * 1024, 300 * 1024, 1024 * 1024];
    let mut all: Vec<_> = (1..)
        .zip(sizes)
        .map(|(version, bytes)| NewSnapshot {
            payload: text(&mut rng, bytes).into(),
            ..taken(&stream("a"), version, 10)
        })
        .collect();
    keep(&mut scene, &all);
    all.reverse();
    check(&mut scene, &stream("a"), &all.iter().collect::<Vec<_>>());
}

pub(super) fn a_snapshot_is_never_found_under_another_stream(stage: &dyn Stage) {
    let mut scene = ten_events_each(stage);
    let (a, b) = (taken(&stream("a"), 5, 1), taken(&stream("b"), 5, 1));
    keep(&mut scene, std::slice::from_ref(&b));
    check(&mut scene, &stream("a"), &[]);
    check(&mut scene, &stream("b"), &[&b]);
    keep(&mut scene, std::slice::from_ref(&a));
    check(&mut scene, &stream("a"), &[&a]);
    check(&mut scene, &stream("b"), &[&b]);
    let alike = [("sample/a", "a"), ("sampl", "ea"), ("samplea", "a"), ("sample", "a\0")];
    for (category, id) in alike {
        let stream = StreamId::new(category, id).expect("valid");
        check(&mut scene, &stream, &[]);
    }
}

pub(super) fn a_batch_of_snapshots_alone_moves_no_position(stage: &dyn Stage) {
    let mut scene = ten_events_each(stage);
    let (a, b) = (taken(&stream("a"), 10, 1), taken(&stream("b"), 10, 1));
    keep(&mut scene, &[a.clone(), b.clone()]);
    scene.check();
    scene.write(&stream("a"), vec![Sample::Marked]);
    check(&mut scene, &stream("a"), &[&a]);
    check(&mut scene, &stream("b"), &[&b]);
}

pub(super) fn snapshots_beside_a_conflict_are_kept(stage: &dyn Stage) {
    let mut scene = ten_events_each(stage);
    let new = taken(&stream("b"), 10, 1);
    scene.put_commits(&stream("a"), Version::NONE, &[vec![Sample::Marked]]);
    scene.put_snapshot(new.clone());
    scene.put(&stream("a"), vec![Sample::Marked]);
    scene.commit();
    check(&mut scene, &stream("b"), &[&new]);
    check(&mut scene, &stream("a"), &[]);
}
