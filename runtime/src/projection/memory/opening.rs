//! Which view in memory a projection starts with: the saved one, or an empty one.

use std::sync::Arc;

use actuarius_domain::{Position, ReadModel};

use super::cell::{Cell, Held};
use super::target::MemoryTarget;
use crate::follow::followers::StartError;
use crate::projection::builder::StoredSettings;
use crate::projection::host::{Opened, Source};
use crate::projection::saved::{Saved, States};
use crate::projection::target::Failed;

/// Opens and creates the view of one projection in memory.
pub(super) struct MemorySource<P> {
    pub(super) settings: StoredSettings<P>,
    pub(super) states: Arc<States>,
    pub(super) shown: Cell<P>,
}

impl<P: ReadModel> MemorySource<P> {
    fn target(&self, generation: u64, cell: Cell<P>) -> MemoryTarget<P> {
        let (states, cells) = ((self.states.clone(), generation), (cell, self.shown.clone()));
        let StoredSettings { routes, save_every, .. } = &self.settings;
        MemoryTarget::new(routes.clone(), states, cells, *save_every)
    }

    /// An empty view, which is read while it grows.
    fn begin(&self) -> Result<MemoryTarget<P>, StartError> {
        self.shown.put(Held::default());
        Ok(self.target(self.states.next()?, self.shown.clone()))
    }

    /// Whatever was saved is forgotten, also by a start after this one that finds nothing saved yet.
    fn begin_from_scratch(&self) -> Result<MemoryTarget<P>, StartError> {
        let mut target = self.begin()?;
        target.forget_others()?;
        Ok(target)
    }

    /// The current state, if it was made from this log.
    fn current(&self) -> Result<Option<(u64, Saved)>, StartError> {
        let Some(generation) = self.states.current()? else { return Ok(None) };
        let Some(saved) = self.states.load(generation)? else { return Ok(None) };
        if !self.states.shares_log(&saved.origin) {
            return Ok(self.states.reject("it was made from another store"));
        }
        Ok(Some((generation, saved)))
    }

    /// Has what was saved read from now on, and tells its position; if it can be understood.
    fn show(&self, saved: &Saved) -> Option<Position> {
        let decoded = Held::saved(saved);
        let held: Held<P> = decoded.map_or_else(|why| self.states.reject(why), Some)?;
        let position = held.position;
        self.shown.put(held);
        Some(position)
    }
}

impl<P: ReadModel> Source<MemoryTarget<P>> for MemorySource<P> {
    fn open(&self) -> Result<Opened<MemoryTarget<P>>, StartError> {
        if self.settings.from_scratch {
            return Ok(Opened { target: self.begin_from_scratch()?, older: None });
        }
        if let Some((generation, saved)) = self.current()? {
            if self.states.must_erase(saved.origin.taint) {
                let _: Option<()> = self.states.reject("someone in it was forgotten");
                return Ok(Opened { target: self.begin_from_scratch()?, older: None });
            }
            if self.states.is_same(&saved.origin) && self.show(&saved).is_some() {
                let mut target = self.target(generation, self.shown.clone());
                target.was_found();
                return Ok(Opened { target, older: None });
            }
            if self.settings.also_reads.contains(&saved.origin.version)
                && let Some(position) = self.show(&saved)
            {
                let target = self.target(self.states.next()?, Cell::default());
                return Ok(Opened { target, older: Some(position) });
            }
        }
        Ok(Opened { target: self.begin()?, older: None })
    }

    fn fresh(&self) -> Result<MemoryTarget<P>, Failed> {
        let generation = self.states.next();
        let generation = generation.map_err(|error| Failed::at(Position::NONE, error))?;
        Ok(self.target(generation, Cell::default()))
    }
}
