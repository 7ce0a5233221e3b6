//! `SharedView`: a view in memory that is read while events are folded into it.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError};

use actuarius_domain::{Position, ReadModel};

use super::super::erasure_taint::ErasureTaint;
use crate::base::panics::discard;
use crate::projection::saved::Saved;

/// A view in memory with its position, shared by its readers and the target that changes it.
pub(crate) struct SharedView<P>(Arc<RwLock<ViewState<P>>>);

pub(crate) struct ViewState<P> {
    pub(crate) view: P,
    pub(crate) position: Position,
    pub(crate) taint: ErasureTaint,
}

impl<P: ReadModel> Default for ViewState<P> {
    fn default() -> Self {
        Self { view: P::default(), position: Position::NONE, taint: ErasureTaint::default() }
    }
}

impl<P: ReadModel> ViewState<P> {
    /// Decodes what was saved.
    pub(crate) fn saved(saved: &Saved) -> Result<Self, String> {
        let (view, position) = saved.decode()?;
        Ok(Self { view, position, taint: saved.origin.taint })
    }
}

impl<P> Clone for SharedView<P> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<P: ReadModel> Default for SharedView<P> {
    fn default() -> Self {
        Self(Arc::new(RwLock::new(ViewState::default())))
    }
}

impl<P> SharedView<P> {
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, ViewState<P>> {
        // A reader that panics changes nothing, and a panic of the projection is caught inside the lock.
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, ViewState<P>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns `None` if the view is being read.
    pub(super) fn write_at_once(&self) -> Option<RwLockWriteGuard<'_, ViewState<P>>> {
        match self.0.try_write() {
            Ok(state) => Some(state),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    pub(crate) fn put(&self, state: ViewState<P>) {
        // A large view is dropped after the lock is released, so that readers can continue.
        let before = std::mem::replace(&mut *self.write(), state);
        discard(before);
    }
}
