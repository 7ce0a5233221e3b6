//! Cases about the chain of commits, and commits whose events leave the log.

use actuarius_domain::{Position, Timestamp, Version};
use bytes::Bytes;
use uuid::Uuid;

use super::sample::{Sample, note, stream};
use super::scene::Scene;
use super::stage::Stage;
use crate::record::chain::ChainEnd;
use crate::test_rng::TestRng;
use crate::{Batch, Commit, Gone, NewSnapshot, PageLimit, Removal};

/// Writes three streams, with commits of one event, of several, and a large one.
fn written(stage: &dyn Stage) -> Scene<'_> {
    let mut scene = Scene::open(stage);
    let mut rng = TestRng::new(7);
    for round in 0..60u64 {
        let events = 1 + rng.below(3);
        let size = if round == 30 { 100_000 } else { rng.below(400) as usize };
        let events = (0..events).map(|_| note(&mut rng, size)).collect();
        scene.put(&stream(&format!("stream-{}", rng.below(3))), events);
        if round % 7 == 0 {
            scene.commit();
        }
    }
    scene.commit();
    scene
}

fn all(scene: &Scene<'_>) -> Vec<Commit> {
    scene.expected(None).into_iter().cloned().collect()
}

fn remove(scene: &mut Scene<'_>, removals: Vec<Removal>) {
    let batch = Batch { removals: removals.clone(), ..Batch::default() };
    scene.store().writer.commit(&batch).expect("the store removes them");
    scene.removed(&removals);
}

pub(super) fn the_chain_is_that_of_its_commits(stage: &dyn Stage) {
    let mut scene = written(stage);
    for _ in 0..2 {
        let commits = all(&scene);
        let expected = commits.iter().fold(ChainEnd::default(), |end, commit| end.then(commit));
        assert_eq!(scene.reader().maintenance().chain().expect("readable"), expected);
        scene.reopen_and_check();
    }
}

pub(super) fn removed_commits_leave_their_place_and_their_hash(stage: &dyn Stage) {
    let mut scene = written(stage);
    let chain = scene.reader().maintenance().chain().expect("readable");
    let mut rng = TestRng::new(9);
    let chosen: Vec<_> = all(&scene).into_iter().filter(|_| rng.below(3) == 0).collect();
    let removals = chosen.iter().map(|commit| Removal::of(commit, Gone::Removed)).collect();
    remove(&mut scene, removals);
    for _ in 0..2 {
        assert_eq!(
            scene.reader().maintenance().chain().expect("readable"),
            chain,
            "the chain stays"
        );
        scene.check();
        let found = scene.reader().read_log(Position::NONE, PageLimit::default());
        for commit in found.expect("readable").commits {
            let was_chosen = chosen.iter().any(|chosen| chosen.position() == commit.position());
            assert_eq!(commit.gone().is_some(), was_chosen);
            assert_eq!(commit.view().events().next().is_none(), was_chosen);
        }
        scene.reopen_and_check();
    }
    scene.write(&stream("stream-1"), vec![Sample::Marked]);
    scene.reopen_and_check();
}

pub(super) fn removing_twice_or_what_is_not_there_changes_nothing(stage: &dyn Stage) {
    let mut scene = written(stage);
    let commits = all(&scene);
    remove(&mut scene, vec![Removal::of(&commits[3], Gone::Removed)]);
    let archived = Gone::Archived(Uuid::from_u128(5));
    let stranger = Commit::from_frame(&commits[5].frame(), commits[4].position());
    let beyond: Bytes = commits[5].frame();
    let beyond = Commit::from_frame(&beyond, scene.head().plus(10)).expect("framed");
    let mut removals =
        vec![Removal::of(&commits[3], archived), Removal::of(&beyond, Gone::Removed)];
    let belongs = commits[4].view().id == commits[5].view().id;
    removals.extend(stranger.ok().filter(|_| !belongs).map(|it| Removal::of(&it, Gone::Removed)));
    let batch = Batch { removals, ..Batch::default() };
    scene.store().writer.commit(&batch).expect("the store takes it");
    scene.reopen_and_check();
}

pub(super) fn what_is_left_of_an_archived_commit_names_its_segment(stage: &dyn Stage) {
    let mut scene = written(stage);
    let (commits, gone) = (all(&scene), Gone::Archived(Uuid::from_u128(5)));
    remove(&mut scene, vec![Removal::of(&commits[0], gone)]);
    let one = PageLimit { commits: 1, bytes: 0 };
    let raw = scene.reader().maintenance().read_raw(Position::NONE, one).expect("readable").commits;
    assert_eq!((raw[0].gone(), raw[0].hash()), (Some(gone), commits[0].hash()));
    assert_eq!(raw[0].last_position(), commits[0].last_position());
}

pub(super) fn dropped_snapshots_are_gone_and_new_ones_stay(stage: &dyn Stage) {
    let mut scene = Scene::open(stage);
    let (mine, other) = (stream("mine"), stream("other"));
    scene.write(&mine, vec![Sample::Marked, Sample::Marked]);
    scene.write(&other, vec![Sample::Marked]);
    let snapshot = |stream: &actuarius_domain::StreamId, version, bytes: usize| NewSnapshot {
        stream: stream.clone(),
        version: Version::new(version),
        position: Position::new(version),
        as_of: Position::new(3),
        state_version: 1,
        time: Timestamp::from_micros(1),
        payload: vec![7; bytes].into(),
        keep: 9,
        keep_since: None,
    };
    let snapshots =
        vec![snapshot(&mine, 1, 20_000), snapshot(&mine, 2, 10), snapshot(&other, 1, 1)];
    let writer = &mut scene.store().writer;
    writer.commit(&Batch { snapshots, ..Batch::default() }).expect("stored");
    let drop_mine = Batch { snapshots_dropped: vec![mine.clone()], ..Batch::default() };
    writer.commit(&drop_mine).expect("dropped");
    for _ in 0..2 {
        assert!(scene.reader().snapshot(&mine, None).expect("readable").is_none());
        assert!(scene.reader().snapshot(&other, None).expect("readable").is_some());
        scene.reopen_and_check();
    }
    let snapshots = vec![snapshot(&mine, 2, 30)];
    let again = Batch { snapshots, ..drop_mine };
    scene.store().writer.commit(&again).expect("stored");
    let found = scene.reader().snapshot(&mine, None).expect("readable");
    assert_eq!(found.map(|found| found.version), Some(Version::new(2)));
}
