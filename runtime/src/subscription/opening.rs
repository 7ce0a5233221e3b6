//! Loads what is durable of a subscription, and creates or removes it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use actuarius_domain::Position;
use actuarius_persistence::{Notes, ReadError, Reader};
use bytes::Bytes;

use super::checkpoint::{self, Checkpoint, InvalidStart};
use super::options::{Options, Start, Widening};
use super::parked::{self, ParkedEvents};
use super::routes::Routes;
use crate::engine::Engine;
use crate::follow::followers::{FollowerShared, StartError};
use crate::follow::scope::{self, Scope};

/// How many notes of parked events are read at once. A commit with notes waits until then.
pub(super) const NOTES_AT_ONCE: usize = 256;

/// What stays the same while a subscription runs.
pub(super) struct Plan {
    pub(super) engine: Arc<Engine>,
    pub(super) shared: Arc<FollowerShared>,
    pub(super) routes: Routes,
    pub(super) options: Options,
    /// The last request to pause or resume, which also applies after a restart.
    pub(super) is_paused: Arc<AtomicBool>,
}

/// What is durable of a subscription.
pub(super) struct Stored {
    pub(super) checkpoint: Checkpoint,
    pub(super) parked: ParkedEvents,
}

/// Loads the subscription `name`, which is created at `start` if it is new or to be discarded.
pub(super) async fn open(
    engine: &Arc<Engine>,
    name: &str,
    start: Start,
    from_scratch: bool,
) -> Result<Stored, StartError> {
    if engine.failure().is_some() {
        return Err(StartError::ShuttingDown);
    }
    if from_scratch {
        remove_all_notes(engine, name).await?;
    }
    let (mut stored, is_new) = find(engine, name, start).await?;
    if is_new {
        let mut notes = Notes::default();
        // This fits: the note is short, and the only one.
        let _ = notes.put(checkpoint::key(name), stored.checkpoint.encode());
        store(engine, notes).await?;
    }
    remove_outdated_notes(engine, name, &mut stored).await?;
    Ok(stored)
}

/// What a subscription receives, and what to do if it is more than before.
pub(super) type Receives<'a> = (&'a Scope, Widening);

/// Opens it like [`open`], unless it receives more than before, and records what it receives.
pub(super) async fn open_recorded(
    engine: &Arc<Engine>,
    name: &str,
    start: Start,
    from_scratch: bool,
    (scope, widening): Receives<'_>,
) -> Result<Stored, StartError> {
    let (recorded, position) = recorded(engine, name).await?;
    let more = recorded.as_ref().map(|recorded| scope.beyond(recorded)).unwrap_or_default();
    let is_widened = !more.is_empty() && position.is_some() && !from_scratch;
    if is_widened && widening == Widening::Refused {
        let (name, position) = (name.to_owned(), position.unwrap_or_default());
        return Err(StartError::Widened { name, position, events: more.join(", ") });
    }
    let again = from_scratch || (is_widened && widening == Widening::FromBeginning);
    let stored = open(engine, name, start, again).await?;
    if !recorded.is_some_and(|recorded| scope.is(&recorded)) {
        store(engine, scope.notes(name)).await?;
    }
    Ok(stored)
}

/// Returns what is recorded that it receives, and the position of its checkpoint, if there is one.
async fn recorded(
    engine: &Arc<Engine>,
    name: &str,
) -> Result<(Option<Scope>, Option<Position>), StartError> {
    let owned = name.to_owned();
    let load = move |reader: &dyn Reader| {
        let unreadable_note = |error| unreadable(&owned, error);
        let scope = Scope::read(reader, &owned).map_err(unreadable_note)?;
        // A damaged one is reported when it is used.
        let note = reader.note(checkpoint::key(&owned).as_bytes()).unwrap_or_default();
        let checkpoint = note.and_then(|note| Checkpoint::decode(&owned, note).ok());
        Ok((scope, checkpoint.map(|checkpoint| checkpoint.mark.position)))
    };
    reading(engine, name, load).await
}

/// Removes everything that is stored of the subscription `name`, which must not run.
pub(super) async fn discard(engine: &Arc<Engine>, name: &str) -> Result<(), StartError> {
    remove_all_notes(engine, name).await?;
    store(engine, scope::forgetting(name)).await
}

/// Removes notes that are left over from the last run before the checkpoint moves, in as many sets as it
/// takes.
async fn remove_outdated_notes(
    engine: &Arc<Engine>,
    name: &str,
    stored: &mut Stored,
) -> Result<(), StartError> {
    while stored.parked.has_outdated() || stored.checkpoint.resetting {
        let target = Checkpoint { resetting: false, ..stored.checkpoint };
        let (notes, reached) = stored.parked.take_notes(name, target);
        store(engine, notes).await?;
        stored.checkpoint = reached;
    }
    Ok(())
}

