//! Which view in memory a projection starts with: the saved one, or an empty one.

use std::sync::Arc;

use actuarius_domain::{Position, ReadModel};

use super::shared_view::{SharedView, ViewState};
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
    pub(super) current: SharedView<P>,
}

impl<P: ReadModel> MemorySource<P> {
    fn target(&self, generation: u64, own: SharedView<P>) -> MemoryTarget<P> {
        let (states, views) = ((self.states.clone(), generation), (own, self.current.clone()));
        let StoredSettings { routes, save_every, copy, .. } = &self.settings;
        MemoryTarget::new(routes.clone(), states, views, *save_every).saved_from(*copy)
    }

    /// Starts with an empty view, which is read while it is built.
    fn start_empty(&self) -> Result<MemoryTarget<P>, StartError> {
        self.current.put(ViewState::default());
        Ok(self.target(self.states.next()?, self.current.clone()))
    }

    /// Starts with an empty view and discards what was saved. A later start does not find it either.
    fn start_from_scratch(&self) -> Result<MemoryTarget<P>, StartError> {
        let mut target = self.start_empty()?;
        target.make_only_one()?;
        Ok(target)
    }

    /// Returns the current state, if it was made from this log.
    fn current(&self) -> Result<Option<(u64, Saved)>, StartError> {
        let Some(generation) = self.states.place.current()? else { return Ok(None) };
        let Some(saved) = self.states.load(generation)? else { return Ok(None) };
        if !self.states.shares_log(&saved.origin) {
            return Ok(self.states.reject("it was made from another store"));
        }
        Ok(Some((generation, saved)))
    }

    /// Lets what was saved be read from now on, and returns its position; `None` if it does not decode.
    fn publish(&self, saved: &Saved) -> Option<Position> {
        let decoded = ViewState::saved(saved);
        let state: ViewState<P> = decoded.map_or_else(|why| self.states.reject(why), Some)?;
        let position = state.position;
        self.current.put(state);
        Some(position)
    }
}

impl<P: ReadModel> Source<MemoryTarget<P>> for MemorySource<P> {
    fn open(&self) -> Result<Opened<MemoryTarget<P>>, StartError> {
        if self.settings.from_scratch {
            return Ok(Opened { target: self.start_from_scratch()?, older: None });
        }
        if let Some((generation, saved)) = self.current()? {
            if self.states.must_erase(saved.origin.taint) {
                let _: Option<()> = self.states.reject("a subject in it was forgotten");
                return Ok(Opened { target: self.start_from_scratch()?, older: None });
            }
            if self.states.is_same(&saved.origin) && self.publish(&saved).is_some() {
                let mut target = self.target(generation, self.current.clone());
                target.set_found();
                return Ok(Opened { target, older: None });
            }
            if self.settings.also_reads.contains(&saved.origin.version)
                && let Some(position) = self.publish(&saved)
            {
                let target = self.target(self.states.next()?, SharedView::default());
                return Ok(Opened { target, older: Some(position) });
            }
        }
        Ok(Opened { target: self.start_empty()?, older: None })
    }

    fn fresh(&self) -> Result<MemoryTarget<P>, Failed> {
        let generation = self.states.next();
        let generation = generation.map_err(|error| Failed::at(Position::NONE, error))?;
        Ok(self.target(generation, SharedView::default()))
    }
}
