//! Events that a keyed view cannot project, and rows that cannot be stored or read.

use std::sync::atomic::{AtomicBool, Ordering};

use actuarius::error::WaitError;
use actuarius::health::FollowerStatus;
use actuarius::projection::{Keyed, KeyedProjection, Rows, View, ViewReadError};
use actuarius::store::Codec;
use actuarius::{Envelope, Position, Runtime};
use serde::{Deserialize, Serialize};

use super::views::{at_once, show_all};
use crate::common::{Command, Event, Ledger, eventually};

/// The size of each ledger's blobs, one row each. Each test has a type of its own with a flag that
/// makes its projection panic at a blob.
struct Blobs<const TEST: usize>;

static POISONED: [AtomicBool; 4] = [const { AtomicBool::new(false) }; 4];

impl<const TEST: usize> View for Blobs<TEST> {
    type Key = String;
    type Row = Vec<u8>;
}

impl<const TEST: usize> KeyedProjection<Ledger> for Blobs<TEST> {
    fn project(rows: &mut Rows<'_, Self>, envelope: &Envelope<Ledger>) {
        let id = envelope.id.as_str();
        rows.update(id, |row| row.push(0));
        let Event::Blob(bytes) = &envelope.event else { return };
        rows.remove("a");
        if POISONED[TEST].load(Ordering::SeqCst) {
            // A part of the change is already made.
            std::panic::resume_unwind(Box::new("a blob is too much"));
        }
        rows.put(id, bytes.clone());
    }
}

async fn blobs<const TEST: usize>(runtime: &Runtime) -> Keyed<Blobs<TEST>> {
    let view = runtime.keyed::<Blobs<TEST>>("blobs").on::<Ledger>();
    view.retry(at_once()).start().await.unwrap()
}

async fn execute(runtime: &Runtime, ledger: &str, command: Command) {
    runtime.host::<Ledger>().execute(ledger, command).await.unwrap();
}

async fn halted<V: View>(view: &Keyed<V>) -> (Position, String) {
    eventually(|| matches!(view.status(), FollowerStatus::Halted { .. })).await;
    match view.status() {
        FollowerStatus::Halted { position, why } => (position, why),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_panic_leaves_the_view_exactly_before_the_event_and_a_fixed_one_continues() {
    POISONED[0].store(true, Ordering::SeqCst);
    let runtime = Runtime::in_memory().await.unwrap();
    for command in [Command::Add(1), Command::AddAll(vec![1, 1]), Command::Blob(2)] {
        execute(&runtime, "a", command).await;
    }
    execute(&runtime, "b", Command::Add(1)).await;
    let view = blobs::<0>(&runtime).await;
    let (position, why) = halted(&view).await;
    assert_eq!(position, Position::new(4));
    assert!(why.contains("ledger/a") && why.contains("a blob is too much"), "{why}");
    assert_eq!(view.rows().list().unwrap(), [("a".to_owned(), vec![0; 3])]);
    assert_eq!(view.position(), Position::new(3));
    let error = view.wait_for(Position::new(4)).await.unwrap_err();
    assert!(matches!(error, WaitError::Halted { at, .. } if at == position), "{error}");
    POISONED[0].store(false, Ordering::SeqCst);
    view.resume();
    show_all(&runtime, &view).await;
    let rows = [("a".to_owned(), vec![7; 2]), ("b".to_owned(), vec![0])];
    assert_eq!(view.rows().list().unwrap(), rows);
}

#[tokio::test]
async fn a_panic_at_one_event_of_a_command_adds_none_of_its_events() {
    POISONED[1].store(true, Ordering::SeqCst);
    let runtime = Runtime::in_memory().await.unwrap();
    let view = blobs::<1>(&runtime).await;
    execute(&runtime, "a", Command::Add(1)).await;
    // Events of the second command precede the one at which it panics, and none of them counts.
    execute(&runtime, "a", Command::AddAll(vec![1; 5])).await;
    execute(&runtime, "b", Command::Blob(1)).await;
    assert_eq!(halted(&view).await.0, Position::new(7));
    assert_eq!(view.get("a").unwrap(), Some(vec![0; 6]));
    POISONED[1].store(false, Ordering::SeqCst);
    view.resume();
    show_all(&runtime, &view).await;
    assert_eq!(view.rows().list().unwrap(), [("b".to_owned(), vec![7])]);
}

#[tokio::test]
async fn a_row_that_is_too_large_is_named_and_the_largest_is_kept() {
    let runtime = Runtime::in_memory().await.unwrap();
    let view = runtime.keyed::<Blobs<2>>("large").on::<Ledger>().codec(Codec::Bincode);
    let view = view.retry(at_once()).start().await.unwrap();
    for ledger in ["b", "c", "d", "e"] {
        execute(&runtime, ledger, Command::Blob(1_000_000)).await;
    }
    show_all(&runtime, &view).await;
    assert_eq!(view.get("e").unwrap().map(|row| row.len()), Some(1_000_000));
    execute(&runtime, "the large one", Command::Blob(1_100_000)).await;
    let (position, why) = halted(&view).await;
    assert_eq!(position, Position::new(5));
    assert!(why.contains("the large one") && why.contains("1048576"), "{why}");
    assert_eq!((view.rows().list().unwrap().len(), view.position()), (4, Position::new(4)));
}

/// Rows of the same shape as those of `Blobs`, of which some do not decode.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(try_from = "Vec<u8>", into = "Vec<u8>")]
struct Picky;

impl From<Picky> for Vec<u8> {
    fn from(_: Picky) -> Self {
        Self::new()
    }
}

impl TryFrom<Vec<u8>> for Picky {
    type Error = &'static str;

    fn try_from(bytes: Vec<u8>) -> Result<Self, Self::Error> {
        if bytes.len() > 1 { Err("too long") } else { Ok(Self) }
    }
}

struct Misread;

impl View for Misread {
    type Key = String;
    type Row = Picky;
}

impl KeyedProjection<Ledger> for Misread {
    fn project(rows: &mut Rows<'_, Self>, envelope: &Envelope<Ledger>) {
        // The projection must not run here: it cannot know that the row is unreadable, and would
        // change it wrongly.
        if rows.get(envelope.id.as_str()).is_none() {
            rows.put(envelope.id.as_str(), Picky);
        }
    }
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_reported_and_not_projected() {
    let runtime = Runtime::in_memory().await.unwrap();
    let view = blobs::<3>(&runtime).await;
    execute(&runtime, "b", Command::Blob(2)).await;
    show_all(&runtime, &view).await;
    view.stop().await;
    drop(view);
    let view = runtime.keyed::<Misread>("blobs").on::<Ledger>().retry(at_once());
    let view = view.start().await.unwrap();
    let error = view.get("b").unwrap_err();
    assert!(matches!(&error, ViewReadError::Row { key, .. } if key.contains('b')), "{error}");
    assert!(matches!(view.rows().list(), Err(ViewReadError::Row { .. })));
    execute(&runtime, "c", Command::Add(1)).await;
    execute(&runtime, "b", Command::Add(1)).await;
    let (position, why) = halted(&view).await;
    assert_eq!(position, Position::new(3));
    assert!(why.contains("cannot be read"), "{why}");
    assert_eq!(view.position(), Position::new(2));
    assert!(view.get("c").unwrap().is_some(), "what came before it counts");
}
