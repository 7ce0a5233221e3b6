use std::borrow::Borrow;
use std::sync::Arc;

use actuarius_domain::Position;
use actuarius_persistence::views::Views;

use super::super::rows::{
    Draft, KeyBytes, Listing, SecondaryListing, Shown, View, ViewReadError, bytes_of,
};
use super::generations::Generations;
use super::moves::Moves;
use super::target::KeyedTarget;
use crate::engine::Engine;
use crate::history::{LogMoment, fold_log};
use crate::projection::as_of::AsOfError;
use crate::projection::builder::StoredSettings;
use crate::projection::saved::SavedViews;
use crate::projection::target::Target;
use crate::schema::shape::fingerprint;

/// The rows of a keyed view as they were at a moment of the log, built aside and held in memory. A projection
/// of the same name that runs is not concerned. Cheap to clone.
pub struct PastRows<V: View> {
    shown: Shown<V>,
    position: Position,
}

impl<V: View> Clone for PastRows<V> {
    fn clone(&self) -> Self {
        Self { shown: self.shown.clone(), position: self.position }
    }
}

impl<V: View> PastRows<V> {
    /// The position of the last event they have: all of those before it that were followed, too.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// The row of a key.
    ///
    /// # Errors
    /// [`ViewReadError`]; nothing was changed.
    pub fn get<Q>(&self, key: &Q) -> Result<Option<V::Row>, ViewReadError>
    where
        V::Key: Borrow<Q>,
        Q: KeyBytes + ?Sized,
    {
        self.shown.get(&bytes_of(key))
    }

    /// Rows in the order of their keys, page by page.
    pub fn rows(&self) -> Listing<V> {
        Listing::of(self.shown.clone())
    }

    /// Rows in the order of the secondary key `name`, page by page. Under a name that
    /// [`View::secondary`] does not give there are no rows.
    pub fn by(&self, name: &str) -> SecondaryListing<V> {
        SecondaryListing::of(self.shown.clone(), name)
    }
}

/// Builds them, in a table that is in memory only.
pub(super) async fn as_of<V: View>(
    engine: &Arc<Engine>,
    name: String,
    StoredSettings { routes, codec, .. }: StoredSettings<Draft<V>>,
    moment: LogMoment,
) -> Result<PastRows<V>, AsOfError> {
    let (version, shape) = (1, fingerprint::<V::Row>());
    let lineage = engine.store.reader()?.maintenance().lineage();
    let keys = engine.keyring.sealer().cloned();
    let place = keys.into_iter().fold(Views::in_memory(), Views::with_sealer).place(&name)?;
    let saved_views = SavedViews { name, place, version, shape, lineage };
    let generations = Arc::new(Generations::of(saved_views, routes.types()));
    let (shown, generation) = (Shown::default(), generations.create()?);
    shown.show(generation.table.reader());
    let outputs = (Shown::default(), Moves::new());
    let target = KeyedTarget::over(generation, (routes, generations), codec, outputs);
    let take = |target: &mut KeyedTarget<V>, commits: &[_]| {
        target.take(commits)?;
        Ok::<_, AsOfError>(())
    };
    let (_, position) = fold_log(engine, moment, target, take).await?;
    Ok(PastRows { shown, position })
}
