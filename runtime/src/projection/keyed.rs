//! Projections into keyed views: rows and their position change in one step, so that each event counts exactly
//! once.
//!
//! `handle` (the running projection), `target` (takes events), `batch` (rows that are not stored yet),
//! `generations` (the tables of a view), `opening` (which table a projection starts with), `change_feed` (sends
//! changes to streams) and `as_of` (rows of the past).

mod as_of;
mod batch;
mod change_feed;
mod generations;
mod handle;
mod opening;
mod target;

use std::sync::Arc;

use actuarius_domain::Aggregate;

pub use as_of::PastRows;
pub use change_feed::{Change, Missed};
pub use handle::Keyed;

use super::as_of::AsOfError;
use super::builder::{ProjectionBuilder, ProjectionKind, StoredKind, StoredSettings};
use super::rows::{CurrentTable, Draft, KeyedProjection, Rows, RowsView, View};
use super::target::BATCH_TIME_ON_DISK;
use crate::follow::deleted_aggregate::DeletedAggregate;
use crate::follow::followers::StartError;
use crate::history::LogMoment;
use crate::inner::Inner;
use crate::schema::decoding::Decoder;
use crate::schema::shape::{codec_for, fingerprint};
use change_feed::ChangeFeed;
use generations::Generations;
pub(super) use generations::must_erase;
use opening::KeyedSource;

impl<V: View> ProjectionKind for Keyed<V> {
    type Settings = StoredSettings<Draft<V>>;
}

impl<V: View> StoredKind for Keyed<V> {
    type Folded = Draft<V>;
}

impl<V: View> ProjectionBuilder<Keyed<V>> {
    pub(crate) fn keyed(inner: Arc<Inner>, name: String) -> Self {
        Self::with(inner, name, StoredSettings::default(), BATCH_TIME_ON_DISK)
    }

    /// Adds an aggregate type whose events the view follows. Call it for each type.
    ///
    /// Raise the [`version`](Self::version) when a type is added or removed: the view needs its events from
    /// the first one on.
    pub fn on<A: Aggregate>(mut self) -> Self
    where
        V: KeyedProjection<A>,
    {
        self.check::<A>();
        let (routes, decoder) = (self.settings.routes, Decoder::of(&self.inner.engine.shapes));
        self.settings.routes = routes.on(decoder, |draft: &mut Draft<V>, envelope| {
            draft.project(envelope.header.position, |rows| V::project(rows, envelope));
        });
        self
    }

    /// Adds what happens when an aggregate of the type `A` is deleted, such as removing its row.
    ///
    /// The events before the end of a stream are removed from the log. A view that starts later, or is rebuilt, takes
    /// none of them, and receives the end all the same. So a view depends on the order of the log alone if it keeps
    /// nothing of an aggregate after its end. Raise the [`version`](Self::version) when this is added to a view that
    /// exists: it has received earlier ends without it.
    ///
    /// ```
    /// # use actuarius::{Aggregate, Context, Envelope, Runtime};
    /// # use actuarius::operations::Reuse;
    /// # use actuarius::projection::{KeyedProjection, Rows, View};
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Default, Serialize, Deserialize)]
    /// # struct Customer;
    /// # #[derive(Serialize, Deserialize)]
    /// # enum CustomerEvent { Paid(u64) }
    /// # impl Aggregate for Customer {
    /// #     const TYPE: &'static str = "customer";
    /// #     type Command = u64;
    /// #     type Event = CustomerEvent;
    /// #     type Error = std::convert::Infallible;
    /// #     fn decide(&self, cents: u64, _: &Context) -> Result<Vec<CustomerEvent>, Self::Error> {
    /// #         Ok(vec![CustomerEvent::Paid(cents)])
    /// #     }
    /// #     fn apply(&mut self, _: &CustomerEvent) {}
    /// # }
    /// # struct Spend;
    /// # impl View for Spend { type Key = String; type Row = u64; }
    /// # impl KeyedProjection<Customer> for Spend {
    /// #     fn project(rows: &mut Rows<'_, Self>, envelope: &Envelope<Customer>) {
    /// #         let CustomerEvent::Paid(cents) = envelope.event;
    /// #         rows.update(envelope.id.as_str(), |row| *row += cents);
    /// #     }
    /// # }
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let runtime = Runtime::in_memory().await?;
    /// let spend = runtime.keyed::<Spend>("spend").on::<Customer>();
    /// let spend = spend.on_deleted::<Customer>(|rows, deleted| rows.remove(deleted.id.as_str()));
    /// let spend = spend.start().await?;
    ///
    /// let customers = runtime.host::<Customer>();
    /// customers.execute("ada", 5).await?;
    /// customers.delete("ada", Reuse::Never).await?;
    /// spend.wait_for(runtime.head()).await?;
    /// assert_eq!(spend.get("ada")?, None);
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_deleted<A: Aggregate>(
        mut self,
        react: impl Fn(&mut Rows<'_, V>, &DeletedAggregate<A>) + Send + Sync + 'static,
    ) -> Self {
        self.check::<A>();
        let react = move |draft: &mut Draft<V>, deleted: &DeletedAggregate<A>| {
            draft.project(deleted.header.position, |rows| react(rows, deleted));
        };
        self.settings.routes = self.settings.routes.on_deleted(react);
        self
    }

    /// Returns the rows as they were at a moment of the log, given as a [`Position`](crate::Position) or a
    /// [`Timestamp`](crate::Timestamp).
    ///
    /// They are built in memory from the first event on, apart from the projection of this name, which may
    /// run. Nothing is started.
    ///
    /// # Errors
    /// [`AsOfError`]; nothing was changed.
    pub async fn as_of(self, moment: impl Into<LogMoment>) -> Result<PastRows<V>, AsOfError> {
        let Self { inner, name, settings, .. } = self;
        if settings.routes.is_empty() {
            return Err(AsOfError::FollowsNothing(name));
        }
        as_of::as_of(&inner.engine, name, settings, moment.into()).await
    }

    /// Starts the projection at the position of its view.
    ///
    /// The view catches up while it is read. [`wait_for`](crate::health::FollowerHandle::wait_for) waits for a
    /// position.
    ///
    /// # Errors
    /// [`StartError`]; no row was changed. [`StartError::View`]: the view is in use, perhaps by a [`Keyed`]
    /// of a projection that was stopped, or it is damaged: start it [`from_scratch`](Self::from_scratch).
    /// [`StartError::OtherTypes`]: it was made from the events of other types.
    pub async fn start(self) -> Result<Keyed<V>, StartError> {
        let (table, feed) = (CurrentTable::default(), ChangeFeed::new());
        let outputs = (table.clone(), feed.clone());
        let running = self.run_stored(fingerprint::<V::Row>(), |saved_views, mut settings| {
            settings.codec = codec_for::<V::Row>(settings.codec);
            let generations = Arc::new(Generations(saved_views));
            KeyedSource { settings, generations, outputs }
        });
        let (projection, orders) = running.await?;
        let name = projection.name().to_owned();
        Ok(Keyed { rows: RowsView::of(&name, table, projection), feed, orders })
    }
}
