use std::collections::BTreeMap;
use std::sync::Arc;

use actuarius_domain::Position;
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::{Stream, StreamExt, once};

use super::super::rows::View;

/// How many batches wait for those who listen, at most. Each has the keys of a thousand rows or so,
/// and those of its last command.
const BATCHES_WAITING: usize = 64;

/// Rows that have changed in one step.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change<K> {
    /// The position the rows now stand for.
    pub position: Position,
    /// Their keys, in order. A row may be gone.
    pub keys: Vec<K>,
}

/// Some changes were not heard of, because there were too many, or because the view was rebuilt: any
/// row may have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("some changes were missed")]
pub struct Missed;

/// Tells those who listen which rows have changed.
pub(super) struct Moves<V: View>(broadcast::Sender<Move<V::Key>>);

/// None when all rows may have changed.
type Move<K> = Option<Arc<Batch<K>>>;

struct Batch<K> {
    position: Position,
    keys: BTreeMap<Vec<u8>, K>,
}

impl<V: View> Clone for Moves<V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<V: View> Moves<V> {
    pub(super) fn new() -> Self {
        Self(broadcast::Sender::new(BATCHES_WAITING))
    }

    pub(super) fn changed(&self, position: Position, keys: BTreeMap<Vec<u8>, V::Key>) {
        // Without listeners there is nobody to tell.
        let _ = self.0.send(Some(Arc::new(Batch { position, keys })));
    }

    pub(super) fn all_changed(&self) {
        let _ = self.0.send(None);
    }

    pub(super) fn changes(
        &self,
    ) -> impl Stream<Item = Result<Change<V::Key>, Missed>> + Send + Unpin + use<V> {
        BroadcastStream::new(self.0.subscribe()).map(|moved| {
            let batch = moved.ok().flatten().ok_or(Missed)?;
            Ok(Change { position: batch.position, keys: batch.keys.values().cloned().collect() })
        })
    }

    /// Once now, and whenever the row of `key` may have changed.
    pub(super) fn changes_of(
        &self,
        key: Vec<u8>,
    ) -> impl Stream<Item = ()> + Send + Unpin + use<V> {
        let concerns = move |moved: Move<V::Key>| moved.is_none_or(|it| it.keys.contains_key(&key));
        let moves = BroadcastStream::new(self.0.subscribe());
        let later = moves.filter_map(move |moved| moved.map_or(true, &concerns).then_some(()));
        once(()).chain(later)
    }
}
