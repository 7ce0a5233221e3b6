use std::sync::Arc;

use actuarius_domain::Position;
use actuarius_persistence::views::ViewError;

use super::super::rows::{CurrentTable, Draft, View};
use super::generations::{Generation, Generations};
use super::moves::Moves;
use super::target::KeyedTarget;
use crate::follow::followers::StartError;
use crate::projection::builder::StoredSettings;
use crate::projection::host::{Opened, Source};
use crate::projection::saved_views::Origin;
use crate::projection::target::Failed;

/// Where the tables of one keyed view come from.
pub(super) struct KeyedSource<V: View> {
    pub(super) settings: StoredSettings<Draft<V>>,
    pub(super) generations: Arc<Generations>,
    pub(super) outputs: (CurrentTable<V>, Moves<V>),
}

impl<V: View> KeyedSource<V> {
    fn target(&self, generation: Generation) -> KeyedTarget<V> {
        let parts = (self.settings.routes.clone(), self.generations.clone());
        KeyedTarget::over(generation, parts, self.settings.codec, self.outputs.clone())
    }

    /// The table that is read and written from now on.
    fn go_on(&self, generation: Generation) -> Result<Opened<KeyedTarget<V>>, StartError> {
        if self.generations.current().unwrap_or(None) != Some(generation.number) {
            self.generations.make_current(generation.number)?;
        }
        let mut target = self.target(generation);
        target.show();
        self.outputs.1.all_changed();
        self.generations.remove_all_but(&[]);
        Ok(Opened { target, older: None })
    }

    /// The current table, if it was made from this log.
    fn current(&self) -> Result<Option<(Generation, Origin)>, ViewError> {
        let Some(number) = self.generations.current()? else { return Ok(None) };
        let generation = self.generations.open(number)?;
        match generation.origin.clone() {
            Some(origin) if self.generations.shares_log(&origin) => Ok(Some((generation, origin))),
            Some(_) => {
                let name = &self.generations.name;
                tracing::warn!(
                    target: "actuarius::projection", name,
                    "the view was made from another store; it is built anew"
                );
                Ok(None)
            }
            None => Ok(None),
        }
    }
}

impl<V: View> Source<KeyedTarget<V>> for KeyedSource<V> {
    fn open(&self) -> Result<Opened<KeyedTarget<V>>, StartError> {
        // It is open when the actor has failed and begins again.
        self.outputs.0.clear();
        if self.settings.from_scratch {
            return self.go_on(self.generations.create()?);
        }
        match self.current()? {
            Some((generation, origin)) if self.generations.must_erase(origin.taint) => {
                let name = &self.generations.name;
                tracing::info!(
                    target: "actuarius::projection", name,
                    "someone in the view was forgotten; it is built anew"
                );
                drop(generation);
                self.go_on(self.generations.create()?)
            }
            Some((generation, origin)) if self.generations.is_of_this_version(&origin) => {
                let (types, name) = (&self.generations.types, &self.generations.name);
                origin.types.must_be(types, name)?;
                self.go_on(generation)
            }
            Some((older, origin)) if self.settings.also_reads.contains(&origin.version) => {
                self.outputs.0.set(older.table.reader());
                let target = self.target(self.generations.unfinished()?);
                Ok(Opened { target, older: Some(origin.position) })
            }
            other => {
                drop(other);
                self.go_on(self.generations.unfinished()?)
            }
        }
    }

    fn fresh(&self) -> Result<KeyedTarget<V>, Failed> {
        // Those of rebuilds that came to nothing.
        self.generations.remove_all_but(&[]);
        let generation = self.generations.create();
        Ok(self.target(generation.map_err(|error| Failed::at(Position::NONE, error))?))
    }
}
