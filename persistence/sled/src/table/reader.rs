//! Reading a table while its writer continues.

use std::any::Any;
use std::cmp::Ordering;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use actuarius_persistence::table::changes::{self, Changes, Range};
use actuarius_persistence::table::{Entry, ViewError};
use bytes::Bytes;
use sled::IVec;

use super::{keys, rows};
use crate::engine::Engine;
use crate::error::EngineError;
use crate::release::Release;

/// The state that the writer and all readers share. Its fields are dropped in this order: sled, the wait
/// until sled has released its file, the lock that excludes other users.
pub(super) struct Shared {
    pub(super) engine: Engine,
    _release: Release,
    _lock: Box<dyn Any + Send + Sync>,
    /// The batch of which sled may have any part. It is durable, and takes precedence over sled.
    ///
    /// Readers hold the lock while they read. A new batch waits for them, so a reader that began without it
    /// sees no part of it. The writer holds the lock only to exchange the pointer.
    pending: RwLock<Option<Arc<Changes>>>,
}

impl Shared {
    pub(super) fn new(engine: Engine, release: Release, lock: Box<dyn Any + Send + Sync>) -> Self {
        Self { engine, _release: release, _lock: lock, pending: RwLock::default() }
    }

    /// Shows readers a batch before it is written to sled, or `None` when sled has all of it.
    pub(super) fn set_pending(&self, pending: Option<Arc<Changes>>) {
        let before = {
            let mut shown = self.pending.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *shown, pending)
        };
        // Freeing a thousand rows takes a while, so it is done outside the lock.
        drop(before);
    }

    fn pending(&self) -> RwLockReadGuard<'_, Option<Arc<Changes>>> {
        self.pending.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, place: &[u8]) -> Result<Option<Bytes>, ViewError> {
        let pending = self.pending();
        if let Some(value) = pending.as_ref().and_then(|pending| pending.at(place)) {
            return Ok(value.clone());
        }
        let row = self.engine.get(&keys::key(place));
        let row = row.map_err(|error| rows::error(place, error.into()))?;
        row.map(|row| self.content(place, &row)).transpose()
    }

    pub(super) fn scan(
        &self,
        range: &Range,
        descending: bool,
        limit: usize,
    ) -> Result<Vec<Entry>, ViewError> {
        let (pending, none) = (self.pending(), Changes::new());
        let pending = pending.as_deref().unwrap_or(&none).range(range);
        let keys = keys::keys(range);
        let stored = self.engine.db().range::<&[u8], _>(changes::borrowed(&keys)).map(stored);
        if descending {
            self.merge(pending.rev(), stored.rev(), Ordering::reverse, limit)
        } else {
            self.merge(pending, stored, |order| order, limit)
        }
    }

    /// Merges the first `limit` rows of both, which are in the same order. Rows of `pending` take
    /// precedence.
    fn merge<'a>(
        &self,
        pending: impl Iterator<Item = (&'a Bytes, &'a Option<Bytes>)>,
        stored: impl Iterator<Item = Result<Stored, ViewError>>,
        directed: impl Fn(Ordering) -> Ordering,
        limit: usize,
    ) -> Result<Vec<Entry>, ViewError> {
        let (mut pending, mut stored) = (pending.peekable(), stored.peekable());
        let mut found = Vec::new();
        while found.len() < limit {
            let first = match (pending.peek(), stored.peek()) {
                (None, None) => break,
                (None, _) | (_, Some(Err(_))) => Ordering::Greater,
                (_, None) => Ordering::Less,
                (Some((place, _)), Some(Ok((other, _)))) => directed((*place).cmp(other)),
            };
            let row = if first.is_ge() { stored.next() } else { None };
            let change = if first.is_le() { pending.next() } else { None };
            match (change, row) {
                (Some((place, value)), _) => {
                    found.extend(value.clone().map(|value| (place.slice(1..), value)));
                }
                (None, Some(row)) => {
                    let (place, row) = row?;
                    found.push((place.slice(1..), self.content(&place, &row)?));
                }
                (None, None) => {}
            }
        }
        Ok(found)
    }

    fn content(&self, place: &[u8], row: &[u8]) -> Result<Bytes, ViewError> {
        rows::content_of(&self.engine, place, row).map_err(|error| rows::error(place, error))
    }
}

/// A stored row and its place.
type Stored = (Bytes, IVec);

fn stored(row: sled::Result<(IVec, IVec)>) -> Result<Stored, ViewError> {
    let (key, row) = row.map_err(|error| rows::error(&[], error.into()))?;
    match keys::place(&key) {
        Ok(place) if !place.is_empty() => Ok((place, row)),
        Ok(_) => Err(rows::error(&[], EngineError::Malformed("a row has no space"))),
        Err(error) => Err(rows::error(&key[1..], error)),
    }
}
