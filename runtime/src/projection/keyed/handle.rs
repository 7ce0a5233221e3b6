//! `Keyed`: the handle of a projection into a keyed view.

use std::ops::Deref;

use tokio::sync::mpsc;
use tokio_stream::StreamExt;

use super::super::rows::{RowsView, View, ViewReadError, bytes_of};
use super::change_feed::{Change, ChangeFeed, Missed};
use super::target::KeyedTarget;
use crate::follow::until_stopped::UntilStopped;
use crate::projection::changes::Changes;
use crate::projection::handle::ProjectionHandle;
use crate::projection::rebuild::{Order, Rebuild, order};

/// A running projection into a keyed view. Cheap to clone.
///
/// It dereferences to [`RowsView`], which reads the rows, and that to [`ProjectionHandle`], which has the
/// methods of all projections.
///
/// Reads show what is stored, with all events of a command or none. The view's files stay open while one of
/// these exists, even after the projection has stopped. It can be started again after all of them are dropped.
pub struct Keyed<V: View> {
    pub(super) rows: RowsView<V, ProjectionHandle>,
    pub(super) feed: ChangeFeed<V>,
    pub(super) orders: mpsc::Sender<Order<KeyedTarget<V>>>,
}

impl<V: View> Clone for Keyed<V> {
    fn clone(&self) -> Self {
        let Self { rows, feed, orders } = self;
        Self { rows: rows.clone(), feed: feed.clone(), orders: orders.clone() }
    }
}

impl<V: View> Deref for Keyed<V> {
    type Target = RowsView<V, ProjectionHandle>;

    fn deref(&self) -> &Self::Target {
        &self.rows
    }
}

impl<V: View> Keyed<V> {
    /// Returns a stream of the keys of the rows that change from now on, batch by batch. Suits caches and pages
    /// that show many rows.
    ///
    /// A slow receiver gets [`Missed`] and should read again what it shows. The stream ends after the last
    /// change once the projection has stopped, which a shutdown does.
    pub fn changes(&self) -> Changes<Result<Change<V::Key>, Missed>> {
        Changes::of(UntilStopped::of(self.feed.changes(), self.shared()))
    }

    /// Returns a stream of the row of a key: its current state, and a new one whenever it has changed. Suits a
    /// page that shows it live.
    ///
    /// A slow receiver gets the newest row and misses those in between. The stream ends like
    /// [`changes`](Keyed::changes).
    pub fn changes_of(
        &self,
        key: impl Into<V::Key>,
    ) -> Changes<Result<Option<V::Row>, ViewReadError>> {
        let (key, table, mut last) = (bytes_of(&key.into()), self.rows.table().clone(), None);
        let changes = UntilStopped::of(self.feed.changes_of(key.clone()), self.shared());
        Changes::of(changes.filter_map(move |()| match table.stored(&key) {
            Ok(row) if last.as_ref() == Some(&row) => None,
            Ok(row) => {
                let decoded = row.as_deref().map(|row| table.decode(&key, row)).transpose();
                last = Some(row);
                Some(decoded)
            }
            Err(error) => Some(Err(error)),
        }))
    }

    /// Rebuilds the view from the first event while the old one is read, and replaces the old one when the
    /// new one has caught up with it.
    pub fn rebuild(&self) -> Rebuild {
        order(&self.orders, None)
    }
}
