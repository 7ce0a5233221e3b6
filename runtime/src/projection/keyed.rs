//! Projections into keyed views: rows and the position they stand for change in one step, so that
//! each event counts exactly once.
//!
//! `handle` (what is read), `target` (takes events), `batch` (what is about to be stored),
//! `generations` (which tables there are, and what they say about themselves), `opening` (which one
//! is gone on with) `moves` (who hears of changes) and
//! `as_of` (rows of the past).

mod as_of;
mod batch;
mod generations;
mod handle;
mod moves;
mod opening;
mod target;

use std::sync::Arc;

use actuarius_domain::Aggregate;
use actuarius_persistence::Codec;

pub use as_of::PastRows;
pub use handle::Keyed;
pub use moves::{Change, Missed};

use super::as_of::AsOfError;
use super::handle::ProjectionHandle;
use super::host;
use super::options::Options;
use super::routes::Routes;
use super::rows::{Draft, KeyedProjection, Shown, View};
use crate::follow::followers::{FollowerKind, Retry, StartError};
use crate::history::LogMoment;
use crate::inner::Inner;
use crate::schema::shape::fingerprint;
use generations::Generations;
pub(super) use generations::must_go;
use moves::Moves;
use opening::KeyedSource;

/// A projection into a keyed view, about to start: say what it follows, then `start`.
#[must_use = "a projection does nothing before `start`"]
pub struct ProjectKeyed<V: View> {
    inner: Arc<Inner>,
    name: String,
    routes: Routes<Draft<V>>,
    options: Options,
    codec: Codec,
}

impl<V: View> ProjectKeyed<V> {
    pub(crate) fn new(inner: Arc<Inner>, name: String) -> Self {
        let (routes, options) = (Routes::default(), Options::default());
        Self { inner, name, routes, options, codec: Codec::default() }
    }

    /// Lets the view follow the events of an aggregate type; call it for each type. Raise the version
    /// when another one comes or goes: the view has to see its events from the first one on.
    pub fn on<A: Aggregate>(mut self) -> Self
    where
        V: KeyedProjection<A>,
    {
        self.routes = self.routes.on(|draft: &mut Draft<V>, envelope| {
            draft.project(envelope.header.position, |rows| V::project(rows, envelope));
        });
        self
    }

    /// The version of the projection's code: raise it whenever what it makes of the events, the shape
    /// of a row, its key or its secondary keys change. The view is then built anew from the first
    /// event. Default: 1.
    pub fn version(mut self, version: u32) -> Self {
        self.options.version = version;
        self
    }

    /// Says that the rows of an older version still decode and are right enough to be read while the
    /// new ones are built. Without it, the new ones are read while they come.
    pub fn also_reads(mut self, version: u32) -> Self {
        self.options.also_reads.push(version);
        self
    }

    /// Begins with the first event, whatever there is. A damaged view starts again this way.
    pub fn from_scratch(mut self) -> Self {
        self.options.from_scratch = true;
        self
    }

    /// How rows are stored. Default: bincode. Each row says how it was, so this may change.
    pub fn codec(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self
    }

    /// How often an event that fails is tried again before the projection halts.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.options.retry = retry;
        self
    }

    /// The rows as they were at a moment of the log, by a [`Position`](crate::Position) or a
    /// [`Timestamp`](crate::Timestamp): built aside from the first event on, in memory. Nothing is started, and
    /// a projection of this name may run.
    ///
    /// # Errors
    /// [`AsOfError`]; nothing was changed.
    pub async fn as_of(self, moment: impl Into<LogMoment>) -> Result<PastRows<V>, AsOfError> {
        let Self { inner, name, routes, codec, .. } = self;
        if routes.is_empty() {
            return Err(AsOfError::FollowsNothing(name));
        }
        as_of::as_of(&inner.engine, name, routes, codec, moment.into()).await
    }

    /// Starts the projection where its view stands. It catches up while it is read:
    /// [`wait_for`](ProjectionHandle::wait_for) waits for a position.
    ///
    /// # Errors
    /// [`StartError`]. [`StartError::View`] says, too, that the view is open elsewhere, also through
    /// a [`Keyed`] of one that was stopped; and that it is damaged: start it
    /// [`from_scratch`](ProjectKeyed::from_scratch). [`StartError::OtherTypes`] says that it was made
    /// from the events of other types. No row was changed.
    pub async fn start(self) -> Result<Keyed<V>, StartError> {
        let Self { inner, name, routes, options, codec } = self;
        if routes.is_empty() {
            return Err(StartError::FollowsNothing(name));
        }
        let registration = inner.followers.register(&name, FollowerKind::Projection)?;
        let (retry, shown, moves) = (options.retry.clone(), Shown::default(), Moves::new());
        let saved_views = options.saved_views(fingerprint::<V::Row>(), &inner, name).await?;
        let generations = Arc::new(Generations::of(saved_views, routes.types()));
        let outputs = (shown.clone(), moves.clone());
        let source = KeyedSource { routes, generations, options, codec, outputs };
        let (shared, orders) =
            host::start(&inner.engine, registration, retry, Arc::new(source)).await?;
        Ok(Keyed { projection: ProjectionHandle::new(shared, inner), shown, moves, orders })
    }
}
