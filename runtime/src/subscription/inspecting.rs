//! What is durable of subscriptions, read from a store in which none is started.

use actuarius_domain::Position;
use actuarius_persistence::{Batch, ReadError, Reader, Store, StoreFailure};
use thiserror::Error;

use super::checkpoint::{self, Checkpoint};
use super::opening::{NOTES_AT_ONCE, parked_events};
use super::parked::{Parked, ParkedEvents};

/// A subscription as the store has it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredSubscription {
    /// Its name.
    pub name: String,
    /// Everything up to here is handled, parked, or no concern of its handlers.
    pub position: Position,
    /// Whether it stays paused when it is started.
    pub paused: bool,
    /// How many keys have parked events.
    pub keys_parked: u64,
    /// How many of its parked events are listed: all of them, unless a key has more than 1,024.
    pub events_parked: u64,
}

/// All subscriptions of a store, in the order of their names. Those that bring a saga its events are
/// called `saga.TYPE.events`.
///
/// # Errors
/// [`ReadError`]; a note that is damaged is named.
pub fn subscriptions(reader: &dyn Reader) -> Result<Vec<StoredSubscription>, ReadError> {
    let (prefix, mut all, mut after) = (checkpoint::key(""), Vec::new(), None);
    loop {
        let page = reader.notes(prefix.as_bytes(), after.as_deref(), NOTES_AT_ONCE)?;
        for note in &page {
            let name = String::from_utf8_lossy(&note.key[prefix.len()..]).into_owned();
            let checkpoint = Checkpoint::decode(&name, note.value.clone())?;
            let parked = parked_events(reader, &name, &checkpoint)?;
            all.push(StoredSubscription {
                position: checkpoint.mark.position,
                paused: checkpoint.paused,
                keys_parked: parked.firsts().len() as u64,
                events_parked: parked.count(),
                name,
            });
        }
        if page.len() < NOTES_AT_ONCE {
            return Ok(all);
        }
        after = page.last().map(|note| note.key.clone());
    }
}

/// The first parked event of each key, which holds up those behind it; none of a subscription that is
/// not there.
///
/// # Errors
/// [`ReadError`]; a note that is damaged is named.
pub fn parked(reader: &dyn Reader, subscription: &str) -> Result<Vec<Parked>, ReadError> {
    Ok(found(reader, subscription)?.map(|(_, parked)| parked.firsts()).unwrap_or_default())
}

/// The events parked under `key`, in order: as many as have a note of their own.
///
/// # Errors
/// [`ReadError`]; a note that is damaged is named.
pub fn parked_of(
    reader: &dyn Reader,
    subscription: &str,
    key: &str,
) -> Result<Vec<Parked>, ReadError> {
    Ok(found(reader, subscription)?.map(|(_, parked)| parked.of(key)).unwrap_or_default())
}

/// Drops the first event parked under `key`: it is never handled. Those behind it stay parked, until
/// the subscription is asked to retry them.
///
/// # Errors
/// [`NotSkipped`] says whether anything was written.
pub fn skip_parked(store: &mut Store, subscription: &str, key: &str) -> Result<Parked, NotSkipped> {
    let not_parked = || NotSkipped::NotParked { key: key.to_owned() };
    let (mut checkpoint, mut parked) =
        found(&*store.reader, subscription)?.ok_or_else(not_parked)?;
    let first = parked.of(key).into_iter().next().ok_or_else(not_parked)?;
    if parked.unread(key).is_some() {
        return Err(NotSkipped::RestUnread { key: key.to_owned() });
    }
    parked.skip_first(&first.key);
    // As many sets as it takes: each leaves what is right.
    while parked.has_outdated() || checkpoint.resetting {
        let target = Checkpoint { resetting: false, ..checkpoint };
        let (notes, reached) = parked.take_notes(subscription, target);
        store.writer.commit(&Batch { notes: vec![notes], ..Batch::default() })?;
        checkpoint = reached;
    }
    Ok(first)
}

fn found(reader: &dyn Reader, name: &str) -> Result<Option<(Checkpoint, ParkedEvents)>, ReadError> {
    let Some(note) = reader.note(checkpoint::key(name).as_bytes())? else { return Ok(None) };
    let checkpoint = Checkpoint::decode(name, note)?;
    let parked = parked_events(reader, name, &checkpoint)?;
    Ok(Some((checkpoint, parked)))
}

/// Why a parked event was not skipped.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum NotSkipped {
    /// Nothing is parked under this key, or there is no such subscription. Nothing was changed.
    #[error("nothing is parked under {key:?}")]
    NotParked {
        /// The key.
        key: String,
    },
    /// More is parked under the key than is listed, and only the subscription finds out what comes
    /// next. Nothing was changed; ask the subscription, when it runs.
    #[error(
        "what is parked under {key:?} behind its first event is known to the running subscription only"
    )]
    RestUnread {
        /// The key.
        key: String,
    },
    /// The notes could not be read. Nothing was changed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store has failed. It may or may not be skipped: look again when the store is open again.
    #[error(transparent)]
    Failed(#[from] StoreFailure),
}
