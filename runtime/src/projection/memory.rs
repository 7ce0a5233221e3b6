//! Projections into a value in memory, which is saved now and then.
//!
//! `handle` (the running projection), `target` (folds events), `saving` (saves a copy beside that), `own` (the view, shared by its readers) and
//! `opening` (which saved view a projection starts with).

mod handle;
mod opening;
mod saving;
mod shared_view;
mod target;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use actuarius_domain::{Aggregate, Position, Projection, ReadModel};
use actuarius_persistence::Commit;
use actuarius_persistence::views::ViewError;
#[cfg(feature = "sagas")]
use actuarius_persistence::{CommitView, EventView};

pub use handle::InMemory;
pub(crate) use handle::ViewReader;

use super::as_of::{AsOfError, PastView};
use super::builder::{ProjectionBuilder, ProjectionKind, StoredKind, StoredSettings};
use super::saved::States;
use super::target::BATCH_TIME_IN_MEMORY;
use crate::base::panics::guarded;
use crate::follow::deleted_aggregate::DeletedAggregate;
use crate::follow::followers::StartError;
use crate::history::{self, LogMoment};
use crate::inner::Inner;
use crate::schema::decoding::Decoder;
use crate::schema::shape::{codec_for, fingerprint};
use opening::MemorySource;
use shared_view::SharedView;

impl<P: ReadModel> ProjectionKind for InMemory<P> {
    type Settings = StoredSettings<P>;
}

impl<P: ReadModel> StoredKind for InMemory<P> {
    type Folded = P;
}

impl<P: ReadModel> ProjectionBuilder<InMemory<P>> {
    pub(crate) fn in_memory(inner: Arc<Inner>, name: String) -> Self {
        Self::with(inner, name, StoredSettings::default(), BATCH_TIME_IN_MEMORY)
    }

    /// Adds an aggregate type whose events the view follows. Call it for each type.
    ///
    /// A saved view that followed other types is rebuilt from the first event.
    pub fn on<A: Aggregate>(mut self) -> Self
    where
        P: Projection<A>,
    {
        self.check::<A>();
        let (routes, decoder) = (self.settings.routes, Decoder::of(&self.inner.engine.shapes));
        self.settings.routes = routes.on(decoder, |view: &mut P, envelope| view.project(envelope));
        self
    }

    /// Adds what happens when an aggregate of the type `A` is deleted, such as removing its row.
    ///
    /// The events before the end of a stream are removed from the log. A view that starts later, or is rebuilt, takes
    /// none of them, and receives the end all the same. So a view depends on the order of the log alone if it keeps
    /// nothing of an aggregate after its end. Raise the [`version`](Self::version) when this is added to a view that
    /// exists: it has received earlier ends without it.
    pub fn on_deleted<A: Aggregate>(
        mut self,
        react: impl Fn(&mut P, &DeletedAggregate<A>) + Send + Sync + 'static,
    ) -> Self {
        self.check::<A>();
        self.settings.routes = self.settings.routes.on_deleted(react);
        self
    }

    /// Adds an aggregate type whose stored events the view decodes itself, as soon as it can.
    #[cfg(feature = "sagas")]
    pub(crate) fn on_stored<A: Aggregate>(
        mut self,
        fold: impl Fn(&mut P, &CommitView<'_>, &EventView<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.check::<A>();
        self.settings.routes = self.settings.routes.on_stored::<A>(fold);
        self.manner.batch_time = Duration::ZERO;
        self
    }

    /// Saves the view from a copy, while events still change it. Making the copy must be quick.
    #[cfg(feature = "sagas")]
    pub(crate) fn saved_from(mut self, copy: fn(&P) -> P) -> Self {
        self.settings.copy = Some(copy);
        self
    }

    /// Sets how often the view is saved, so that the next start has less to replay. Default: 30 seconds.
    ///
    /// It is saved on shutdown, too. A view that takes long to save is saved less often.
    pub fn save_every(mut self, time: Duration) -> Self {
        self.settings.save_every = time;
        self
    }

    /// Returns the view as it was at a moment of the log, given as a [`Position`](crate::Position) or a
    /// [`Timestamp`](crate::Timestamp).
    ///
    /// The view is built from the first event on, apart from the projection of this name, which may run.
    /// Nothing is started.
    ///
    /// # Errors
    /// [`AsOfError`]; nothing was changed.
    pub async fn as_of(self, moment: impl Into<LogMoment>) -> Result<PastView<P>, AsOfError> {
        let routes = self.settings.routes;
        if routes.is_empty() {
            return Err(AsOfError::FollowsNothing(self.name));
        }
        let take = move |view: &mut P, commits: &[Commit]| -> Result<(), AsOfError> {
            Ok(commits.iter().try_for_each(|commit| routes.project(view, commit).map(|_| ()))?)
        };
        let engine = &self.inner.engine;
        let empty = guarded(P::default).map_err(|why| AsOfError::Failed {
            position: Position::NONE,
            why: format!("`default` panicked: {why}"),
        })?;
        let (view, position) = history::fold_log(engine, moment.into(), empty, take).await?;
        Ok(PastView { view, position })
    }

    /// Starts the projection from the saved view, or from the first event.
    ///
    /// The view catches up while it is read. [`wait_for`](crate::health::FollowerHandle::wait_for) waits for a
    /// position.
    ///
    /// # Errors
    /// [`StartError`]; nothing was changed.
    pub async fn start(self) -> Result<InMemory<P>, StartError> {
        let current = guarded(SharedView::default).map_err(|why| {
            let panicked = io::Error::other(format!("`default` panicked: {why}"));
            ViewError::Io(Arc::new(panicked))
        })?;
        let read = current.clone();
        let running = self.run_stored(fingerprint::<P>(), |saved_views, settings| {
            let states = States::of(saved_views, codec_for::<P>(settings.codec));
            MemorySource { settings, states: Arc::new(states), current: read }
        });
        let (projection, orders) = running.await?;
        Ok(InMemory { projection, current, orders })
    }
}
