//! `RowsView`: reads the rows of a keyed view, of a running one or of one in the past.

use std::borrow::Borrow;
use std::ops::Deref;
use std::sync::Arc;

use super::View;
use super::current_table::CurrentTable;
use super::error::ViewReadError;
use super::key::{KeyBytes, bytes};
use super::listing::Listing;
use super::secondary_listing::SecondaryListing;
use crate::projection::handle::ProjectionHandle;

/// The rows of a keyed view, to be read. [`Keyed`](crate::projection::Keyed) and
/// [`PastRows`](crate::projection::PastRows) dereference to it.
///
/// `S` is the running projection, if there is one.
///
/// A read touches the disk when the row is not in memory. That takes some microseconds, seldom more.
pub struct RowsView<V: View, S = ()> {
    name: Arc<str>,
    table: CurrentTable<V>,
    source: S,
}

impl<V: View, S: Clone> Clone for RowsView<V, S> {
    fn clone(&self) -> Self {
        let Self { name, table, source } = self;
        Self { name: name.clone(), table: table.clone(), source: source.clone() }
    }
}

impl<V: View> Deref for RowsView<V, ProjectionHandle> {
    type Target = ProjectionHandle;

    fn deref(&self) -> &ProjectionHandle {
        &self.source
    }
}

impl<V: View, S> RowsView<V, S> {
    pub(crate) fn of(name: &str, table: CurrentTable<V>, source: S) -> Self {
        Self { name: name.into(), table, source }
    }

    pub(crate) fn table(&self) -> &CurrentTable<V> {
        &self.table
    }

    /// Returns the row of a key, or `None` if there is none.
    ///
    /// # Errors
    /// [`ViewReadError`]; nothing was changed.
    pub fn get<Q>(&self, key: &Q) -> Result<Option<V::Row>, ViewReadError>
    where
        V::Key: Borrow<Q>,
        Q: KeyBytes + ?Sized,
    {
        self.table.get(&bytes(key))
    }

    /// Lists rows in the order of their keys, page by page.
    pub fn rows(&self) -> Listing<V> {
        Listing::of(self.table.clone(), &self.name)
    }

    /// Lists rows in the order of the secondary key `name`, page by page. A name that
    /// [`View::secondary`] does not add has no rows.
    pub fn by(&self, name: &str) -> SecondaryListing<V> {
        SecondaryListing::of(self.table.clone(), &self.name, name)
    }
}
