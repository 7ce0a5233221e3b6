//! Starting a subscription: from the end, after a position, from scratch, and with invalid notes or
//! names.

use std::sync::Arc;

use actuarius::error::StartError;
use actuarius::health::FollowerStatus;
use actuarius::store::{Batch, Notes, memory};
use actuarius::{Position, Runtime};

use super::parking::parked_notes;
use super::scene::{Failing, LONG, Scribe, add, caught_up, log, mailer, stored};
use crate::common::{Command, Ledger, open_on};

#[tokio::test]
async fn a_start_from_the_end_is_durable_before_anything_is_handled() {
    let contents = Arc::default();
    let scribe = Scribe::default();
    {
        let (runtime, _) = open_on(&contents).await;
        let ledgers = runtime.host::<Ledger>();
        add(&ledgers, "a", &[1, 2]).await;
        mailer(&runtime, &scribe).from_end().start().await.unwrap();
        assert_eq!(stored(&runtime), 2);
        // There is no shutdown, so nothing is stored at the end.
    }
    {
        let (runtime, _) = open_on(&contents).await;
        add(&runtime.host::<Ledger>(), "a", &[3]).await;
    }
    let (runtime, _) = open_on(&contents).await;
    let mailer = mailer(&runtime, &scribe).from_beginning().start().await.unwrap();
    caught_up(&runtime, &mailer).await;
    assert_eq!(scribe.amounts(), [3]);
}

#[tokio::test]
async fn a_subscription_starts_after_any_position_even_in_the_middle_of_a_command() {
    for after in 0..=6 {
        let (runtime, scribe) = (Runtime::in_memory().await.unwrap(), Scribe::default());
        let ledgers = runtime.host::<Ledger>();
        add(&ledgers, "a", &[1]).await;
        ledgers.execute("a", Command::AddAll(vec![2, 3, 4])).await.unwrap();
        add(&ledgers, "a", &[5, 6]).await;
        let mailer = mailer(&runtime, &scribe).after(Position::new(after)).start().await.unwrap();
        caught_up(&runtime, &mailer).await;
        assert_eq!(scribe.heard(), log(&runtime)[after as usize..], "after {after}");
    }
}

#[tokio::test]
async fn a_name_is_in_use_while_its_subscription_runs() {
    let (runtime, scribe) = (Runtime::in_memory().await.unwrap(), Scribe::default());
    let first = mailer(&runtime, &scribe).start().await.unwrap();
    let second = mailer(&runtime, &scribe).start().await;
    assert!(matches!(second, Err(StartError::NameTaken(name)) if name == "mailer"));
    first.stop().await;
    assert_eq!(first.status(), FollowerStatus::Stopped);
    let third = mailer(&runtime, &scribe).start().await.unwrap();
    assert_eq!(third.name(), "mailer");
}

#[tokio::test]
async fn invalid_names_and_subscriptions_to_nothing_are_refused() {
    let (runtime, scribe) = (Runtime::in_memory().await.unwrap(), Scribe::default());
    for name in ["", "a/b", ".hidden", &"x".repeat(129)] {
        let refused = runtime.subscribe(name).on(scribe.handler()).start().await;
        assert!(matches!(refused, Err(StartError::InvalidName(_))), "{name:?}");
    }
    let refused = runtime.subscribe("mailer").start().await;
    assert!(matches!(refused, Err(StartError::FollowsNothing(_))));
    mailer(&runtime, &scribe).start().await.expect("the name is free again");
}

#[tokio::test]
async fn a_position_after_the_end_of_the_log_is_refused() {
    let (runtime, scribe) = (Runtime::in_memory().await.unwrap(), Scribe::default());
    add(&runtime.host::<Ledger>(), "a", &[1]).await;
    let refused = mailer(&runtime, &scribe).after(Position::new(2)).start().await;
    match refused {
        Err(StartError::Ahead { checkpoint, head, .. }) => {
            assert_eq!((checkpoint.get(), head.get()), (2, 1));
        }
        other => panic!("{other:?}"),
    }
}

/// Writes a store in which the subscription `mailer` is at position 2, and returns its note.
async fn started() -> (Arc<memory::Contents>, Vec<u8>) {
    let contents = Arc::default();
    let (runtime, _) = open_on(&contents).await;
    let mailer = mailer(&runtime, &Scribe::default()).start().await.unwrap();
    add(&runtime.host::<Ledger>(), "a", &[1, 2]).await;
    caught_up(&runtime, &mailer).await;
    assert!(runtime.shutdown(LONG).await.is_clean());
    let note = memory::reopen(&contents).reader.note(b"subscription/mailer").unwrap().unwrap();
    (contents, note.to_vec())
}

