//! Streams and log equal a model after any commits, reopenings and kills of the process.

use std::path::Path;

use actuarius_domain::{Position, Version};
use actuarius_persistence::{Batch, PageLimit, Reader};
use actuarius_sled::SledOptions;
use proptest::prelude::*;

use crate::child;
use crate::common::{append, commit, events, stream};

/// One step of a history.
#[derive(Debug, Clone)]
enum Step {
    /// One append per pair of a stream and a payload size.
    Commit(Vec<(u8, usize)>),
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let size = prop_oneof![20 => 0..200usize, 1 => 7_000..9_000usize, 1 => Just(40_000usize)];
    let commit = prop::collection::vec((0..6u8, size), 1..12).prop_map(Step::Commit);
    let step = prop_oneof![20 => commit, 1 => Just(Step::Reopen)];
    prop::collection::vec(step, 1..80)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    /// With index runs of a few commits, each case flushes, merges and removes hundreds of runs,
    /// and reopening interrupts that.
    #[test]
    fn streams_and_log_equal_a_model_while_index_runs_are_merged(
        steps in steps(),
        run_commits in 1..9u64,
        buckets in 1..4u16,
    ) {
        let options = SledOptions::default().index_runs(run_commits, buckets);
        let directory = tempfile::tempdir().expect("a directory");
        let open = || actuarius_sled::open_with(directory.path(), &options).expect("opens");
        let mut store = open();
        let mut versions = [0u64; 6];
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Commit(appends) => {
                    let appends = appends.into_iter().map(|(id, size)| {
                        versions[usize::from(id)] += 1;
                        append(&id.to_string(), versions[usize::from(id)] - 1, &[size])
                    });
                    let batch = Batch { appends: appends.collect(), ..Batch::default() };
                    let outcomes = store.writer.commit(&batch).expect("stored");
                    prop_assert!(outcomes.iter().all(Result::is_ok));
                }
                Step::Reopen => {
                    drop(store);
                    store = open();
                }
            }
            if number % 8 == 7 {
                check(&*store.reader, &versions);
            }
        }
        check(&*store.reader, &versions);
    }
}

/// Commits until it is killed, and reports each acknowledgement to its parent. Does nothing without
/// its environment variable.
#[test]
fn the_store_named_by_the_environment_is_written_until_the_end() {
    let Some(directory) = std::env::var_os("STORE_TO_WRITE") else { return };
    let mut store = actuarius_sled::open_with(directory, &small_runs()).expect("opens");
    let mut version = store.reader.version(&stream("0")).expect("readable").get();
    loop {
        let append =
            append("0", version, &[50, 50, if version.is_multiple_of(90) { 400_000 } else { 1 }]);
        commit(&mut store, append);
        version += 3;
        println!("acknowledged {version}");
    }
}

fn small_runs() -> SledOptions {
    SledOptions::default().index_runs(5, 2)
}

#[test]
fn a_killed_process_loses_nothing_it_acknowledged() {
    let directory = tempfile::tempdir().expect("a directory");
    for acknowledgements in [1, 3, 40, 7, 100, 31, 64, 2] {
        let acknowledged = write_and_kill(directory.path(), acknowledgements);
        let store = actuarius_sled::open_with(directory.path(), &small_runs()).expect("opens");
        let version = store.reader.version(&stream("0")).expect("readable").get();
        assert!(
            version >= acknowledged && version.is_multiple_of(3),
            "{version} of {acknowledged}"
        );
        check(&*store.reader, &[version]);
    }
}

/// Lets a child process write to the store, and kills it after `acknowledgements` acknowledgements.
/// Returns the version that was acknowledged last.
fn write_and_kill(directory: &Path, acknowledgements: usize) -> u64 {
    let test = "the_store_named_by_the_environment_is_written_until_the_end";
    let mut child = child::running(module_path!(), test);
    child.env("STORE_TO_WRITE", directory);
    child::kill_after(child, acknowledgements)
}

/// Checks that each stream, read from several versions, and the log have exactly the expected
/// versions.
fn check(reader: &dyn Reader, versions: &[u64]) {
    let total: u64 = versions.iter().sum();
    assert_eq!(reader.head(), Position::new(total));
    assert_eq!(events(reader).expect("readable"), total);
    for (id, &version) in versions.iter().enumerate() {
        let stream = stream(&id.to_string());
        assert_eq!(reader.version(&stream).expect("readable"), Version::new(version));
        for after in [0, version / 2, version.saturating_sub(1), version] {
            let limit = PageLimit { commits: usize::MAX, bytes: usize::MAX };
            let page = reader.read_stream(&stream, Version::new(after), Position::NONE, limit);
            let page = page.expect("readable");
            let found = page.commits.iter().map(|commit| commit.view().version.get());
            assert!(found.eq(after + 1..=version), "stream {id} after {after}");
        }
    }
}
