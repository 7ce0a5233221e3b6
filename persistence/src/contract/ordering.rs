//! Cases about positions, versions, batches and conflicts.

use actuarius_domain::{Position, Version};

use super::sample::{Sample, note, small, stream};
use super::scene::Scene;
use super::stage::Stage;
use crate::test_rng::TestRng;
use crate::{Append, Batch, PageLimit};

pub(super) fn an_empty_batch_is_accepted(stage: &dyn Stage) {
    let mut scene = Scene::open(stage);
    for _ in 0..3 {
        let outcomes = scene.store().writer.commit(&Batch::default());
        assert!(outcomes.expect("an empty batch is fine").is_empty());
        scene.check();
    }
    scene.write(&stream("a"), vec![Sample::Marked]);
    scene.reopen_and_check();
}

pub(super) fn unknown_streams_are_empty_and_have_no_version(stage: &dyn Stage) {
    let mut scene = Scene::open(stage);
    scene.write(&stream("known"), vec![Sample::Marked]);
    for round in 0..2 {
        let reader = scene.reader();
        for id in ["unknown", "know", "known ", "knowns"] {
            let version = reader.version(&stream(id)).expect("readable");
            assert_eq!(version, Version::NONE, "{id}, round {round}");
            let limit = PageLimit::default();
            let page = reader.read_stream(&stream(id), Version::NONE, Position::NONE, limit);
            let page = page.expect("readable");
            assert!(page.commits.is_empty() && !page.more, "{id}, round {round}");
            assert_eq!(reader.snapshot(&stream(id), None).expect("readable"), None);
        }
        drop(reader);
        scene.reopen_and_check();
    }
}

pub(super) fn a_reader_obtained_before_a_commit_sees_it_after(stage: &dyn Stage) {
    let mut scene = Scene::open(stage);
    let before = scene.reader();
    for number in 1..=3 {
        scene.write(&stream("a"), vec![Sample::Counted(number)]);
        assert_eq!(before.head(), scene.head());
        assert_eq!(before.version(&stream("a")).expect("readable"), Version::new(number.into()));
        let page = before.read_log(Position::NONE, PageLimit::default()).expect("readable");
        assert_eq!(page.commits.len(), usize::from(number));
    }
}

pub(super) fn positions_and_versions_run_without_gaps_across_batches_and_reopening(
    stage: &dyn Stage,
) {
    let mut scene = Scene::open(stage);
    let mut rng = TestRng::new(1);
    for round in 1..=5 {
        for id in ["a", "b", "a", "c"] {
            scene.put(&stream(id), small(&mut rng, round));
        }
        scene.commit();
        scene.write(&stream("d"), vec![Sample::Marked]);
        scene.reopen_and_check();
    }
    // The model and the store agree; plain numbers check the model.
    assert_eq!(scene.reader().head(), Position::new(4 * (1 + 2 + 3 + 4 + 5) + 5));
    assert_eq!(scene.reader().version(&stream("a")).expect("readable"), Version::new(30));
    assert_eq!(scene.reader().version(&stream("d")).expect("readable"), Version::new(5));
}

pub(super) fn the_commits_of_one_append_follow_each_other(stage: &dyn Stage) {
    let mut scene = Scene::open(stage);
    let mut rng = TestRng::new(2);
    let commits: Vec<_> = (1..=20).map(|count| small(&mut rng, count % 4 + 1)).collect();
    scene.put_commits(&stream("a"), Version::NONE, &commits);
    scene.put(&stream("b"), vec![Sample::Marked]);
    scene.commit();
    assert_eq!(scene.expected(Some(&stream("a"))).len(), 20, "one commit for each command");
    scene.check();
    scene.reopen_and_check();
}

pub(super) fn commits_of_many_events_stay_whole(stage: &dyn Stage) {
    let mut scene = Scene::open(stage);
    let mut rng = TestRng::new(3);
    for count in [1, 2, 127, 128, 1_000] {
        scene.write(&stream("a"), small(&mut rng, count));
    }
    scene.reopen_and_check();
    let page = scene.reader().read_stream(
        &stream("a"),
        // In the middle of the commit of 127 events, which is returned from its start.
        Version::new(50),
        Position::NONE,
        PageLimit { commits: 1, bytes: 1 },
    );
    let page = page.expect("readable");
    let first = page.commits[0].view();
    assert_eq!((first.version, first.events), (Version::new(4), 127));
    assert_eq!(first.events().count(), 127);
    assert!(page.more);
}

