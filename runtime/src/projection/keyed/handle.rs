use std::ops::Deref;

use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt};

use super::super::rows::{RowsView, View, ViewReadError, bytes_of};
use super::moves::{Change, Missed, Moves};
use super::target::KeyedTarget;
use crate::projection::handle::ProjectionHandle;
use crate::projection::rebuild::{Order, Rebuild, order};

/// A running projection into a keyed view: read its rows, wait for it, follow its changes. Cheap to
/// clone. [`ProjectionHandle`] has what all projections can be asked for.
///
/// What is read is stored, and shows the events of each command whole or not at all. The view's files
/// stay open as long as one of these lives, even when the projection has stopped; it is started again
/// when they are gone.
pub struct Keyed<V: View> {
    pub(super) rows: RowsView<V, ProjectionHandle>,
    pub(super) moves: Moves<V>,
    pub(super) orders: mpsc::Sender<Order<KeyedTarget<V>>>,
}

impl<V: View> Clone for Keyed<V> {
    fn clone(&self) -> Self {
        let Self { rows, moves, orders } = self;
        Self { rows: rows.clone(), moves: moves.clone(), orders: orders.clone() }
    }
}

impl<V: View> Deref for Keyed<V> {
    type Target = RowsView<V, ProjectionHandle>;

    fn deref(&self) -> &Self::Target {
        &self.rows
    }
}

impl<V: View> Keyed<V> {
    /// The keys of the rows that change, from now on, batch by batch: for caches and pages that show
    /// many rows. Who is slow is told so with [`Missed`], and reads again what it shows. It ends when
    /// the projection has stopped and all of these are gone.
    pub fn changes(
        &self,
    ) -> impl Stream<Item = Result<Change<V::Key>, Missed>> + Send + Unpin + 'static {
        self.moves.changes()
    }

    /// The row of a key, now and whenever it has changed: for a page that shows it live. Who is slow
    /// gets the newest row and misses those in between. It ends like [`changes`](Keyed::changes).
    pub fn changes_of(
        &self,
        key: impl Into<V::Key>,
    ) -> impl Stream<Item = Result<Option<V::Row>, ViewReadError>> + Send + Unpin + 'static {
        let (key, table, mut last) = (bytes_of(&key.into()), self.rows.table().clone(), None);
        self.moves.changes_of(key.clone()).filter_map(move |()| match table.stored(&key) {
            Ok(row) if last.as_ref() == Some(&row) => None,
            Ok(row) => {
                let decoded = row.as_deref().map(|row| table.decode(&key, row)).transpose();
                last = Some(row);
                Some(decoded)
            }
            Err(error) => Some(Err(error)),
        })
    }

    /// Builds the view anew from the first event, beside the one that is read, and swaps the two when
    /// the new one shows all that the old one does.
    pub fn rebuild(&self) -> Rebuild {
        order(&self.orders, None)
    }
}
