//! Reads stored subscriptions without starting them, skips parked events, and marks those to be retried.

use actuarius_domain::Position;
use actuarius_persistence::{Batch, ReadError, Reader, Store, StoreFailure};
use thiserror::Error;

use super::checkpoint::{self, Checkpoint};
use super::opening::{NOTES_AT_ONCE, parked_events};
use super::parked::{Parked, ParkedEvents, ParkedOfKey};

/// A subscription as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredSubscription {
    /// The name of the subscription.
    pub name: String,
    /// Everything up to here is handled, parked, or taken by no handler.
    pub position: Position,
    /// Whether the subscription stays paused when it is started.
    pub paused: bool,
    /// How many keys have parked events.
    pub keys_parked: u64,
    /// How many of its parked events are listed: all of them, unless a key has more than 1,024.
    pub events_parked: u64,
}

/// Returns all subscriptions of a store, in the order of their names. Those that deliver the events of a
/// saga have the name `saga.TYPE.events`.
///
/// # Errors
/// [`ReadError`]; it names a damaged note.
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

/// Returns the first parked event of each key, which holds up the later ones; none if the subscription does
/// not exist.
///
/// # Errors
/// [`ReadError`]; it names a damaged note.
pub fn parked(reader: &dyn Reader, subscription: &str) -> Result<Vec<Parked>, ReadError> {
    Ok(load(reader, subscription)?.map(|(_, parked)| parked.firsts()).unwrap_or_default())
}

/// Returns the events parked under `key`, in order: those that have a note of their own, and whether there are more.
///
/// # Errors
/// [`ReadError`]; it names a damaged note.
pub fn parked_of(
    reader: &dyn Reader,
    subscription: &str,
    key: &str,
) -> Result<ParkedOfKey, ReadError> {
    Ok(load(reader, subscription)?.map(|(_, parked)| parked.of(key)).unwrap_or_default())
}

/// Drops the first event parked under `key`: it is never handled. The later ones stay parked until the
/// subscription retries them.
///
/// # Errors
/// [`NotSkipped`] says whether anything was written.
pub fn skip_parked(store: &mut Store, subscription: &str, key: &str) -> Result<Parked, NotSkipped> {
    let not_parked = || NotSkipped::NotParked { key: key.to_owned() };
    let (checkpoint, mut parked) = load(&*store.reader, subscription)?.ok_or_else(not_parked)?;
    let first = parked.of(key).into_iter().next().ok_or_else(not_parked)?;
    if parked.unread(key).is_some() {
        return Err(NotSkipped::RestUnread { key: key.to_owned() });
    }
    parked.skip_first(&first.key);
    write(store, subscription, checkpoint, &mut parked)?;
    Ok(first)
}

/// Lets the next start of a subscription retry the keys whose first parked event is `wanted`, and returns how many
/// these are; none if the subscription does not exist. If it is paused, it retries them when it is resumed. The first
/// event of such a key is listed with 0 attempts and its last error.
///
/// # Errors
/// [`NotMarked`] says whether anything was written. Calling it again is safe.
pub fn retry_parked_at_start(
    store: &mut Store,
    subscription: &str,
    wanted: impl FnMut(&Parked) -> bool,
) -> Result<usize, NotMarked> {
    let Some((checkpoint, mut parked)) = load(&*store.reader, subscription)? else { return Ok(0) };
    let mut firsts = parked.firsts();
    firsts.retain(wanted);
    for first in &firsts {
        parked.retry_at_start(&first.key);
    }
    write(store, subscription, checkpoint, &mut parked)?;
    Ok(firsts.len())
}

/// Writes as many sets of notes as it takes; the store is consistent after each.
fn write(
    store: &mut Store,
    subscription: &str,
    mut checkpoint: Checkpoint,
    parked: &mut ParkedEvents,
) -> Result<(), StoreFailure> {
    while parked.has_outdated() || checkpoint.resetting {
        let target = Checkpoint { resetting: false, ..checkpoint };
        let (notes, reached) = parked.take_notes(subscription, target);
        store.writer.commit(&Batch { notes: vec![notes], ..Batch::default() })?;
        checkpoint = reached;
    }
    Ok(())
}

/// Why parked events were not marked to be retried.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum NotMarked {
    /// The notes could not be read. Nothing was changed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store has failed. Some keys may be marked: look again once the store is open again.
    #[error(transparent)]
    Failed(#[from] StoreFailure),
}

pub(super) fn load(
    reader: &dyn Reader,
    name: &str,
) -> Result<Option<(Checkpoint, ParkedEvents)>, ReadError> {
    let Some(note) = reader.note(checkpoint::key(name).as_bytes())? else { return Ok(None) };
    let checkpoint = Checkpoint::decode(name, note)?;
    let parked = parked_events(reader, name, &checkpoint)?;
    Ok(Some((checkpoint, parked)))
}

/// Why a parked event was not skipped.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum NotSkipped {
    /// Nothing is parked under this key, or the subscription does not exist. Nothing was changed.
    #[error("nothing is parked under {key:?}")]
    NotParked {
        /// The key.
        key: String,
    },
    /// More events are parked under the key than are listed, and only the running subscription can find the
    /// next one. Nothing was changed; use [`Subscription::skip_parked`](crate::subscription::Subscription::skip_parked).
    #[error(
        "only the running subscription can find the event parked under {key:?} after the first one"
    )]
    RestUnread {
        /// The key.
        key: String,
    },
    /// The notes could not be read. Nothing was changed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store has failed. The event may or may not be skipped: look again once the store is open again.
    #[error(transparent)]
    Failed(#[from] StoreFailure),
}
