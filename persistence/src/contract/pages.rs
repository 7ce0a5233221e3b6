//! Cases about reading in bounded pages.

use actuarius_domain::{Position, Version};

use super::sample::{Sample, note, small, stream};
use super::scene::{Scene, assert_same, whole_log, whole_stream};
use super::stage::Stage;
use crate::PageLimit;
use crate::test_rng::TestRng;

/// From one commit to everything in a page, limited by commits or by bytes.
const LIMITS: [PageLimit; 7] = [
    PageLimit { commits: 0, bytes: 0 },
    PageLimit { commits: 1, bytes: usize::MAX },
    PageLimit { commits: 3, bytes: usize::MAX },
    PageLimit { commits: usize::MAX, bytes: 1 },
    PageLimit { commits: usize::MAX, bytes: 900 },
    PageLimit { commits: 7, bytes: 1_500 },
    PageLimit { commits: usize::MAX, bytes: usize::MAX },
];

/// Two streams, in turn, of commits with one to four events, some of them large.
fn two_streams(stage: &dyn Stage) -> Scene<'_> {
    let mut scene = Scene::open(stage);
    let mut rng = TestRng::new(6);
    for round in 0..8 {
        for id in ["a", "b", "a"] {
            let mut events = small(&mut rng, round % 4 + 1);
            if round == 5 {
                events.push(note(&mut rng, 20_000));
            }
            scene.put(&stream(id), events);
        }
        scene.commit();
    }
    scene
}

pub(super) fn the_log_in_bounded_pages_is_the_whole_log(stage: &dyn Stage) {
    let mut scene = two_streams(stage);
    for _ in 0..2 {
        let (reader, all) = (scene.reader(), scene.expected(None));
        for limit in LIMITS {
            for start in 0..=all.len() {
                // `after` is the end of a commit, or the place before the first.
                let before = start.checked_sub(1).map(|at| all[at].view().last_position());
                let found = whole_log(&*reader, before.unwrap_or_default(), limit);
                assert_same(&found, &all[start..], "the log");
            }
        }
        drop(reader);
        scene.reopen_and_check();
    }
}

pub(super) fn a_stream_in_bounded_pages_is_the_whole_stream(stage: &dyn Stage) {
    let mut scene = two_streams(stage);
    for _ in 0..2 {
        let reader = scene.reader();
        for id in ["a", "b"] {
            let stream = stream(id);
            let all = scene.expected(Some(&stream));
            for limit in LIMITS {
                // Any version, including the middle of a commit: that commit is then the first.
                for after in (0..=scene.version(&stream).get()).map(Version::new) {
                    let start = all.partition_point(|it| it.view().last_version() <= after);
                    let as_of = Position::NONE;
                    let found = whole_stream(&*reader, &stream, after, as_of, limit);
                    assert_same(&found, &all[start..], id);
                }
            }
        }
        drop(reader);
        scene.reopen_and_check();
    }
}

pub(super) fn a_page_behind_the_end_is_empty(stage: &dyn Stage) {
    let mut scene = two_streams(stage);
    for _ in 0..2 {
        let reader = scene.reader();
        for beyond in [0, 1, 1_000_000] {
            let limit = PageLimit::default();
            let page = reader.read_log(scene.head().plus(beyond), limit).expect("readable");
            assert!(page.commits.is_empty() && !page.more, "{beyond} after the head");
            let after = scene.version(&stream("a")).plus(beyond);
            let page = reader.read_stream(&stream("a"), after, Position::NONE, limit);
            let page = page.expect("readable");
            assert!(page.commits.is_empty() && !page.more, "{beyond} after the end of the stream");
        }
        drop(reader);
        scene.reopen_and_check();
    }
}

pub(super) fn a_true_as_of_changes_no_answer(stage: &dyn Stage) {
    let mut scene = two_streams(stage);
    scene.write(&stream("b"), vec![Sample::Marked; 3]);
    for _ in 0..2 {
        let (reader, limit) = (scene.reader(), PageLimit::default());
        let stream = stream("a");
        let all = scene.expected(Some(&stream));
        for (index, commit) in all.iter().enumerate() {
            let after = commit.view().last_version();
            // Up to the next commit of the stream, or the head, it has no events after `after`.
            let next = all.get(index + 1).map_or(scene.head().next(), |next| next.position());
            for as_of in commit.view().last_position().get()..next.get() {
                let as_of = Position::new(as_of);
                let found = whole_stream(&*reader, &stream, after, as_of, limit);
                assert_same(&found, &all[index + 1..], "a, with a hint");
            }
        }
        drop(reader);
        scene.reopen_and_check();
    }
}
