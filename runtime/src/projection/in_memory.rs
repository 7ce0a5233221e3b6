use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use actuarius_domain::{Aggregate, Position, Projection, ReadModel};
use actuarius_persistence::Codec;
use tokio::sync::mpsc;
use tokio_stream::wrappers::WatchStream;
use tokio_stream::{Stream, StreamExt};

use super::as_of::{self, AsOfError, PastView};
use super::handle::ProjectionHandle;
use super::host::{self, Opened, Source};
use super::memory::{Cell, Held, Memory};
use super::options::Options;
use super::rebuild::{Order, Rebuild, order};
use super::routes::Routes;
use super::saved::{Saved, States};
use super::target::Failed;
use crate::follow::followers::{FollowerKind, FollowerShared, Retry, StartError};
use crate::history::{self, LogMoment};
use crate::inner::Inner;
use crate::schema::shape::fingerprint;

/// A projection into a value in memory, about to start: say what it follows, then `start`.
#[must_use = "a projection does nothing before `start`"]
pub struct Project<P> {
    inner: Arc<Inner>,
    name: String,
    routes: Routes<P>,
    options: Options,
    codec: Codec,
    save_every: Duration,
}

impl<P: ReadModel> Project<P> {
    pub(crate) fn new(inner: Arc<Inner>, name: String) -> Self {
        Self {
            inner,
            name,
            routes: Routes::default(),
            options: Options::default(),
            codec: Codec::default(),
            save_every: Duration::from_secs(30),
        }
    }

    /// Lets the view follow the events of an aggregate type; call it for each type. A saved view that
    /// followed other types is built anew.
    pub fn on<A: Aggregate>(mut self) -> Self
    where
        P: Projection<A>,
    {
        self.routes = self.routes.on(|view: &mut P, envelope| view.project(envelope));
        self
    }

    /// The version of the projection's code: raise it whenever what it makes of the events, or the
    /// shape of the view, changes. The view is then built anew from the first event. Default: 1.
    pub fn version(mut self, version: u32) -> Self {
        self.options.version = version;
        self
    }

    /// Says that the view of an older version still decodes and is right enough to be read while the
    /// new one is built. Without it, the new one is read while it grows.
    pub fn also_reads(mut self, version: u32) -> Self {
        self.options.also_reads.push(version);
        self
    }

    /// Begins with the first event, whatever was saved.
    pub fn from_scratch(mut self) -> Self {
        self.options.from_scratch = true;
        self
    }

    /// How the view is saved. Default: bincode. Maps whose keys are not texts do not go into JSON.
    pub fn codec(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self
    }

    /// How often the view is saved, so that the next start has less to replay; also on shutdown. A
    /// view that takes long to save is saved less often. Default: 30 seconds.
    pub fn save_every(mut self, time: Duration) -> Self {
        self.save_every = time;
        self
    }

    /// How often an event that fails is tried again before the projection halts. From the second attempt on
    /// the view stays as it was before the event; the first throws it back to its last save.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.options.retry = retry;
        self
    }

    /// The view as it was at a moment of the log, by a [`Position`] or a
    /// [`Timestamp`](crate::Timestamp): built aside from the first event on. Nothing is started, and a
    /// projection of this name may run.
    ///
    /// # Errors
    /// [`AsOfError`]; nothing was changed.
    pub async fn as_of(self, moment: impl Into<LogMoment>) -> Result<PastView<P>, AsOfError> {
        let Self { inner, name, routes, .. } = self;
        if routes.is_empty() {
            return Err(AsOfError::FollowsNothing(name));
        }
        let take = as_of::folding(routes);
        let folded = history::fold_log(&inner.engine, moment.into(), P::default(), take).await;
        folded.map(|(view, position)| PastView { view, position })
    }

    /// Starts the projection, from the saved view or the first event. It catches up while it is
    /// read: [`wait_for`](ProjectionHandle::wait_for) waits for a position.
    ///
    /// # Errors
    /// [`StartError`]; nothing was changed.
    pub async fn start(self) -> Result<InMemory<P>, StartError> {
        let Self { inner, name, routes, options, codec, save_every } = self;
        if routes.is_empty() {
            return Err(StartError::FollowsNothing(name));
        }
        let registration = inner.followers.register(&name, FollowerKind::Projection)?;
        let (retry, shown) = (options.retry.clone(), Cell::default());
        let saved_views = options.saved_views(fingerprint::<P>(), &inner, name);
        let states = States::of(saved_views.await?, routes.types(), codec);
        let (states, read) = (Arc::new(states), shown.clone());
        let source = InMemorySource { routes, states, shown: read, options, save_every };
        let (shared, orders) =
            host::start(&inner.engine, registration, retry, Arc::new(source)).await?;
        Ok(InMemory { projection: ProjectionHandle::new(shared, inner), shown, orders })
    }
}

/// A running projection into a value in memory: read it, wait for it, follow its changes. Cheap to
/// clone. [`ProjectionHandle`] has what all projections can be asked for.
pub struct InMemory<P> {
    projection: ProjectionHandle,
    shown: Cell<P>,
    orders: mpsc::Sender<Order<Memory<P>>>,
}

impl<P> Clone for InMemory<P> {
    fn clone(&self) -> Self {
        let Self { projection, shown, orders } = self;
        Self { projection: projection.clone(), shown: shown.clone(), orders: orders.clone() }
    }
}

