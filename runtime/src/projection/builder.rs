//! `ProjectionBuilder`: the settings of a projection before it starts, for every kind of projection.

use std::sync::Arc;
use std::time::Duration;

use actuarius_domain::Aggregate;
use actuarius_persistence::Codec;
use tokio::sync::mpsc;

use super::handle::ProjectionHandle;
use super::host::{self, Manner, Source};
use super::rebuild::Order;
use super::routes::Routes;
use super::saved_views::SavedViews;
use super::target::{Target, opening};
use super::types::Types;
use crate::base::schema_error::SchemaError;
use crate::follow::followers::{FollowerKind, Registration, Retry, StartError};
use crate::inner::Inner;
use crate::schema::names;

/// A projection that is not started yet. Call `on` for each aggregate type it follows, then `start`.
///
/// `K` is the kind of projection, and what `start` returns: [`InMemory`](super::InMemory) (see
/// [`Runtime::projection`](crate::Runtime::projection)), [`Keyed`](super::Keyed) (see
/// [`Runtime::keyed`](crate::Runtime::keyed)) or [`InDatabase`](super::InDatabase) (see
/// [`Runtime::database`](crate::Runtime::database)).
#[must_use = "a projection does nothing before `start`"]
pub struct ProjectionBuilder<K: ProjectionKind> {
    pub(super) inner: Arc<Inner>,
    pub(super) name: String,
    pub(super) settings: K::Settings,
    pub(super) manner: Manner,
    /// Why an aggregate type that it follows does not fit.
    pub(super) mistake: Option<SchemaError>,
}

/// A kind of projection: [`InMemory`](super::InMemory), [`Keyed`](super::Keyed) or
/// [`InDatabase`](super::InDatabase).
pub trait ProjectionKind: Sized {
    /// The settings that only this kind has.
    #[doc(hidden)]
    type Settings;
}

/// A kind of projection whose view the runtime stores: [`InMemory`](super::InMemory) or
/// [`Keyed`](super::Keyed).
pub trait StoredKind: ProjectionKind<Settings = StoredSettings<Self::Folded>> {
    /// What events are folded into.
    #[doc(hidden)]
    type Folded: 'static;
}

/// The settings of a projection whose view the runtime stores.
#[doc(hidden)]
pub struct StoredSettings<F> {
    pub(super) routes: Routes<F>,
    pub(super) version: u32,
    pub(super) also_reads: Vec<u32>,
    pub(super) from_scratch: bool,
    pub(super) codec: Codec,
    /// How often a view in memory is saved.
    pub(super) save_every: Duration,
    /// Makes a copy that is saved while events still change the view.
    pub(super) copy: Option<fn(&F) -> F>,
}

impl<F: 'static> Default for StoredSettings<F> {
    fn default() -> Self {
        Self {
            routes: Routes::default(),
            version: 1,
            also_reads: vec![],
            from_scratch: false,
            codec: Codec::SNAPSHOTS,
            save_every: Duration::from_secs(30),
            copy: None,
        }
    }
}

/// A running projection, and the channel that takes orders to rebuild its view.
pub(super) type Running<T> = (ProjectionHandle, mpsc::Sender<Order<T>>);

impl<K: ProjectionKind> ProjectionBuilder<K> {
    pub(super) fn with(
        inner: Arc<Inner>,
        name: String,
        settings: K::Settings,
        batch_time: Duration,
    ) -> Self {
        let manner = Manner { retry: Retry::default(), batch_time };
        Self { inner, name, settings, manner, mistake: None }
    }

    /// Checks the names of an aggregate type that it is to follow. A mistake is reported by `start`.
    pub(super) fn check<A: Aggregate>(&mut self) {
        self.mistake = self.mistake.take().or(names::check::<A>().err());
    }

