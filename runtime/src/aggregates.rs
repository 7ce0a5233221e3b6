//! [`Aggregates`]: the handle of one hosted aggregate type.

use std::sync::Arc;

use actuarius_domain::{Aggregate, Envelope, Id, InvalidId, Position, Version};
use actuarius_persistence::{Page, PageLimit, ReadError, Reader};

use crate::aggregate::directory::Directory;
use crate::base::error::Failure;
use crate::base::keep_alive::KeepAlive;
use crate::base::stored_commit::{commit_with, is_deletion};
use crate::follow::followers::Followers;
use crate::history::{self, History, IdListing, Moment, Past};
use crate::operations::{Delete, Reuse};
use crate::request::execute::Execute;
use crate::request::query::Query;
use crate::schema::decoding::{Decoder, Undecodable};
use crate::timers::ArmTimers;

/// The handle of one hosted aggregate type, returned by [`Runtime::host`](crate::Runtime::host). Cheap to
/// clone, and keeps the runtime running.
///
/// Methods take an [`Id`] or a string; a string that is not a valid id gives [`Failure::InvalidId`].
pub struct Aggregates<A: Aggregate> {
    pub(crate) directory: Arc<Directory<A>>,
    followers: Arc<Followers>,
    inner: KeepAlive,
}

impl<A: Aggregate> Clone for Aggregates<A> {
    fn clone(&self) -> Self {
        let (directory, followers) = (self.directory.clone(), self.followers.clone());
        Self { directory, followers, inner: self.inner.clone() }
    }
}

impl<A: Aggregate> Aggregates<A> {
    pub(crate) fn new(
        directory: Arc<Directory<A>>,
        followers: Arc<Followers>,
        inner: KeepAlive,
    ) -> Self {
        Self { directory, followers, inner }
    }

    pub(crate) fn directory(&self) -> &Arc<Directory<A>> {
        &self.directory
    }

    /// Sends a command to an aggregate, which is loaded if it is not in memory. Awaiting the result gives a
    /// [`Receipt`](crate::Receipt) once the command's events are durable.
    ///
    /// The commands of one aggregate are decided in the order in which they are first polled.
    ///
    /// # Errors
    /// [`ExecuteError::Rejected`](crate::ExecuteError::Rejected) if the aggregate rejects the command; nothing
    /// was written. [`ExecuteError::Failed`](crate::ExecuteError::Failed) otherwise; see [`Failure`] for
    /// whether anything was written and what to do.
    pub fn execute<I>(&self, id: I, command: A::Command) -> Execute<A>
    where
        I: TryInto<Id<A>>,
        InvalidId: From<I::Error>,
    {
        Execute::new(self.directory.clone(), checked(id), command)
    }

