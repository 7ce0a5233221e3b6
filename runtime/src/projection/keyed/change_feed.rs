//! `ChangeFeed`: sends which rows of a keyed view have changed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actuarius_domain::Position;
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::{Stream, StreamExt, once};

use super::super::rows::View;

/// How many batches may wait for a slow receiver. Each has the keys of up to 4,096 rows, and those of its
/// last command.
const BATCHES_WAITING: usize = 64;

/// The rows that have changed in one step.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change<K> {
    /// The position of the rows after the change.
    pub position: Position,
    /// Their keys, in order. A row may have been removed.
    pub keys: Vec<K>,
}

/// The receiver missed some changes, because there were too many or because the view was rebuilt. Any row may
/// have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("some changes were missed")]
pub struct Missed;

/// Sends which rows have changed to all receivers.
pub(super) struct ChangeFeed<V: View> {
    moves: broadcast::Sender<Move<V::Key>>,
    /// How often all rows may have changed. What was sent before is not received any more: its keys may hold clear
    /// text of a data subject that was forgotten since.
    turns: Arc<AtomicU64>,
}

/// `None` if all rows may have changed.
type Move<K> = Option<Arc<Batch<K>>>;

struct Batch<K> {
    turn: u64,
    position: Position,
    keys: BTreeMap<Vec<u8>, K>,
}

impl<V: View> Clone for ChangeFeed<V> {
    fn clone(&self) -> Self {
        Self { moves: self.moves.clone(), turns: self.turns.clone() }
    }
}

impl<V: View> ChangeFeed<V> {
    pub(super) fn new() -> Self {
        Self { moves: broadcast::Sender::new(BATCHES_WAITING), turns: Arc::default() }
    }

    pub(super) fn changed(&self, position: Position, keys: BTreeMap<Vec<u8>, V::Key>) {
        let turn = self.turns.load(Ordering::SeqCst);
        // Sending fails if there are no receivers.
        let _ = self.moves.send(Some(Arc::new(Batch { turn, position, keys })));
    }

    pub(super) fn all_changed(&self) {
        self.turns.fetch_add(1, Ordering::SeqCst);
        let _ = self.moves.send(None);
    }

    pub(super) fn changes(
        &self,
    ) -> impl Stream<Item = Result<Change<V::Key>, Missed>> + Send + Unpin + use<V> {
        let turns = self.turns.clone();
        BroadcastStream::new(self.moves.subscribe()).filter_map(move |sent| {
            let Some(batch) = sent.ok().flatten() else { return Some(Err(Missed)) };
            // What follows an older turn reports that all rows may have changed.
            let is_current = batch.turn == turns.load(Ordering::SeqCst);
            let keys = is_current.then(|| batch.keys.values().cloned().collect())?;
            Some(Ok(Change { position: batch.position, keys }))
        })
    }

    /// Yields once now, and whenever the row of `key` may have changed.
    pub(super) fn changes_of(
        &self,
        key: Vec<u8>,
    ) -> impl Stream<Item = ()> + Send + Unpin + use<V> {
        let concerns = move |sent: Move<V::Key>| sent.is_none_or(|it| it.keys.contains_key(&key));
        let feed = BroadcastStream::new(self.moves.subscribe());
        let later = feed.filter_map(move |sent| sent.map_or(true, &concerns).then_some(()));
        once(()).chain(later)
    }
}