    /// Sets how often an event (in a database: a batch) that fails is tried again before the projection
    /// halts.
    ///
    /// From the second attempt on, a view in memory stays as it was before the event. After the first one
    /// it goes back to its last save.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.manner.retry = retry;
        self
    }

    /// Sets how long events may gather before the view takes them together, while it keeps up with the log. Default: 5
    /// ms in memory, 20 ms for rows on a disk and in a database. Zero takes them as soon as it can.
    ///
    /// The first event after a quiet moment is taken at once. So are all events as soon as a caller waits for the view,
    /// with [`wait_for`](crate::health::FollowerHandle::wait_for) or
    /// [`consistent_with`](crate::request::Execute::consistent_with). Other readers see an event so much later at most, or
    /// 50 ms later if the view is slow, and up to 50 ms more while others fold. A longer time makes larger batches, which
    /// leave the commands more of the processors and of the disk.
    pub fn batch_time(mut self, time: Duration) -> Self {
        self.manner.batch_time = time;
        self
    }

    /// Reserves the name, unless the projection follows no aggregate type.
    pub(super) fn register(&self, types: &Types) -> Result<Registration, StartError> {
        if types.names().next().is_none() {
            return Err(StartError::FollowsNothing(self.name.clone()));
        }
        if let Some(source) = self.mistake.clone() {
            return Err(StartError::Schema { name: self.name.clone(), source });
        }
        let registration = self.inner.followers.register(&self.name, FollowerKind::Projection)?;
        registration.shared().set_types(types.names());
        Ok(registration)
    }

    /// Runs what follows the log, with the targets of `source`.
    pub(super) async fn run<T: Target>(
        inner: Arc<Inner>,
        registration: Registration,
        manner: Manner,
        source: impl Source<T>,
    ) -> Result<Running<T>, StartError> {
        let source = Arc::new(source);
        let (hosted, orders) = host::start(&inner.engine, registration, manner, source).await?;
        Ok((ProjectionHandle::new(hosted, inner), orders))
    }
}

impl<K: StoredKind> ProjectionBuilder<K> {
    /// Sets the version of the projection's code. Default: 1.
    ///
    /// Raise it whenever the shape of the view changes (of its rows, their keys or secondary keys), or
    /// what the projection makes of the events, or which aggregate types it follows. The view is then
    /// rebuilt from the first event.
    pub fn version(mut self, version: u32) -> Self {
        self.settings.version = version;
        self
    }

    /// Lets the view of an older version be read until the new one has caught up. That view must still
    /// decode. Without this, the new view is read while it is built.
    pub fn also_reads(mut self, version: u32) -> Self {
        self.settings.also_reads.push(version);
        self
    }

    /// Starts with the first event, whatever is stored. Repairs a damaged view.
    pub fn from_scratch(mut self) -> Self {
        self.settings.from_scratch = true;
        self
    }

    /// Sets how the view is stored. Default: bincode.
    ///
    /// A view or a row with a part that serde hides (a flattened field, an untagged or internally tagged enum,
    /// `serde_json::Value`, or a value that accepts no sample) is stored with MessagePack when bincode is
    /// set, because bincode would read other values after a change of that part.
    ///
    /// JSON accepts only maps whose keys are texts. Each row of a keyed view stores its codec, so there the
    /// codec may change from one start to the next.
    pub fn codec(mut self, codec: Codec) -> Self {
        self.settings.codec = codec;
        self
    }

    /// Runs the projection with the targets of a source made from the place of its view, in which the
    /// view or its rows have that shape.
    pub(super) async fn run_stored<T: Target, S: Source<T>>(
        self,
        shape: u64,
        source: impl FnOnce(SavedViews, StoredSettings<K::Folded>) -> S,
    ) -> Result<Running<T>, StartError> {
        let types = self.settings.routes.types();
        let registration = self.register(&types)?;
        let Self { inner, name, settings, manner, .. } = self;
        let (views, version) = (inner.views.clone(), settings.version);
        let reader = inner.engine.store.reader().map_err(|_| StartError::ShuttingDown)?;
        let saved_views = opening(&inner.engine.work_pool, move || {
            let (place, lineage) = (views.place(&name)?, reader.maintenance().lineage());
            Ok(SavedViews { name, place, version, shape, lineage, types })
        });
        let source = source(saved_views.await?, settings);
        Self::run(inner, registration, manner, source).await
    }
}