pub(super) fn an_append_may_build_on_the_one_before_it_in_its_batch(stage: &dyn Stage) {
    let mut scene = Scene::open(stage);
    let mut rng = TestRng::new(4);
    scene.put_commits(&stream("a"), Version::NONE, &[small(&mut rng, 2)]);
    scene.put_commits(&stream("b"), Version::NONE, &[small(&mut rng, 1)]);
    scene.put_commits(&stream("a"), Version::new(2), &[small(&mut rng, 3)]);
    scene.put_commits(&stream("a"), Version::new(5), &[small(&mut rng, 1)]);
    scene.commit();
    assert_eq!(scene.version(&stream("a")), Version::new(6));
    scene.check();
    scene.reopen_and_check();
}

pub(super) fn a_conflict_names_the_actual_version_and_writes_nothing(stage: &dyn Stage) {
    let mut scene = Scene::open(stage);
    scene.write(&stream("a"), vec![Sample::Marked; 3]);
    for wrong in [0, 1, 2, 4, 1_000_000] {
        // `commit` compares the outcome, a conflict with the actual version, and the head.
        scene.put_commits(&stream("a"), Version::new(wrong), &[vec![Sample::Marked; 2]]);
        scene.commit();
    }
    scene.put_commits(&stream("new"), Version::new(1), &[vec![Sample::Marked]]);
    scene.commit();
    assert_eq!(scene.head(), Position::new(3));
    scene.check();
    scene.reopen_and_check();
    let version = scene.reader().version(&stream("new")).expect("readable");
    assert_eq!(version, Version::NONE, "a conflict makes no stream");
}

pub(super) fn a_conflict_leaves_its_neighbours_untouched(stage: &dyn Stage) {
    let mut scene = Scene::open(stage);
    scene.write(&stream("taken"), vec![Sample::Marked]);
    scene.put(&stream("first"), vec![Sample::Counted(1); 2]);
    scene.put_commits(&stream("taken"), Version::NONE, &[vec![Sample::Counted(9); 5]]);
    scene.put(&stream("second"), vec![Sample::Counted(2); 2]);
    scene.put_commits(&stream("taken"), Version::new(7), &[vec![Sample::Counted(9)]]);
    scene.put(&stream("taken"), vec![Sample::Counted(3)]);
    scene.commit();
    assert_eq!(scene.head(), Position::new(1 + 2 + 2 + 1), "a conflict uses no position");
    scene.check();
    scene.reopen_and_check();
}

pub(super) fn a_conflict_inside_a_batch_counts_the_appends_before_it(stage: &dyn Stage) {
    let mut scene = Scene::open(stage);
    let one = || [vec![Sample::Marked]];
    scene.put_commits(&stream("a"), Version::NONE, &one());
    // The version before the batch is not relevant any more.
    scene.put_commits(&stream("a"), Version::NONE, &one());
    scene.put_commits(&stream("a"), Version::new(2), &one());
    scene.put_commits(&stream("a"), Version::new(1), &one());
    scene.commit();
    assert_eq!(scene.version(&stream("a")), Version::new(2));
    scene.check();
    scene.reopen_and_check();
}

pub(super) fn an_append_without_commits_writes_nothing(stage: &dyn Stage) {
    let mut scene = Scene::open(stage);
    scene.write(&stream("a"), vec![Sample::Marked]);
    let empty = |expected| Append::new(stream("a"), Version::new(expected));
    let batch = Batch { appends: vec![empty(1), empty(0)], ..Batch::default() };
    let outcomes = scene.store().writer.commit(&batch).expect("an empty append is fine");
    assert!(outcomes[0].is_ok(), "the version is as expected");
    let refusal = outcomes[1].as_ref().expect_err("its expected version is checked all the same");
    assert_eq!(refusal.conflict().map(|it| it.actual), Some(Version::new(1)));
    scene.check();
    scene.write(&stream("b"), vec![Sample::Marked]);
    scene.reopen_and_check();
}

pub(super) fn a_batch_far_above_its_size_is_stored_whole_and_in_order(stage: &dyn Stage) {
    let mut scene = Scene::open(stage);
    let mut rng = TestRng::new(5);
    // A store may prefer batches of any size, so the case limits them.
    let wanted = 6 * scene.store().writer.batch_bytes().min(512 * 1024);
    let mut put = 0;
    while put < wanted {
        let bytes = 200 + rng.below(9_000) as usize;
        let id = format!("stream-{}", rng.below(20));
        scene.put(&stream(&id), vec![note(&mut rng, bytes), Sample::Marked]);
        put += bytes;
    }
    scene.commit();
    scene.check();
    scene.write(&stream("afterwards"), vec![Sample::Marked]);
    scene.reopen_and_check();
}
