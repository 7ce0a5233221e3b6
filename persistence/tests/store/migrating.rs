//! Migrates a log into a new store with a transform, and continues after any interruption.

use std::ops::ControlFlow;
use std::sync::Arc;

use actuarius_domain::{Position, StreamId};
use actuarius_persistence::fault::{self, Failure};
use actuarius_persistence::memory::Contents;
use actuarius_persistence::migrate::{self, BoxError, MigrateError, Migrated, Rewrite, Transform};
use actuarius_persistence::{
    Codec, Commit, CommitView, EncodedEvent, Store, ignore_progress, memory,
};
use proptest::prelude::*;

use crate::common::log::{Event, log, note, same, source, write};

fn keep(_: &CommitView<'_>, out: &mut Rewrite) -> Result<(), BoxError> {
    out.keep();
    Ok(())
}

fn run(
    from: &Store,
    to: &mut Store,
    transform: &mut dyn Transform,
) -> Result<Migrated, MigrateError> {
    migrate::run(&*from.reader, to, transform, &mut ignore_progress)
}

/// Drops some events, and doubles, renames or encodes others again.
fn everything(commit: &CommitView<'_>, out: &mut Rewrite) -> Result<(), BoxError> {
    if commit.id == "4" {
        return Ok(());
    }
    if commit.id == "5" {
        // Two streams become one.
        out.rename(StreamId::new("note", "0")?);
    }
    for event in commit.events() {
        match event.event_type {
            "Struck" => {}
            "Noted" => {
                out.encode(&event.decode::<Event>()?, |_| 9, Codec::Json)?;
                out.put(&event);
            }
            _ => {
                let mut kept = EncodedEvent::from(&event);
                kept.event_type = "Renamed".to_owned();
                out.put(kept);
            }
        }
    }
    Ok(())
}

