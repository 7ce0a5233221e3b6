use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError};

use actuarius_domain::{Position, ReadModel};

use super::super::erasure_taint::ErasureTaint;
use crate::projection::saved::Saved;

/// A view in memory, with the position up to which it has all events. Shared by those who read it.
pub(crate) struct Cell<P>(Arc<RwLock<Held<P>>>);

pub(crate) struct Held<P> {
    pub(crate) view: P,
    pub(crate) position: Position,
    pub(crate) taint: ErasureTaint,
}

impl<P: ReadModel> Default for Held<P> {
    fn default() -> Self {
        Self { view: P::default(), position: Position::NONE, taint: ErasureTaint::default() }
    }
}

impl<P: ReadModel> Held<P> {
    /// What was saved, if it can be understood.
    pub(crate) fn saved(saved: &Saved) -> Result<Self, String> {
        let (view, position) = saved.decode()?;
        Ok(Self { view, position, taint: saved.origin.taint })
    }
}

impl<P> Clone for Cell<P> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<P: ReadModel> Default for Cell<P> {
    fn default() -> Self {
        Self(Arc::new(RwLock::new(Held::default())))
    }
}

impl<P> Cell<P> {
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Held<P>> {
        // A reader that panics changes nothing, and a projection's panic is caught below the lock.
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, Held<P>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// None when somebody reads.
    pub(super) fn write_at_once(&self) -> Option<RwLockWriteGuard<'_, Held<P>>> {
        match self.0.try_write() {
            Ok(held) => Some(held),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    pub(crate) fn put(&self, held: Held<P>) {
        // A large view is dropped when readers can go on.
        let _before = std::mem::replace(&mut *self.write(), held);
    }
}