fn write(contents: &Arc<memory::Contents>, key: &str, value: &[u8]) {
    let mut notes = Notes::default();
    notes.put(key, value).unwrap();
    let batch = Batch { notes: vec![notes], ..Batch::default() };
    memory::reopen(contents).writer.commit(&batch).unwrap();
}

#[tokio::test]
async fn a_checkpoint_after_the_end_of_the_log_is_reported() {
    let (contents, mut note) = started().await;
    note[17..25].copy_from_slice(&99u64.to_le_bytes());
    write(&contents, "subscription/mailer", &note);
    let (runtime, _) = open_on(&contents).await;
    let refused = mailer(&runtime, &Scribe::default()).start().await;
    assert!(matches!(refused, Err(StartError::Ahead { checkpoint, .. }) if checkpoint.get() == 99));
}

#[tokio::test]
async fn a_checkpoint_of_another_store_is_reported() {
    let (_, note) = started().await;
    let contents = Arc::default();
    write(&contents, "subscription/mailer", &note);
    let (runtime, _) = open_on(&contents).await;
    let refused = mailer(&runtime, &Scribe::default()).start().await;
    assert!(matches!(refused, Err(StartError::OtherStore(_))), "{refused:?}");
}

#[tokio::test]
async fn damaged_notes_are_reported_and_never_taken_for_missing_ones() {
    for (key, value) in [
        ("subscription/mailer", &b"nonsense"[..]),
        ("parked/mailer/ledger/a/00000000000000000001", b"nonsense"),
        ("parked/mailer/no position", b""),
    ] {
        let (contents, _) = started().await;
        write(&contents, key, value);
        let (runtime, faults) = open_on(&contents).await;
        let refused = mailer(&runtime, &Scribe::default()).start().await;
        assert!(matches!(refused, Err(StartError::Checkpoint { .. })), "{key} {refused:?}");

        faults.damage_note("subscription/mailer");
        let refused = mailer(&runtime, &Scribe::default()).start().await;
        assert!(matches!(refused, Err(StartError::Checkpoint { .. })), "{refused:?}");
    }
}

#[tokio::test]
async fn no_subscription_starts_on_a_closed_runtime_or_a_failed_store() {
    let (runtime, scribe) = (Runtime::in_memory().await.unwrap(), Scribe::default());
    assert!(runtime.shutdown(LONG).await.is_clean());
    let refused = mailer(&runtime, &scribe).start().await;
    assert!(matches!(refused, Err(StartError::ShuttingDown)), "{refused:?}");

    let (runtime, faults) = open_on(&Arc::default()).await;
    faults.fail_commit(1, actuarius::store::fault::Failure::Unwritten);
    runtime.host::<Ledger>().execute("a", Command::Add(1)).await.unwrap_err();
    let refused = mailer(&runtime, &scribe).start().await;
    assert!(matches!(refused, Err(StartError::ShuttingDown)), "{refused:?}");
}

#[tokio::test]
async fn from_scratch_discards_all_notes_even_unreadable_ones() {
    let contents = Arc::default();
    let scribe = Scribe::default();
    {
        let (runtime, _) = open_on(&contents).await;
        let ledgers = runtime.host::<Ledger>();
        scribe.fail(0, Failing::Refuses);
        let mailer = mailer(&runtime, &scribe).start().await.unwrap();
        ledgers.execute("a", Command::AddAll((0..600).collect())).await.unwrap();
        caught_up(&runtime, &mailer).await;
        assert!(runtime.shutdown(LONG).await.is_clean());
    }
    scribe.mend(0);
    write(&contents, "parked/mailer/ledger/b/00000000000000000009", b"nonsense");
    write(&contents, "subscription/mailer", b"nonsense");
    write(&contents, "parked/mailer.2/ledger/b/00000000000000000009", b"of another writer");

    let (runtime, faults) = open_on(&contents).await;
    faults.damage_note("parked/mailer/ledger/a/00000000000000000300");
    mailer(&runtime, &scribe).start().await.unwrap_err();
    let mailer = mailer(&runtime, &scribe).from_scratch().start().await.unwrap();
    caught_up(&runtime, &mailer).await;
    assert_eq!(scribe.amounts(), (0..600).collect::<Vec<_>>());
    assert!(mailer.parked().await.is_empty());
    assert_eq!(parked_notes(&runtime), 1);
}
