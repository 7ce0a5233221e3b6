use std::sync::Arc;

use actuarius_persistence::{Notes, ReadError, Reader};

use super::Start;
use super::builder::Options;
use super::checkpoint::{self, Checkpoint, NoPlace};
use super::parked::{self, ParkedEvents};
use super::routes::Routes;
use crate::engine::Engine;
use crate::followers::{Standing, StartError};

/// How many notes of parked events are read at once: a commit with notes waits meanwhile.
const NOTES_AT_ONCE: usize = 256;

/// What stays the same as long as a subscription runs.
pub(super) struct Plan {
    pub(super) engine: Arc<Engine>,
    pub(super) standing: Arc<Standing>,
    pub(super) routes: Routes,
    pub(super) options: Options,
}

/// What is durable of a subscription.
pub(super) struct Found {
    pub(super) checkpoint: Checkpoint,
    pub(super) parked: ParkedEvents,
}

/// What is durable of the subscription `name`, which is made at `start` if it is new.
pub(super) async fn open(
    engine: &Arc<Engine>,
    name: &str,
    start: Start,
) -> Result<Found, StartError> {
    if engine.failure().is_some() {
        return Err(StartError::ShuttingDown);
    }
    let (found, is_new) = find(engine, name, start).await?;
    if is_new {
        let mut notes = Notes::default();
        // Fits: it is short, and alone.
        let _ = notes.put(checkpoint::key(name), found.checkpoint.encode());
        let stored = engine.committer.store_notes(notes).await;
        stored.map_err(|_| StartError::ShuttingDown)?;
    }
    Ok(found)
}

/// What is durable of the subscription `name`, and whether it is new.
pub(super) async fn find(
    engine: &Arc<Engine>,
    name: &str,
    start: Start,
) -> Result<(Found, bool), StartError> {
    let (reader, owned) = (engine.library.reader(), name.to_owned());
    let look = move || match reader {
        Ok(reader) => look(&*reader, &owned, start),
        Err(_) => Err(StartError::ShuttingDown),
    };
    match tokio::task::spawn_blocking(look).await {
        Ok(found) => found,
        Err(panic) => Err(unreadable(name, ReadError::Io(Arc::new(std::io::Error::other(panic))))),
    }
}

fn look(reader: &dyn Reader, name: &str, start: Start) -> Result<(Found, bool), StartError> {
    let unread = |error| unreadable(name, error);
    let Some(note) = reader.note(checkpoint::key(name).as_bytes()).map_err(unread)? else {
        let mark = checkpoint::place(reader, start).map_err(|error| no_place(name, error))?;
        let checkpoint = Checkpoint::beginning(reader.identity(), mark);
        return Ok((Found { checkpoint, parked: ParkedEvents::default() }, true));
    };
    let checkpoint = Checkpoint::decode(name, note).map_err(unread)?;
    if checkpoint.store != reader.identity() {
        return Err(StartError::OtherStore(name.to_owned()));
    }
    let (position, head) = (checkpoint.mark.position, reader.head());
    if position > head {
        return Err(no_place(name, NoPlace::Ahead { position, head }));
    }
    let parked = parked_events(reader, name, &checkpoint).map_err(unread)?;
    Ok((Found { checkpoint, parked }, false))
}

fn parked_events(
    reader: &dyn Reader,
    name: &str,
    checkpoint: &Checkpoint,
) -> Result<ParkedEvents, ReadError> {
    let (mut parked, prefix) = (ParkedEvents::default(), parked::prefix(name));
    let mut after = None;
    loop {
        let page = reader.notes(prefix.as_bytes(), after.as_deref(), NOTES_AT_ONCE)?;
        for note in &page {
            parked.load(name, note, checkpoint.mark)?;
        }
        if page.len() < NOTES_AT_ONCE {
            return Ok(parked);
        }
        after = page.last().map(|note| note.key.clone());
    }
}

fn no_place(name: &str, error: NoPlace) -> StartError {
    match error {
        NoPlace::Ahead { position, head } => {
            StartError::Ahead { name: name.to_owned(), checkpoint: position, head }
        }
        NoPlace::Unread(source) => unreadable(name, source),
    }
}

fn unreadable(name: &str, source: ReadError) -> StartError {
    StartError::Checkpoint { name: name.to_owned(), source }
}
