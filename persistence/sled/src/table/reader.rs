//! Looking into a table while its writer goes on.

use std::any::Any;
use std::cmp::Ordering;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use actuarius_persistence::table::Entry;
use actuarius_persistence::table::ViewError;
use actuarius_persistence::table::changes::{self, Changes, Range};
use bytes::Bytes;
use sled::IVec;

use super::{keys, rows};
use crate::engine::Engine;
use crate::error::Trouble;
use crate::release::Release;

/// What the writer and all readers share. The fields are dropped in this order: sled, then our wait
/// until it is gone, then what keeps others out.
pub(super) struct Shared {
    pub(super) engine: Engine,
    _release: Release,
    _keep: Box<dyn Any + Send + Sync>,
    /// The batch that sled may have any part of. It is durable, and what it says counts.
    ///
    /// Locked for reading as long as someone reads: a batch that comes waits, so whoever began
    /// without it sees nothing of it. Locked for writing only to exchange the pointer.
    coming: RwLock<Option<Arc<Changes>>>,
}

impl Shared {
    pub(super) fn new(engine: Engine, release: Release, keep: Box<dyn Any + Send + Sync>) -> Self {
        Self { engine, _release: release, _keep: keep, coming: RwLock::default() }
    }

    /// Shows readers a batch before sled is given it; or none, when sled has all of it.
    pub(super) fn show(&self, coming: Option<Arc<Changes>>) {
        let before = {
            let mut shown = self.coming.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *shown, coming)
        };
        // Freeing a thousand rows takes a while: not under the lock.
        drop(before);
    }

    fn coming(&self) -> RwLockReadGuard<'_, Option<Arc<Changes>>> {
        self.coming.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, place: &[u8]) -> Result<Option<Bytes>, ViewError> {
        let coming = self.coming();
        if let Some(value) = coming.as_ref().and_then(|coming| coming.at(place)) {
            return Ok(value.clone());
        }
        let row = self.engine.get(&keys::key(place));
        let row = row.map_err(|error| rows::error(place, error.into()))?;
        row.map(|row| self.says(place, &row)).transpose()
    }

    pub(super) fn scan(
        &self,
        range: &Range,
        descending: bool,
        limit: usize,
    ) -> Result<Vec<Entry>, ViewError> {
        let (coming, none) = (self.coming(), Changes::new());
        let coming = coming.as_deref().unwrap_or(&none).range(range);
        let keys = keys::keys(range);
        let stored = self.engine.db().range::<&[u8], _>(changes::borrowed(&keys)).map(stored);
        if descending {
            self.merge(coming.rev(), stored.rev(), Ordering::reverse, limit)
        } else {
            self.merge(coming, stored, |order| order, limit)
        }
    }

    /// The first `limit` rows of both, which come in the same order; those of `coming` count.
    fn merge<'a>(
        &self,
        coming: impl Iterator<Item = (&'a Bytes, &'a Option<Bytes>)>,
        stored: impl Iterator<Item = Result<Stored, ViewError>>,
        directed: impl Fn(Ordering) -> Ordering,
        limit: usize,
    ) -> Result<Vec<Entry>, ViewError> {
        let (mut coming, mut stored) = (coming.peekable(), stored.peekable());
        let mut found = Vec::new();
        while found.len() < limit {
            let first = match (coming.peek(), stored.peek()) {
                (None, None) => break,
                (None, _) | (_, Some(Err(_))) => Ordering::Greater,
                (_, None) => Ordering::Less,
                (Some((place, _)), Some(Ok((other, _)))) => directed((*place).cmp(other)),
            };
            let row = if first.is_ge() { stored.next() } else { None };
            let change = if first.is_le() { coming.next() } else { None };
            match (change, row) {
                (Some((place, value)), _) => {
                    found.extend(value.clone().map(|value| (place.slice(1..), value)));
                }
                (None, Some(row)) => {
                    let (place, row) = row?;
                    found.push((place.slice(1..), self.says(&place, &row)?));
                }
                (None, None) => {}
            }
        }
        Ok(found)
    }

    fn says(&self, place: &[u8], row: &[u8]) -> Result<Bytes, ViewError> {
        rows::says(&self.engine, place, row).map_err(|trouble| rows::error(place, trouble))
    }
}

/// A row as it is stored, at its place.
type Stored = (Bytes, IVec);

fn stored(row: sled::Result<(IVec, IVec)>) -> Result<Stored, ViewError> {
    let (key, row) = row.map_err(|error| rows::error(&[], error.into()))?;
    match keys::place(&key) {
        Ok(place) if !place.is_empty() => Ok((place, row)),
        Ok(_) => Err(rows::error(&[], Trouble::Malformed("a row has no space"))),
        Err(trouble) => Err(rows::error(&key[1..], trouble)),
    }
}