#[test]
fn a_transform_can_drop_add_change_and_move_events() {
    let (from, mut to) = (source(150), memory::open());
    let migrated = run(&from, &mut to, &mut everything).expect("migrated");
    let (old, new) = (log(&*from.reader), log(&*to.reader));
    assert_eq!((migrated.commits_read, migrated.commits_written), (150, new.len() as u64));
    assert_eq!(migrated.events_written, to.reader.head().get());
    let mut left = old.iter();
    for commit in &new {
        let view = commit.view();
        let before = left.find(|it| it.view().command_id == view.command_id).expect("in order");
        let before = before.view();
        assert_eq!((view.time, view.metadata()), (before.time, before.metadata()));
        assert_eq!(view.named_by_caller(), before.named_by_caller());
        assert!(view.events().all(|event| event.event_type != "Struck"));
        let doubled = view.events().filter(|it| it.schema_version == 9);
        let noted = before.events().filter(|it| it.event_type == "Noted");
        assert_eq!(doubled.count(), noted.count());
    }
    for id in ["4", "5"] {
        let gone = StreamId::new("note", id).expect("valid");
        assert_eq!(to.reader.version(&gone).expect("readable").get(), 0);
    }
    // A second migration that keeps everything gives the same log, whatever the versions are.
    let mut again = memory::open();
    run(&to, &mut again, &mut keep).expect("migrated");
    assert!(same(&new, &log(&*again.reader)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_migration_that_fails_repeatedly_reaches_the_same_result(
        failures in prop::collection::vec((1u64..5, 0usize..3), 0..6),
        page in any::<bool>(),
    ) {
        let (from, mut whole) = (source(2_500), memory::open());
        let wanted = run(&from, &mut whole, &mut everything).expect("migrated");
        let contents = Arc::<Contents>::default();
        for (nth, how) in failures {
            let (mut to, faults) = fault::over(memory::reopen(&contents));
            let how = [Failure::Unwritten, Failure::HalfWritten, Failure::Unacknowledged][how];
            faults.fail_commit(nth, how);
            let mut pages = 0;
            let done = migrate::run(&*from.reader, &mut to, &mut everything, &mut |_| {
                pages += 1;
                if page && pages == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            prop_assert!(done.is_ok() || matches!(done, Err(MigrateError::Store(_) | MigrateError::Stopped)));
        }
        let mut to = memory::reopen(&contents);
        prop_assert_eq!(run(&from, &mut to, &mut everything).expect("migrated"), wanted);
        prop_assert!(same(&log(&*whole.reader), &log(&*to.reader)));
    }
}

#[test]
fn another_run_migrates_new_events_of_the_old_store() {
    let (mut from, mut to) = (source(50), memory::open());
    run(&from, &mut to, &mut everything).expect("migrated");
    write(&mut from, 50..90);
    let migrated = run(&from, &mut to, &mut everything).expect("migrated");
    assert_eq!(migrated.commits_read, 90);
    let mut at_once = memory::open();
    run(&from, &mut at_once, &mut everything).expect("migrated");
    assert!(same(&log(&*to.reader), &log(&*at_once.reader)));
}

#[test]
fn a_migration_continues_once_its_failing_transform_is_fixed() {
    let (from, mut to) = (source(50), memory::open());
    let error = run(&from, &mut to, &mut |commit: &CommitView<'_>, out: &mut Rewrite| {
        if commit.position > Position::new(40) {
            Err("not this one")?;
        }
        everything(commit, out)
    });
    let error = error.expect_err("reported");
    assert!(error.to_string().contains("not this one"), "{error}");
    run(&from, &mut to, &mut everything).expect("continues");
    let mut at_once = memory::open();
    run(&from, &mut at_once, &mut everything).expect("migrated");
    assert!(same(&log(&*to.reader), &log(&*at_once.reader)));
}

#[test]
fn a_commit_that_becomes_too_large_is_reported_with_its_position() {
    let (from, mut to) = (source(5), memory::open());
    let mut blow_up = |commit: &CommitView<'_>, out: &mut Rewrite| {
        for event in commit.events() {
            out.put(EncodedEvent::new(event.event_type, 1, Codec::Json, vec![0; 17 << 20]));
        }
        Ok(())
    };
    let error = run(&from, &mut to, &mut blow_up).expect_err("reported");
    assert!(
        matches!(&error, MigrateError::Unstorable { position, .. } if position.get() == 1),
        "{error}"
    );
}

#[test]
fn another_target_another_source_and_another_transform_are_refused() {
    let from = source(50);
    let mut with_events = source(3);
    let error = run(&from, &mut with_events, &mut keep).expect_err("has events");
    assert!(matches!(error, MigrateError::OtherTarget), "{error}");

    let mut to = memory::open();
    run(&from, &mut to, &mut keep).expect("migrated");
    let error = run(&source(60), &mut to, &mut keep).expect_err("another source");
    assert!(matches!(error, MigrateError::OtherTarget), "{error}");

    write(&mut to, [60]);
    let error = run(&from, &mut to, &mut keep).expect_err("another write to the target");
    assert!(matches!(error, MigrateError::OtherTransform { .. }), "{error}");

    let mut damaged = memory::open();
    run(&from, &mut damaged, &mut keep).expect("migrated");
    note(&mut damaged, "migration", "x");
    assert!(matches!(run(&from, &mut damaged, &mut keep), Err(MigrateError::Read(_))));
}

/// Commits written without a note of the progress are compared with the transform's present result.
#[test]
fn another_transform_after_an_interruption_is_refused() {
    let from = source(2_500);
    let contents = Arc::<Contents>::default();
    let (mut to, faults) = fault::over(memory::reopen(&contents));
    faults.fail_commit(2, Failure::HalfWritten);
    assert!(run(&from, &mut to, &mut keep).is_err());
    let error = run(&from, &mut memory::reopen(&contents), &mut everything).expect_err("another");
    assert!(matches!(error, MigrateError::OtherTransform { .. }), "{error}");
    run(&from, &mut memory::reopen(&contents), &mut keep).expect("the same transform continues");
    let found: Vec<Commit> = log(&*memory::reopen(&contents).reader);
    assert!(same(&found, &log(&*from.reader)));
}
