//! Which table a keyed view starts with: the current one, an unfinished one or an empty one.

use std::sync::Arc;

use actuarius_domain::Position;
use actuarius_persistence::views::ViewError;

use super::super::rows::{self, CurrentTable, Draft, View};
use super::change_feed::ChangeFeed;
use super::generations::{Generation, Generations};
use super::target::KeyedTarget;
use crate::follow::followers::StartError;
use crate::projection::builder::StoredSettings;
use crate::projection::host::{Opened, Source};
use crate::projection::saved_views::Origin;
use crate::projection::target::Failed;

/// Opens and creates the tables of one keyed view.
pub(super) struct KeyedSource<V: View> {
    pub(super) settings: StoredSettings<Draft<V>>,
    pub(super) generations: Arc<Generations>,
    pub(super) outputs: (CurrentTable<V>, ChangeFeed<V>),
}

impl<V: View> KeyedSource<V> {
    fn target(&self, generation: Generation) -> KeyedTarget<V> {
        let parts = (self.settings.routes.clone(), self.generations.clone());
        KeyedTarget::over(generation, parts, self.settings.codec, self.outputs.clone())
    }

    /// Makes a table the one that is read and written from now on.
    fn serve(&self, generation: Generation) -> Result<Opened<KeyedTarget<V>>, StartError> {
        if self.generations.place.current().unwrap_or(None) != Some(generation.number) {
            self.generations.place.make_current(generation.number)?;
        }
        let mut target = self.target(generation);
        target.show();
        self.outputs.1.all_changed();
        self.generations.remove_all_but(&[]);
        Ok(Opened { target, older: None })
    }

    /// Returns whether the rows of a table fit the types of their keys.
    fn fits(&self, generation: &Generation) -> Result<bool, ViewError> {
        let fits = rows::fits::<V>(&generation.table.reader())?;
        if !fits {
            let name = &self.generations.name;
            tracing::warn!(
                target: "actuarius::projection", name,
                "the rows had other keys in the same version of the view; it is rebuilt"
            );
        }
        Ok(fits)
    }

    /// Returns the current table, if it was made from this log.
    fn current(&self) -> Result<Option<(Generation, Origin)>, ViewError> {
        let Some(number) = self.generations.place.current()? else { return Ok(None) };
        let generation = self.generations.open(number)?;
        match generation.origin.clone() {
            Some(origin) if self.generations.shares_log(&origin) => Ok(Some((generation, origin))),
            Some(_) => {
                let name = &self.generations.name;
                tracing::warn!(
                    target: "actuarius::projection", name,
                    "the view was made from another store; it is rebuilt"
                );
                Ok(None)
            }
            None => Ok(None),
        }
    }
}

impl<V: View> Source<KeyedTarget<V>> for KeyedSource<V> {
    fn open(&self) -> Result<Opened<KeyedTarget<V>>, StartError> {
        // It is still open if the actor has failed and restarts.
        self.outputs.0.clear();
        if self.settings.from_scratch {
            return self.serve(self.generations.create()?);
        }
        match self.current()? {
            Some((generation, origin)) if self.generations.must_erase(origin.taint) => {
                let name = &self.generations.name;
                tracing::info!(
                    target: "actuarius::projection", name,
                    "a subject in the view was forgotten; it is rebuilt"
                );
                drop(generation);
                self.serve(self.generations.create()?)
            }
            Some((generation, origin))
                if self.generations.is_of_this_version(&origin) && self.fits(&generation)? =>
            {
                let (types, name) = (&self.generations.types, &self.generations.name);
                origin.types.must_be(types, name)?;
                self.serve(generation)
            }
            Some((older, origin)) if self.settings.also_reads.contains(&origin.version) => {
                self.outputs.0.set(older.table.reader());
                let target = self.target(self.generations.unfinished()?);
                Ok(Opened { target, older: Some(origin.position) })
            }
            other => {
                drop(other);
                self.serve(self.generations.unfinished()?)
            }
        }
    }

    fn fresh(&self) -> Result<KeyedTarget<V>, Failed> {
        // Removes the tables of rebuilds that failed.
        self.generations.remove_all_but(&[]);
        let generation = self.generations.create();
        Ok(self.target(generation.map_err(|error| Failed::at(Position::NONE, error))?))
    }
}