impl<P> Deref for InMemory<P> {
    type Target = ProjectionHandle;

    fn deref(&self) -> &ProjectionHandle {
        &self.projection
    }
}

impl<P: ReadModel> InMemory<P> {
    /// Looks at the view. Any number may look at once; the projection waits meanwhile, so copy out
    /// what is needed and leave.
    pub fn read<R>(&self, look: impl FnOnce(&P) -> R) -> R {
        look(&self.shown.read().view)
    }

    /// Looks at the view and the position up to which it has all events.
    pub fn read_at<R>(&self, look: impl FnOnce(&P, Position) -> R) -> R {
        let held = self.shown.read();
        look(&held.view, held.position)
    }

    pub(crate) fn view_reader(&self) -> ViewReader<P> {
        ViewReader { shown: self.shown.clone(), shared: self.shared().clone() }
    }

    /// A value out of the view, now and whenever it has changed: for a page that shows it live. Who
    /// is slow gets the newest value and misses those in between, so nothing piles up. It ends when
    /// the runtime is gone.
    pub fn changes<T>(
        &self,
        select: impl Fn(&P) -> T + Send + 'static,
    ) -> impl Stream<Item = T> + Send + Unpin + 'static
    where
        T: Clone + PartialEq + Send + 'static,
    {
        let (shown, mut last) = (self.shown.clone(), None);
        let moves = WatchStream::new(self.shared().progress.changes());
        moves.filter_map(move |_| {
            let value = select(&shown.read().view);
            let changed = last.as_ref() != Some(&value);
            changed.then(|| last.insert(value).clone())
        })
    }

    /// Builds the view anew from the first event, beside the one that is read, and swaps the two
    /// when the new one shows all that the old one does.
    pub fn rebuild(&self) -> Rebuild {
        order(&self.orders, None)
    }
}

/// A view, and how it is doing, for who must not keep the runtime open.
pub(crate) struct ViewReader<P> {
    shown: Cell<P>,
    pub(crate) shared: Arc<FollowerShared>,
}

impl<P: ReadModel> ViewReader<P> {
    pub(crate) fn read<R>(&self, look: impl FnOnce(&P) -> R) -> R {
        look(&self.shown.read().view)
    }
}

struct InMemorySource<P> {
    routes: Routes<P>,
    states: Arc<States>,
    shown: Cell<P>,
    options: Options,
    save_every: Duration,
}

impl<P: ReadModel> InMemorySource<P> {
    fn target(&self, generation: u64, cell: Cell<P>) -> Memory<P> {
        let (states, cells) = ((self.states.clone(), generation), (cell, self.shown.clone()));
        Memory::new(self.routes.clone(), states, cells, self.save_every)
    }

    /// An empty view, which is read while it grows.
    fn begin(&self) -> Result<Memory<P>, StartError> {
        self.shown.put(Held::default());
        Ok(self.target(self.states.next()?, self.shown.clone()))
    }

    /// Whatever was saved is forgotten, also by a start after this one that finds nothing saved yet.
    fn begin_from_scratch(&self) -> Result<Memory<P>, StartError> {
        let mut target = self.begin()?;
        target.forget_others()?;
        Ok(target)
    }

    /// The current state, if it was made from this log.
    fn current(&self) -> Result<Option<(u64, Saved)>, StartError> {
        let Some(generation) = self.states.current()? else { return Ok(None) };
        let Some(saved) = self.states.load(generation)? else { return Ok(None) };
        if !self.states.is_ours(&saved) {
            return Ok(self.states.useless("it was made from another store"));
        }
        Ok(Some((generation, saved)))
    }

    /// Has what was saved read from now on, and tells its position; if it can be understood.
    fn show(&self, saved: &Saved) -> Option<Position> {
        let decoded = Held::saved(saved);
        let held: Held<P> = decoded.map_or_else(|why| self.states.useless(why), Some)?;
        let position = held.position;
        self.shown.put(held);
        Some(position)
    }
}

impl<P: ReadModel> Source<Memory<P>> for InMemorySource<P> {
    fn open(&self) -> Result<Opened<Memory<P>>, StartError> {
        if self.options.from_scratch {
            return Ok(Opened { target: self.begin_from_scratch()?, older: None });
        }
        if let Some((generation, saved)) = self.current()? {
            if self.states.must_go(saved.taint) {
                let _: Option<()> = self.states.useless("someone in it was forgotten");
                return Ok(Opened { target: self.begin_from_scratch()?, older: None });
            }
            if self.states.is_same(&saved) && self.show(&saved).is_some() {
                let mut target = self.target(generation, self.shown.clone());
                target.was_found();
                return Ok(Opened { target, older: None });
            }
            if self.options.also_reads.contains(&saved.version)
                && let Some(position) = self.show(&saved)
            {
                let target = self.target(self.states.next()?, Cell::default());
                return Ok(Opened { target, older: Some(position) });
            }
        }
        Ok(Opened { target: self.begin()?, older: None })
    }

    fn fresh(&self) -> Result<Memory<P>, Failed> {
        let generation = self.states.next();
        let generation = generation.map_err(|error| Failed::at(Position::NONE, error))?;
        Ok(self.target(generation, Cell::default()))
    }
}
