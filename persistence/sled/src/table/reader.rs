//! Reading a table while its writer continues.

use std::any::Any;
use std::cmp::Ordering;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use actuarius_persistence::table::changes::{self, Changes, Range};
use actuarius_persistence::table::{Entry, ViewError};
use bytes::Bytes;
use sled::IVec;

use super::unapplied::Unapplied;
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
    /// The batches that sled may lack.
    ///
    /// Readers hold the lock while they read. A new batch waits for them, so a reader that began without it
    /// sees no part of it. The writer holds the lock only to add a batch, or to exchange the map.
    unapplied: RwLock<Unapplied>,
}

impl Shared {
    pub(super) fn new(engine: Engine, release: Release, lock: Box<dyn Any + Send + Sync>) -> Self {
        Self { engine, _release: release, _lock: lock, unapplied: RwLock::default() }
    }

    /// Shows readers a batch that is in the journal.
    pub(super) fn show(&self, batch: Changes) {
        // Collected outside the lock.
        let batch = Unapplied::of(batch);
        self.unapplied.write().unwrap_or_else(PoisonError::into_inner).add(batch);
    }

    /// Forgets the batches, because sled has all of them.
    pub(super) fn applied(&self) {
        let before = {
            let mut shown = self.unapplied.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *shown)
        };
        // Freeing thousands of rows takes a while, so it is done outside the lock.
        drop(before);
    }

    pub(super) fn unapplied(&self) -> RwLockReadGuard<'_, Unapplied> {
        self.unapplied.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, place: &[u8]) -> Result<Option<Bytes>, ViewError> {
        let unapplied = self.unapplied();
        if let Some(value) = unapplied.at(place) {
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
        let unapplied = self.unapplied();
        let changed = unapplied.range(range);
        let keys = keys::keys(range);
        let stored = self.engine.db().range::<&[u8], _>(changes::borrowed(&keys)).map(stored);
        if descending {
            self.merge(changed.rev(), stored.rev(), Ordering::reverse, limit)
        } else {
            self.merge(changed, stored, |order| order, limit)
        }
    }

    /// Merges the first `limit` rows of both, which are in the same order. Those of `changed` take
    /// precedence.
    fn merge<'a>(
        &self,
        changed: impl Iterator<Item = (&'a Bytes, &'a Option<Bytes>)>,
        stored: impl Iterator<Item = Result<Stored, ViewError>>,
        directed: impl Fn(Ordering) -> Ordering,
        limit: usize,
    ) -> Result<Vec<Entry>, ViewError> {
        let (mut changed, mut stored) = (changed.peekable(), stored.peekable());
        let mut found = Vec::new();
        while found.len() < limit {
            let first = match (changed.peek(), stored.peek()) {
                (None, None) => break,
                (None, _) | (_, Some(Err(_))) => Ordering::Greater,
                (_, None) => Ordering::Less,
                (Some((place, _)), Some(Ok((other, _)))) => directed((*place).cmp(other)),
            };
            let row = if first.is_ge() { stored.next() } else { None };
            let change = if first.is_le() { changed.next() } else { None };
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
