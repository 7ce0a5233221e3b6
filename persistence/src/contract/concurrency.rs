//! Cases with readers on other threads than the writer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use actuarius_domain::{Position, StreamId, Version};

use super::sample::{note, small, stream};
use super::scene::Scene;
use super::stage::Stage;
use crate::test_rng::TestRng;
use crate::{Batch, Commit, Gone, PageLimit, Reader, Removal};

const BATCHES: u64 = 150;
const PAGE: PageLimit = PageLimit { commits: 50, bytes: 64 * 1024 };

pub(super) fn readers_beside_a_writer_see_whole_commits_up_to_the_head(stage: &dyn Stage) {
    beside_a_writer(stage, write, |reader, done| {
        let mut seen = Position::NONE;
        loop {
            let last_round = done.load(Ordering::Acquire);
            let before = reader.head();
            let page = reader.read_log(seen, PAGE).expect("the log is readable");
            let after = reader.head();
            assert!(before <= after, "the head went back");
            for commit in &page.commits {
                assert_eq!(commit.position(), seen.next(), "a gap in the log");
                check_whole(commit);
                seen = commit.view().last_position();
            }
            assert!(seen <= after, "{seen} is visible, and the head is {after}");
            assert!(page.more || seen >= before, "{before} was the head, the log ends at {seen}");
            if last_round && !page.more {
                return;
            }
        }
    });
}

pub(super) fn readers_beside_a_writer_see_streams_grow_without_gaps(stage: &dyn Stage) {
    beside_a_writer(stage, write, |reader, done| {
        let streams = streams();
        let mut seen = [Version::NONE; 3];
        loop {
            let last_round = done.load(Ordering::Acquire);
            let mut more = false;
            for (stream, seen) in streams.iter().zip(&mut seen) {
                more |= follow(reader, stream, seen);
            }
            if last_round && !more {
                return;
            }
        }
    });
}

/// Reads the next page of a stream. Returns whether there is more.
fn follow(reader: &dyn Reader, stream: &StreamId, seen: &mut Version) -> bool {
    let before = reader.version(stream).expect("the version is readable");
    let page = reader.read_stream(stream, *seen, Position::NONE, PAGE);
    let page = page.expect("the stream is readable");
    let (after, head) = (reader.version(stream).expect("readable"), reader.head());
    for commit in &page.commits {
        assert_eq!(commit.view().version, seen.next(), "a gap in {stream}");
        assert!(commit.view().belongs_to(stream), "a commit of another stream");
        assert!(commit.view().last_position() <= head, "visible after the head");
        check_whole(commit);
        *seen = commit.view().last_version();
    }
    assert!(*seen <= after, "{seen} is visible, and the version is {after}");
    assert!(page.more || *seen >= before, "the version was {before}, {stream} ends at {seen}");
    page.more
}

/// A reader fetched the first of sixty parts of a large commit, the commit left the log, and the missing
/// parts were reported as damage: backups failed, and aggregates were quarantined.
pub(super) fn readers_beside_removals_see_events_or_stubs_but_no_damage(stage: &dyn Stage) {
    let mut scene = Scene::open(stage);
    let mut rng = TestRng::new(31);
    for _ in 0..LARGE_COMMITS {
        scene.write(&stream("large"), vec![note(&mut rng, 300_000)]);
    }
    let commits: Vec<_> = scene.expected(None).into_iter().cloned().collect();
    let done = AtomicBool::new(false);
    thread::scope(|threads| {
        let _finish = OnDrop(&done);
        for _ in 0..2 {
            let (reader, done) = (scene.reader(), &done);
            threads.spawn(move || read_until(&*reader, done));
        }
        for commit in &commits {
            let removals = vec![Removal::of(commit, Gone::Removed)];
            let batch = Batch { removals: removals.clone(), ..Batch::default() };
            scene.store().writer.commit(&batch).expect("the store removes it");
            scene.removed(&removals);
        }
    });
    scene.reopen_and_check();
}

const LARGE_COMMITS: u64 = 60;

/// Reads the log and the stream of large commits from end to end until `done` is set.
fn read_until(reader: &dyn Reader, done: &AtomicBool) {
    while !done.load(Ordering::Acquire) {
        let (mut seen, mut version) = (Position::NONE, Version::NONE);
        while seen < reader.head() {
            let page = reader.read_log(seen, PAGE).expect("the log is readable");
            seen = page.commits.last().expect("up to the head").last_position();
            let page = reader.read_stream(&stream("large"), version, Position::NONE, PAGE);
            let page = page.expect("the stream is readable");
            version = page.commits.last().map_or(version, |commit| commit.view().last_version());
        }
    }
}

fn check_whole(commit: &Commit) {
    let view = commit.view();
    assert_eq!(view.events().count() as u64, view.events, "a half commit");
}

fn streams() -> [StreamId; 3] {
    ["a", "b", "c"].map(stream)
}

/// Two threads read while this one writes. The flag passed to `read` is set after the last batch.
pub(super) fn beside_a_writer(
    stage: &dyn Stage,
    write: impl FnOnce(&mut Scene<'_>),
    read: impl Fn(&dyn Reader, &AtomicBool) + Sync,
) {
    let mut scene = Scene::open(stage);
    let done = AtomicBool::new(false);
    thread::scope(|threads| {
        // Even if writing panics, so that the readers end.
        let _finish = OnDrop(&done);
        for _ in 0..2 {
            let reader = scene.reader();
            let (read, done) = (&read, &done);
            threads.spawn(move || read(&*reader, done));
        }
        write(&mut scene);
    });
    scene.reopen_and_check();
}

fn write(scene: &mut Scene<'_>) {
    let mut rng = TestRng::new(14);
    for number in 0..BATCHES {
        for stream in streams() {
            let count = rng.below(4) + 1;
            scene.put(&stream, small(&mut rng, count));
        }
        if number % 20 == 0 {
            let large = vec![note(&mut rng, 40_000)];
            scene.put(&stream("large"), large);
        }
        scene.commit();
    }
}

struct OnDrop<'a>(&'a AtomicBool);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}
