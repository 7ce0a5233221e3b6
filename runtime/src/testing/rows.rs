//! The test kit of keyed projections.

use std::borrow::Borrow;
use std::fmt::Debug;
use std::ops::Deref;

use actuarius_domain::Aggregate;
use actuarius_persistence::Codec;
#[cfg(feature = "erasure")]
use actuarius_persistence::keys::{Keys, MasterKeyRing};
use actuarius_persistence::views::{Changes, Table, ViewError, Views};

use super::fail::fail;
use super::history::History;
use crate::projection::rows::{
    CurrentTable, Draft, KeyBytes, KeyedProjection, RowsView, Staged, View,
};

/// Begins a test of a keyed view, which is empty.
///
/// # Panics
/// If a check fails; the panic names the line of the test.
#[must_use = "a test checks nothing before `then_row`"]
#[track_caller]
pub fn rows_of<V: View>() -> RowsUnderTest<V> {
    let table = views().place("view").and_then(|place| place.table(1));
    let Ok(table) = table else { fail("a view in memory cannot be created") };
    let current = CurrentTable::default();
    current.set(table.reader());
    let (rows, history) = (RowsView::of("view", current, ()), History::default());
    RowsUnderTest { table, rows, history, codec: Codec::SNAPSHOTS }
}

/// A place for views, which seals personal data.
#[cfg(feature = "erasure")]
#[track_caller]
fn views() -> Views {
    let keys = MasterKeyRing::generate("test").and_then(Keys::in_memory);
    let Ok(keys) = keys else { fail("no random bytes for keys are available") };
    Views::in_memory().with_sealer(keys)
}

#[cfg(not(feature = "erasure"))]
fn views() -> Views {
    Views::in_memory()
}

/// A keyed view under test, with the events it was given.
#[must_use = "a test checks nothing before `then_row`"]
pub struct RowsUnderTest<V: View> {
    table: Table,
    rows: RowsView<V>,
    history: History,
    codec: Codec,
}

impl<V: View> Deref for RowsUnderTest<V> {
    type Target = RowsView<V>;

    fn deref(&self) -> &RowsView<V> {
        &self.rows
    }
}

impl<V: View> RowsUnderTest<V> {
    /// Sets the codec that events and rows are checked with. Default: the default codec.
    pub fn with_codec(mut self, codec: Codec) -> Self {
        self.history.use_codec(codec);
        self.codec = codec;
        self
    }

    /// Projects the next events of an aggregate and stores the resulting rows; each call begins with rows that
    /// are read back, as after a restart. Events and rows must be the same after that.
    #[track_caller]
    pub fn given<A: Aggregate>(
        mut self,
        id: &str,
        events: impl IntoIterator<Item = A::Event>,
    ) -> Self
    where
        V: KeyedProjection<A>,
    {
        let mut draft = Draft::over(self.table.reader());
        for envelope in self.history.envelopes::<A>(id, events) {
            draft.project(envelope.header.position, |rows| V::project(rows, &envelope));
            if let Some((at, error)) = draft.failure() {
                fail(&format!("the event at position {at} cannot be projected: {error}"));
            }
            if let Err(why) = self.store(&mut draft) {
                fail(&why);
            }
        }
        self
    }

    fn store(&mut self, draft: &mut Draft<V>) -> Result<(), String> {
        let Staged { changes, .. } = draft.stage(self.codec, Changes::new())?;
        self.table.commit(changes).map_err(|error: ViewError| error.to_string())?;
        draft.stored();
        Ok(())
    }

    /// Checks the row under a key, or that there is none.
    #[track_caller]
    pub fn then_row<Q>(self, key: &Q, expected: Option<&V::Row>) -> Self
    where
        V::Key: Borrow<Q>,
        V::Row: Debug + PartialEq,
        Q: KeyBytes + ?Sized,
    {
        match self.rows.get(key) {
            Ok(found) if found.as_ref() == expected => self,
            Ok(found) => fail(&format!("expected the row {expected:?}, got {found:?}")),
            Err(error) => fail(&format!("the row cannot be read back: {error}")),
        }
    }
}