    /// Reads the state of an aggregate, which is loaded if it is not in memory. An aggregate that does not
    /// exist has the default state.
    ///
    /// `read` runs in the aggregate's actor: keep it short, and copy out what you need.
    ///
    /// ```
    /// # use std::convert::Infallible;
    /// # use actuarius::{Aggregate, Context, Runtime};
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Default, Serialize, Deserialize)]
    /// # struct Counter(i64);
    /// # #[derive(Serialize, Deserialize)]
    /// # enum Counted { Added(i64) }
    /// # impl Aggregate for Counter {
    /// #     const TYPE: &'static str = "counter";
    /// #     type Command = i64;
    /// #     type Event = Counted;
    /// #     type Error = Infallible;
    /// #     fn decide(&self, amount: i64, _: &Context) -> Result<Vec<Counted>, Infallible> {
    /// #         Ok(vec![Counted::Added(amount)])
    /// #     }
    /// #     fn apply(&mut self, Counted::Added(amount): &Counted) { self.0 += amount; }
    /// # }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let runtime = Runtime::in_memory().await?;
    /// let counters = runtime.host::<Counter>();
    /// counters.execute("visits", 2).await?;
    /// assert_eq!(counters.query("visits", |counter| counter.0).await?, 2);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// A [`Failure`]; a query writes nothing.
    pub fn query<I, R>(&self, id: I, read: impl FnOnce(&A) -> R + Send + 'static) -> Query<A, R>
    where
        I: TryInto<Id<A>>,
        InvalidId: From<I::Error>,
        R: Send + 'static,
    {
        Query::new(self.directory.clone(), checked(id), read)
    }

    /// Returns the version of an aggregate, which is the number of its events, without loading it.
    ///
    /// # Errors
    /// [`Failure::Unreadable`] if the store cannot be read, [`Failure::InvalidId`].
    pub async fn version<I>(&self, id: I) -> Result<Version, Failure>
    where
        I: TryInto<Id<A>>,
        InvalidId: From<I::Error>,
    {
        let stream = checked(id)?.stream();
        Ok(self.directory.hosted.engine.read(move |reader| reader.version(&stream)).await?)
    }

    /// Returns whether an aggregate has events and was not deleted after them, without loading it.
    ///
    /// # Errors
    /// [`Failure::Unreadable`] if the store cannot be read, [`Failure::InvalidId`].
    pub async fn exists<I>(&self, id: I) -> Result<bool, Failure>
    where
        I: TryInto<Id<A>>,
        InvalidId: From<I::Error>,
    {
        let stream = checked(id)?.stream();
        let read = move |reader: &dyn Reader| {
            let version = reader.version(&stream)?;
            if version == Version::NONE {
                return Ok::<_, ReadError>(false);
            }
            Ok(!commit_with(reader, &stream, version)?.is_some_and(|last| is_deletion(&last)))
        };
        Ok(self.directory.hosted.engine.read(read).await?)
    }

    /// Lists the ids of the aggregates of this type, page by page; see [`IdListing`].
    pub fn ids(&self) -> IdListing<A> {
        IdListing::over(self.directory.hosted.engine.clone())
    }

    /// Returns one page of an aggregate's events after the version `after`, oldest first. An empty page is
    /// the end.
    ///
    /// # Errors
    /// [`Failure::Unreadable`] if stored data is damaged, [`Failure::Undecodable`] if an event does not
    /// decode, [`Failure::InvalidId`].
    pub async fn events<I>(&self, id: I, after: Version) -> Result<Vec<Envelope<A>>, Failure>
    where
        I: TryInto<Id<A>>,
        InvalidId: From<I::Error>,
    {
        let id = checked(id)?;
        let (stream, mut from) = (id.stream(), after);
        loop {
            let stream = stream.clone();
            let read = move |reader: &dyn Reader| {
                reader.read_stream(&stream, from, Position::NONE, PageLimit::default())
            };
            let page = self.directory.hosted.engine.read(read).await?;
            let decoder = Decoder::of(&self.directory.hosted.engine.shapes);
            let envelopes = envelopes(decoder, &id, &page, after)?;
            match page.commits.last() {
                // Upcasters have dropped all events of this page.
                Some(last) if envelopes.is_empty() && page.more => {
                    from = last.view().last_version();
                }
                _ => return Ok(envelopes),
            }
        }
    }

    /// Returns the state of an aggregate at a moment of its history, without loading it. The moment is a
    /// [`Version`], a [`Position`] of the log or a [`Timestamp`](crate::Timestamp); [`Moment`] documents
    /// which events it includes. A moment in the future gives the present state, with its version.
    ///
    /// The state is replayed from the last snapshot before that moment, if one is
    /// [kept](crate::Hosting::snapshots_kept), page by page, so a long history needs little memory.
    ///
    /// ```
    /// # use std::convert::Infallible;
    /// # use actuarius::{Aggregate, Context, Runtime};
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Default, Serialize, Deserialize)]
    /// # struct Counter(i64);
    /// # #[derive(Serialize, Deserialize)]
    /// # enum Counted { Added(i64) }
    /// # impl Aggregate for Counter {
    /// #     const TYPE: &'static str = "counter";
    /// #     type Command = i64;
    /// #     type Event = Counted;
    /// #     type Error = Infallible;
    /// #     fn decide(&self, amount: i64, _: &Context) -> Result<Vec<Counted>, Infallible> {
    /// #         Ok(vec![Counted::Added(amount)])
    /// #     }
    /// #     fn apply(&mut self, Counted::Added(amount): &Counted) { self.0 += amount; }
    /// # }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let runtime = Runtime::in_memory().await?;
    /// let counters = runtime.host::<Counter>();
    /// let receipt = counters.execute("visits", 2).await?;
    /// counters.execute("visits", 3).await?;
    ///
    /// let before = counters.as_of("visits", receipt.version).await?;
    /// assert_eq!(before.state.0, 2);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Failure::Unreadable`] if stored data is damaged, [`Failure::Undecodable`] if an event does not
    /// decode, [`Failure::Panicked`] if `apply` panics, [`Failure::Removed`] if the events were deleted
    /// since, [`Failure::InvalidId`]. Nothing is written.
    pub async fn as_of<I>(&self, id: I, moment: impl Into<Moment>) -> Result<Past<A>, Failure>
    where
        I: TryInto<Id<A>>,
        InvalidId: From<I::Error>,
    {
        history::as_of(&self.directory.hosted, &checked(id)?, moment.into()).await
    }

    /// Returns the history of an aggregate, event by event, each with the state after it. Reads nothing
    /// until [`History::next`] is called, which also reports an invalid id.
    pub fn history<I>(&self, id: I) -> History<A>
    where
        I: TryInto<Id<A>>,
        InvalidId: From<I::Error>,
    {
        History::of(self.directory.hosted.clone(), checked(id))
    }

    /// Deletes an aggregate: ends its stream with an internal event, and removes the events before it from
    /// the log and the archive, and its snapshots. When this returns, they can no longer be read; their
    /// bytes are returned to the file system when the store is
    /// [compacted](crate::store::sled::compact).
    ///
    /// It first waits until every follower of the aggregate type has finished the aggregate's events, so that none
    /// loses the last of them; see [`Delete`]. Views and subscriptions can react to the end of the stream:
    /// [`ProjectionBuilder::on_deleted`](crate::projection::ProjectionBuilder::on_deleted),
    /// [`SubscriptionBuilder::on_deleted`](crate::subscription::SubscriptionBuilder::on_deleted). Backups keep what
    /// they contain.
    ///
    /// Deleting an aggregate that is deleted or never existed changes nothing. One that is quarantined can be deleted, too,
    /// unless its data is damaged, its snapshot is newer than the log, or its recovery panics. A dropped future or a crash
    /// leaves no partial deletion: once the stream has ended, the rest is done, at the latest when the
    /// runtime is opened again.
    ///
    /// # Errors
    /// A [`Failure`]; nothing was removed unless the stream has ended. Call it again.
    /// [`Failure::FollowersLag`] names the followers that have not finished its events.
    pub fn delete<I>(&self, id: I, reuse: Reuse) -> Delete<A>
    where
        I: TryInto<Id<A>>,
        InvalidId: From<I::Error>,
    {
        Delete::new(self.directory.clone(), self.followers.clone(), checked(id), reuse)
    }

    /// Arms the [timers](crate::timers) of the aggregates of this type, page by page; see [`ArmTimers`]. For aggregates
    /// that had their last command before a timer was declared, or its function changed, and for a store that was copied or
    /// restored.
    ///
    /// A page loads each of its aggregates, writes a note for each timer that is new or earlier than the noted one, and
    /// returns when these are durable. Doing it again does no harm. An aggregate that cannot be loaded now is asked again in
    /// the background.
    ///
    /// # Errors
    /// [`Failure::Unreadable`] if the log cannot be read, [`Failure::Unavailable`] if the timers cannot be read or the
    /// runtime shuts down, [`Failure::Poisoned`] if the store has failed. Some aggregates of the page may be armed. Repeat
    /// the page.
    pub fn arm_timers(&self) -> ArmTimers<A> {
        ArmTimers::of(self.directory.clone())
    }

    /// Unloads an aggregate after a snapshot, as soon as it is idle; its next request loads it again. Returns
    /// false if it is not in memory.
    ///
    /// # Errors
    /// [`Failure::InvalidId`].
    pub fn passivate<I>(&self, id: I) -> Result<bool, Failure>
    where
        I: TryInto<Id<A>>,
        InvalidId: From<I::Error>,
    {
        Ok(self.directory.passivate(&checked(id)?))
    }

    /// Puts a quarantined aggregate back into service: its next request recovers it again. Returns false if
    /// it was not quarantined.
    ///
    /// # Errors
    /// [`Failure::InvalidId`].
    pub fn release<I>(&self, id: I) -> Result<bool, Failure>
    where
        I: TryInto<Id<A>>,
        InvalidId: From<I::Error>,
    {
        Ok(self.directory.release(&checked(id)?))
    }

    /// Returns how many aggregates of this type are in memory.
    #[must_use]
    pub fn resident(&self) -> usize {
        self.directory.hosted.residency.resident()
    }
}

fn envelopes<A: Aggregate>(
    decoder: Decoder<A>,
    id: &Id<A>,
    page: &Page,
    after: Version,
) -> Result<Vec<Envelope<A>>, Undecodable> {
    let mut envelopes = Vec::new();
    for commit in &page.commits {
        let commit = commit.view();
        for event in commit.events().filter(|event| event.version > after) {
            envelopes.extend(decoder.envelopes(id, &commit, &event)?);
        }
    }
    Ok(envelopes)
}

pub(crate) fn checked<A, I>(id: I) -> Result<Id<A>, Failure>
where
    I: TryInto<Id<A>>,
    InvalidId: From<I::Error>,
{
    id.try_into().map_err(|error| Failure::InvalidId(error.into()))
}
