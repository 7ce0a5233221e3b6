//! Reads the notes of all timers of a type when it is hosted.

use std::sync::Arc;
use std::time::Duration;

use actuarius_domain::Aggregate;
use actuarius_persistence::{Note, Notes, ReadError, Reader};
use tokio::time::sleep;

use crate::aggregate::timers::{Loading, Marks, Timers, parse, prefix_of_type};
use crate::base::panics::guarded;

/// How many notes are read at once. A commit with notes waits meanwhile.
const NOTES_AT_ONCE: usize = 256;

/// How long to wait before notes that could not be read are tried again. Until then, requests to aggregates of the
/// type are refused.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Reads the notes, and retries until that succeeds. Returns whether it has; otherwise the runtime has closed.
pub(super) async fn load<A: Aggregate>(timers: &Arc<Timers<A>>) -> bool {
    let (prefix, mut after, mut dropped) = (prefix_of_type(A::TYPE), None, 0);
    loop {
        let page = read(timers, &prefix, after.clone()).await;
        match page {
            Ok(Read { notes, is_last }) => {
                after = notes.last().map(|note| note.key.clone()).or(after);
                dropped += take(timers, &prefix, notes).await;
                if is_last {
                    break;
                }
            }
            Err(error) if timers.is_closed() || matches!(error, ReadError::Closed) => return false,
            Err(error) => {
                failed::<A>(&error);
                timers.set_loading(Loading::Failing(error.to_string()));
                sleep(RETRY_AFTER).await;
            }
        }
    }
    if dropped > 0 {
        // A tracing layer may panic, here and below. Requests wait for the timers.
        let _ = guarded(|| {
            tracing::warn!(
                target: "actuarius::timers",
                aggregate = A::TYPE,
                dropped,
                "timers that the type no longer declares were dropped"
            );
        });
    }
    timers.set_loading(Loading::Ready);
    let _ = guarded(|| timers.report());
    true
}

/// A page of notes.
struct Read {
    notes: Vec<Note>,
    is_last: bool,
}

/// Reads a page. A damaged note is a page of its own, as if its aggregate had to be asked now.
async fn read<A: Aggregate>(
    timers: &Timers<A>,
    prefix: &str,
    after: Option<bytes::Bytes>,
) -> Result<Read, ReadError> {
    let prefix = prefix.to_owned();
    let read = move |reader: &dyn Reader| match reader.notes(
        prefix.as_bytes(),
        after.as_deref(),
        NOTES_AT_ONCE,
    ) {
        Ok(notes) => Ok(Read { is_last: notes.len() < NOTES_AT_ONCE, notes }),
        Err(ReadError::DamagedNote { key, what }) => {
            up_to_damaged(reader, &prefix, after.as_deref(), key, &what)
        }
        Err(error) => Err(error),
    };
    timers.engine.read(read).await
}

/// Reads the notes before a damaged one, note by note, and takes the damaged one for one that is due.
fn up_to_damaged(
    reader: &dyn Reader,
    prefix: &str,
    after: Option<&[u8]>,
    damaged: bytes::Bytes,
    what: &str,
) -> Result<Read, ReadError> {
    let _ = guarded(|| {
        tracing::error!(
            target: "actuarius::timers",
            key = %damaged.escape_ascii(),
            what,
            "the note of a timer is damaged; the aggregate is asked for its time"
        );
    });
    let (mut notes, mut after) = (Vec::new(), after.map(bytes::Bytes::copy_from_slice));
    while let Ok(one) = reader.notes(prefix.as_bytes(), after.as_deref(), 1) {
        let Some(note) = one.into_iter().next().filter(|note| note.key < damaged) else { break };
        after = Some(note.key.clone());
        notes.push(note);
    }
    let value = bytes::Bytes::copy_from_slice(&Marks::ASK_NOW.encode());
    notes.push(Note { key: damaged, value });
    Ok(Read { notes, is_last: false })
}

/// Takes notes over, and removes those of timers that are not declared. Returns how many.
async fn take<A: Aggregate>(timers: &Timers<A>, prefix: &str, notes: Vec<Note>) -> u64 {
    let (mut undeclared, mut removed) = (0, Notes::default());
    for Note { key, value } in notes {
        let Some((id, name)) = parse(&key, prefix) else { continue };
        if let Some(timer) = timers.named(name) {
            // An unknown layout is one of a later release; the aggregate knows its time.
            let marks = Marks::decode(&value).unwrap_or(Marks::ASK_NOW);
            timers.load(id.into(), timer, marks);
            continue;
        }
        undeclared += 1;
        if removed.remove(&key).is_err() {
            remove(timers, std::mem::take(&mut removed)).await;
            // It is the first of a set now.
            let _ = removed.remove(&key);
        }
    }
    if !removed.is_empty() {
        remove(timers, removed).await;
    }
    undeclared
}

async fn remove<A: Aggregate>(timers: &Timers<A>, notes: Notes) {
    // If that fails, the next start removes them.
    let _ = timers.engine.committer.store_notes(notes).await;
}

fn failed<A: Aggregate>(error: &ReadError) {
    let _ = guarded(|| {
        tracing::error!(
            target: "actuarius::timers",
            aggregate = A::TYPE,
            %error,
            "the timers could not be read; this is tried again"
        );
    });
}
