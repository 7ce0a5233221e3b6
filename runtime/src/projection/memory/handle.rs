//! `InMemory`: the handle of a projection into a value in memory.

use std::ops::Deref;
use std::sync::Arc;

use actuarius_domain::{Position, ReadModel};
use tokio::sync::mpsc;
use tokio_stream::wrappers::WatchStream;
use tokio_stream::{Stream, StreamExt};

use super::cell::Cell;
use super::target::MemoryTarget;
use crate::follow::followers::FollowerShared;
use crate::projection::handle::ProjectionHandle;
use crate::projection::rebuild::{Order, Rebuild, order};

/// A running projection into a value in memory: read it, wait for it, follow its changes. Cheap to
/// clone. [`ProjectionHandle`] has what all projections can be asked for.
pub struct InMemory<P> {
    pub(super) projection: ProjectionHandle,
    pub(super) shown: Cell<P>,
    pub(super) orders: mpsc::Sender<Order<MemoryTarget<P>>>,
}

impl<P> Clone for InMemory<P> {
    fn clone(&self) -> Self {
        let Self { projection, shown, orders } = self;
        Self { projection: projection.clone(), shown: shown.clone(), orders: orders.clone() }
    }
}

impl<P> Deref for InMemory<P> {
    type Target = ProjectionHandle;

    fn deref(&self) -> &ProjectionHandle {
        &self.projection
    }
}

impl<P: ReadModel> InMemory<P> {
    /// Looks at the view. Any number may look at once; the projection waits meanwhile, so copy out
    /// what is needed and leave.
    pub fn read<R>(&self, look: impl FnOnce(&P) -> R) -> R {
        look(&self.shown.read().view)
    }

    /// Looks at the view and the position up to which it has all events.
    pub fn read_at<R>(&self, look: impl FnOnce(&P, Position) -> R) -> R {
        let held = self.shown.read();
        look(&held.view, held.position)
    }

    pub(crate) fn view_reader(&self) -> ViewReader<P> {
        ViewReader { shown: self.shown.clone(), shared: self.shared().clone() }
    }

    /// A value out of the view, now and whenever it has changed: for a page that shows it live. Who
    /// is slow gets the newest value and misses those in between, so nothing piles up. It ends when
    /// the runtime is gone.
    pub fn changes<T>(
        &self,
        select: impl Fn(&P) -> T + Send + 'static,
    ) -> impl Stream<Item = T> + Send + Unpin + 'static
    where
        T: Clone + PartialEq + Send + 'static,
    {
        let (shown, mut last) = (self.shown.clone(), None);
        let moves = WatchStream::new(self.shared().progress.changes());
        moves.filter_map(move |_| {
            let value = select(&shown.read().view);
            let changed = last.as_ref() != Some(&value);
            changed.then(|| last.insert(value).clone())
        })
    }

    /// Builds the view anew from the first event, beside the one that is read, and swaps the two
    /// when the new one shows all that the old one does.
    pub fn rebuild(&self) -> Rebuild {
        order(&self.orders, None)
    }
}

/// A view, and how it is doing, for who must not keep the runtime open.
pub(crate) struct ViewReader<P> {
    shown: Cell<P>,
    pub(crate) shared: Arc<FollowerShared>,
}

impl<P: ReadModel> ViewReader<P> {
    pub(crate) fn read<R>(&self, look: impl FnOnce(&P) -> R) -> R {
        look(&self.shown.read().view)
    }
}
