//! `InDatabase`: the handle of a projection into a database of the user.

use std::ops::Deref;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::database_trait::Database;
use super::selection::Selection;
use super::target::DatabaseTarget;
use crate::engine::Engine;
use crate::projection::handle::ProjectionHandle;
use crate::projection::rebuild::{Order, Rebuild, order};

/// A running projection into a database of your own. Read the view from the database.
///
/// It dereferences to [`ProjectionHandle`], which has the methods of all projections.
pub struct InDatabase<D> {
    pub(super) projection: ProjectionHandle,
    pub(super) engine: Arc<Engine>,
    pub(super) selection: Arc<Selection>,
    pub(super) orders: mpsc::Sender<Order<DatabaseTarget<D>>>,
}

impl<D> Clone for InDatabase<D> {
    fn clone(&self) -> Self {
        let (projection, engine) = (self.projection.clone(), self.engine.clone());
        Self { projection, engine, selection: self.selection.clone(), orders: self.orders.clone() }
    }
}

impl<D> Deref for InDatabase<D> {
    type Target = ProjectionHandle;

    fn deref(&self) -> &ProjectionHandle {
        &self.projection
    }
}

impl<D: Database> InDatabase<D> {
    /// Rebuilds the view in another database, from that one's position, while this one is still read. When it
    /// has caught up, its [`take_over`](Database::take_over) is called and it replaces this one, which is
    /// dropped before the rebuild ends.
    pub fn rebuild_beside(&self, other: D) -> Rebuild {
        let (engine, selection) = (self.engine.clone(), self.selection.clone());
        order(&self.orders, Some(DatabaseTarget::unchecked(other, engine, selection)))
    }
}