/// Removes every note of the subscription `name`: the checkpoint last, so that the subscription still exists
/// if this is interrupted.
async fn remove_all_notes(engine: &Arc<Engine>, name: &str) -> Result<(), StartError> {
    loop {
        let prefix = parked::prefix(name);
        let owned = name.to_owned();
        let load = move |reader: &dyn Reader| {
            first_keys(reader, &prefix).map_err(|error| unreadable(&owned, error))
        };
        let keys = reading(engine, name, load).await?;
        let is_last = keys.is_empty();
        let mut notes = Notes::default();
        for key in keys {
            // A note that does not fit is found again in the next round.
            let _ = notes.remove(key);
        }
        if is_last {
            let _ = notes.remove(checkpoint::key(name));
        }
        store(engine, notes).await?;
        if is_last {
            return Ok(());
        }
    }
}

/// Returns some keys of notes that begin with `prefix`, even if the notes are damaged.
fn first_keys(reader: &dyn Reader, prefix: &str) -> Result<Vec<Bytes>, ReadError> {
    match reader.notes(prefix.as_bytes(), None, NOTES_AT_ONCE) {
        Ok(notes) => Ok(notes.into_iter().map(|note| note.key).collect()),
        Err(ReadError::DamagedNote { key, .. }) => Ok(vec![key]),
        Err(error) => Err(error),
    }
}

async fn store(engine: &Engine, notes: Notes) -> Result<(), StartError> {
    engine.committer.store_notes(notes).await.map_err(|_| StartError::ShuttingDown)
}

/// Loads the subscription `name`. Returns whether it is new.
async fn find(
    engine: &Arc<Engine>,
    name: &str,
    start: Start,
) -> Result<(Stored, bool), StartError> {
    let owned = name.to_owned();
    reading(engine, name, move |reader| load(reader, &owned, start)).await
}

/// Reads the store, which may wait for a disk.
async fn reading<T: Send + 'static>(
    engine: &Engine,
    name: &str,
    load: impl FnOnce(&dyn Reader) -> Result<T, StartError> + Send + 'static,
) -> Result<T, StartError> {
    match engine.read(move |reader| Ok(load(reader))).await {
        Ok(loaded) => loaded,
        Err(ReadError::Closed) => Err(StartError::ShuttingDown),
        Err(error) => Err(unreadable(name, error)),
    }
}

fn load(reader: &dyn Reader, name: &str, start: Start) -> Result<(Stored, bool), StartError> {
    let unreadable_note = |error| unreadable(name, error);
    let Some(note) = reader.note(checkpoint::key(name).as_bytes()).map_err(unreadable_note)? else {
        let mark =
            checkpoint::resolve(reader, start).map_err(|error| invalid_start(name, error))?;
        let checkpoint = Checkpoint::beginning(reader.identity(), mark);
        return Ok((Stored { checkpoint, parked: ParkedEvents::new(&checkpoint) }, true));
    };
    let mut checkpoint = Checkpoint::decode(name, note).map_err(unreadable_note)?;
    if !reader.maintenance().lineage().shares(checkpoint.store, checkpoint.mark.position) {
        return Err(StartError::OtherStore(name.to_owned()));
    }
    // From here on it belongs to this store, even if it came from one that this store was restored from.
    checkpoint.store = reader.identity();
    let (position, head) = (checkpoint.mark.position, reader.head());
    if position > head {
        return Err(invalid_start(name, InvalidStart::Ahead { position, head }));
    }
    let parked = parked_events(reader, name, &checkpoint).map_err(unreadable_note)?;
    Ok((Stored { checkpoint, parked }, false))
}

pub(super) fn parked_events(
    reader: &dyn Reader,
    name: &str,
    checkpoint: &Checkpoint,
) -> Result<ParkedEvents, ReadError> {
    let (mut parked, prefix) = (ParkedEvents::new(checkpoint), parked::prefix(name));
    let mut after = None;
    loop {
        let page = reader.notes(prefix.as_bytes(), after.as_deref(), NOTES_AT_ONCE)?;
        for note in &page {
            parked.load(name, note)?;
        }
        if page.len() < NOTES_AT_ONCE {
            parked.prune_skipped();
            return Ok(parked);
        }
        after = page.last().map(|note| note.key.clone());
    }
}

fn invalid_start(name: &str, error: InvalidStart) -> StartError {
    match error {
        InvalidStart::Ahead { position, head } => {
            StartError::Ahead { name: name.to_owned(), checkpoint: position, head }
        }
        InvalidStart::Unread(source) => unreadable(name, source),
    }
}

fn unreadable(name: &str, source: ReadError) -> StartError {
    StartError::Checkpoint { name: name.to_owned(), source }
}
