use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use actuarius_persistence::{Notes, ReadError, Reader};
use bytes::Bytes;

use super::checkpoint::{self, Checkpoint, InvalidStart};
use super::options::{Options, Start};
use super::parked::{self, ParkedEvents};
use super::routes::Routes;
use crate::engine::Engine;
use crate::follow::followers::{FollowerShared, StartError};

/// How many notes of parked events are read at once: a commit with notes waits meanwhile.
pub(super) const NOTES_AT_ONCE: usize = 256;

/// What stays the same as long as a subscription runs.
pub(super) struct Plan {
    pub(super) engine: Arc<Engine>,
    pub(super) shared: Arc<FollowerShared>,
    pub(super) routes: Routes,
    pub(super) options: Options,
    /// Whether it is to be paused after a restart, too: what the handle was asked for last.
    pub(super) is_paused: Arc<AtomicBool>,
}

/// What is durable of a subscription.
pub(super) struct Found {
    pub(super) checkpoint: Checkpoint,
    pub(super) parked: ParkedEvents,
}

/// What is durable of the subscription `name`, which is made at `start` if it is new, or if what
/// there is of it is not wanted any more.
pub(super) async fn open(
    engine: &Arc<Engine>,
    name: &str,
    start: Start,
    from_scratch: bool,
) -> Result<Found, StartError> {
    if engine.failure().is_some() {
        return Err(StartError::ShuttingDown);
    }
    if from_scratch {
        forget(engine, name).await?;
    }
    let (mut found, is_new) = find(engine, name, start).await?;
    if is_new {
        let mut notes = Notes::default();
        // Fits: it is short, and alone.
        let _ = notes.put(checkpoint::key(name), found.checkpoint.encode());
        store(engine, notes).await?;
    }
    clear(engine, name, &mut found).await?;
    Ok(found)
}

/// Removes the notes that are left over from the last time, before anything moves on: as many sets
/// as it takes.
async fn clear(engine: &Arc<Engine>, name: &str, found: &mut Found) -> Result<(), StartError> {
    while found.parked.has_outdated() || found.checkpoint.resetting {
        let target = Checkpoint { resetting: false, ..found.checkpoint };
        let (notes, reached) = found.parked.take_notes(name, target);
        store(engine, notes).await?;
        found.checkpoint = reached;
    }
    Ok(())
}

/// Removes every note of the subscription `name`: the checkpoint last, so that an end in between
/// leaves a subscription that is there.
async fn forget(engine: &Arc<Engine>, name: &str) -> Result<(), StartError> {
    loop {
        let prefix = parked::prefix(name);
        let owned = name.to_owned();
        let look = move |reader: &dyn Reader| {
            first_keys(reader, &prefix).map_err(|error| unreadable(&owned, error))
        };
        let keys = blocking(engine, name, look).await?;
        let is_last = keys.is_empty();
        let mut notes = Notes::default();
        for key in keys {
            // If it does not fit any more, it is found again the next time.
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

/// The names of some notes that begin with `prefix`, even if what they say is damaged.
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

/// What is durable of the subscription `name`, and whether it is new.
async fn find(engine: &Arc<Engine>, name: &str, start: Start) -> Result<(Found, bool), StartError> {
    let owned = name.to_owned();
    blocking(engine, name, move |reader| look(reader, &owned, start)).await
}

/// Looks into the store, which may wait for a disk.
async fn blocking<T: Send + 'static>(
    engine: &Engine,
    name: &str,
    look: impl FnOnce(&dyn Reader) -> Result<T, StartError> + Send + 'static,
) -> Result<T, StartError> {
    let reader = engine.store.reader().map_err(|_| StartError::ShuttingDown)?;
    match tokio::task::spawn_blocking(move || look(&*reader)).await {
        Ok(found) => found,
        Err(panic) => Err(unreadable(name, std::io::Error::other(panic).into())),
    }
}

fn look(reader: &dyn Reader, name: &str, start: Start) -> Result<(Found, bool), StartError> {
    let unread = |error| unreadable(name, error);
    let Some(note) = reader.note(checkpoint::key(name).as_bytes()).map_err(unread)? else {
        let mark =
            checkpoint::resolve(reader, start).map_err(|error| invalid_start(name, error))?;
        let checkpoint = Checkpoint::beginning(reader.identity(), mark);
        return Ok((Found { checkpoint, parked: ParkedEvents::new(&checkpoint) }, true));
    };
    let mut checkpoint = Checkpoint::decode(name, note).map_err(unread)?;
    if !reader.maintenance().lineage().shares(checkpoint.store, checkpoint.mark.position) {
        return Err(StartError::OtherStore(name.to_owned()));
    }
    // From here on it is this store's, also when it came from one that this one was restored from.
    checkpoint.store = reader.identity();
    let (position, head) = (checkpoint.mark.position, reader.head());
    if position > head {
        return Err(invalid_start(name, InvalidStart::Ahead { position, head }));
    }
    let parked = parked_events(reader, name, &checkpoint).map_err(unread)?;
    Ok((Found { checkpoint, parked }, false))
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
            parked.forget_skipped();
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
