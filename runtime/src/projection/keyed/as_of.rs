//! `PastRows`: the rows of a keyed view at a moment of the log.

use std::ops::Deref;
use std::sync::Arc;

use actuarius_domain::Position;
use actuarius_persistence::views::Views;

use super::super::rows::{CurrentTable, Draft, RowsView, View};
use super::change_feed::ChangeFeed;
use super::generations::Generations;
use super::target::KeyedTarget;
use crate::engine::Engine;
use crate::history::{LogMoment, fold_log};
use crate::projection::as_of::AsOfError;
use crate::projection::builder::StoredSettings;
use crate::projection::saved_views::SavedViews;
use crate::projection::target::Target;
use crate::schema::shape::{codec_for, fingerprint};

/// The rows of a keyed view as they were at a moment of the log, in memory. They are separate from a running
/// projection of the same name. Cheap to clone.
///
/// It dereferences to [`RowsView`], which reads the rows.
pub struct PastRows<V: View> {
    rows: RowsView<V>,
    position: Position,
}

impl<V: View> Clone for PastRows<V> {
    fn clone(&self) -> Self {
        Self { rows: self.rows.clone(), position: self.position }
    }
}

impl<V: View> Deref for PastRows<V> {
    type Target = RowsView<V>;

    fn deref(&self) -> &RowsView<V> {
        &self.rows
    }
}

impl<V: View> PastRows<V> {
    /// Returns the position of the last event they show. They show every event before it that the view
    /// follows.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }
}

/// Builds the rows in a table in memory.
pub(super) async fn as_of<V: View>(
    engine: &Arc<Engine>,
    name: String,
    StoredSettings { routes, codec, .. }: StoredSettings<Draft<V>>,
    moment: LogMoment,
) -> Result<PastRows<V>, AsOfError> {
    let (version, shape) = (1, fingerprint::<V::Row>());
    let codec = codec_for::<V::Row>(codec);
    let lineage = engine.store.reader()?.maintenance().lineage();
    let keys = engine.keyring.sealer().cloned();
    let place = keys.into_iter().fold(Views::in_memory(), Views::with_sealer).place(&name)?;
    let saved_views = SavedViews { name, place, version, shape, lineage, types: routes.types() };
    let generations = Arc::new(Generations(saved_views));
    let (table, generation) = (CurrentTable::default(), generations.create()?);
    table.set(generation.table.reader());
    let outputs = (CurrentTable::default(), ChangeFeed::new());
    let target = KeyedTarget::over(generation, (routes, generations.clone()), codec, outputs);
    let take = |target: &mut KeyedTarget<V>, commits: &[_]| {
        target.take(commits)?;
        Ok::<_, AsOfError>(())
    };
    let (_, position) = fold_log(engine, moment, target, take).await?;
    Ok(PastRows { rows: RowsView::of(&generations.name, table, ()), position })
}
