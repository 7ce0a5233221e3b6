//! `InMemory`: the handle of a projection into a value in memory.

use std::ops::Deref;
use std::sync::Arc;

use actuarius_domain::{Position, ReadModel};
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::WatchStream;

use super::shared_view::SharedView;
use super::target::MemoryTarget;
use crate::follow::followers::FollowerShared;
use crate::follow::until_stopped::UntilStopped;
use crate::projection::changes::Changes;
use crate::projection::handle::ProjectionHandle;
use crate::projection::rebuild::{Order, Rebuild, order};

/// A running projection into a value in memory. Cheap to clone.
///
/// It dereferences to [`ProjectionHandle`], which has the methods of all projections.
pub struct InMemory<P> {
    pub(super) projection: ProjectionHandle,
    pub(super) current: SharedView<P>,
    pub(super) orders: mpsc::Sender<Order<MemoryTarget<P>>>,
}

impl<P> Clone for InMemory<P> {
    fn clone(&self) -> Self {
        let Self { projection, current, orders } = self;
        Self { projection: projection.clone(), current: current.clone(), orders: orders.clone() }
    }
}

impl<P> Deref for InMemory<P> {
    type Target = ProjectionHandle;

    fn deref(&self) -> &ProjectionHandle {
        &self.projection
    }
}

impl<P: ReadModel> InMemory<P> {
    /// Reads the view. Any number of readers may read at once. The projection waits until they return, so
    /// copy what is needed and return.
    pub fn read<R>(&self, look: impl FnOnce(&P) -> R) -> R {
        look(&self.current.read().view)
    }

    /// Reads the view and the position up to which it has all events.
    pub fn read_at<R>(&self, look: impl FnOnce(&P, Position) -> R) -> R {
        let state = self.current.read();
        look(&state.view, state.position)
    }

    pub(crate) fn view_reader(&self) -> ViewReader<P> {
        ViewReader { current: self.current.clone(), shared: self.shared().clone() }
    }

    /// Returns a stream of a value selected from the view: its current value, and a new one whenever it has
    /// changed. Suits a page that shows it live.
    ///
    /// A slow receiver gets the newest value and misses those in between, so nothing accumulates. The stream
    /// ends after the last value once the projection has stopped, which a shutdown does.
    pub fn changes<T>(&self, select: impl Fn(&P) -> T + Send + 'static) -> Changes<T>
    where
        T: Clone + PartialEq + Send + 'static,
    {
        let (current, mut last) = (self.current.clone(), None);
        let moves = WatchStream::new(self.shared().progress.changes());
        let moves = UntilStopped::of(moves, self.shared());
        Changes::of(moves.filter_map(move |_| {
            let value = select(&current.read().view);
            let changed = last.as_ref() != Some(&value);
            changed.then(|| last.insert(value).clone())
        }))
    }

    /// Rebuilds the view from the first event while the old one is read, and replaces the old one when the
    /// new one has caught up with it.
    pub fn rebuild(&self) -> Rebuild {
        order(&self.orders, None)
    }
}

/// A view and its status, for readers that must not keep the runtime open.
pub(crate) struct ViewReader<P> {
    current: SharedView<P>,
    pub(crate) shared: Arc<FollowerShared>,
}

impl<P: ReadModel> ViewReader<P> {
    pub(crate) fn read<R>(&self, look: impl FnOnce(&P) -> R) -> R {
        look(&self.current.read().view)
    }
}
