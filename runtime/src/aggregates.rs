use std::sync::Arc;

use actuarius_domain::{Aggregate, Envelope, Id, InvalidId, Position, Version};
use actuarius_persistence::{Page, PageLimit, ReadError, Reader};

use crate::aggregate::directory::Directory;
use crate::base::error::Failure;
use crate::base::keep_alive::KeepAlive;
use crate::history::{self, Diff, History, Moment, Past};
use crate::operations::archive::{self, ArchivePart, Archived, ArchivingError};
use crate::operations::deletion::{self, Deleted, Reuse};
use crate::request::execute::Execute;
use crate::request::query::Query;
use crate::schema::decoding::{Decoder, Undecodable};

/// The aggregates of one type: address them by id. Cheap to clone, and all a service needs to hold.
///
/// An id may be a text or an [`Id`]; a text that cannot be an id is answered with
/// [`Failure::InvalidId`].
pub struct Aggregates<A: Aggregate> {
    directory: Arc<Directory<A>>,
    inner: KeepAlive,
}

impl<A: Aggregate> Clone for Aggregates<A> {
    fn clone(&self) -> Self {
        Self { directory: self.directory.clone(), inner: self.inner.clone() }
    }
}

impl<A: Aggregate> Aggregates<A> {
    pub(crate) fn new(directory: Arc<Directory<A>>, inner: KeepAlive) -> Self {
        Self { directory, inner }
    }

    pub(crate) fn directory(&self) -> &Arc<Directory<A>> {
        &self.directory
    }

    /// Sends a command to an aggregate, which comes into memory for it if need be. Await the result
    /// for a [`Receipt`](crate::Receipt): then the command's events are durable.
    ///
    /// Commands of one aggregate are decided in the order in which they are first polled.
    ///
    /// # Errors
    /// [`ExecuteError::Rejected`](crate::ExecuteError::Rejected) is the aggregate's no;
    /// [`ExecuteError::Failed`](crate::ExecuteError::Failed) says whether anything was written and
    /// what to do now.
    pub fn execute<I>(&self, id: I, command: A::Command) -> Execute<A>
    where
        I: TryInto<Id<A>>,
        InvalidId: From<I::Error>,
    {
        Execute::new(self.directory.clone(), checked(id), command)
    }

    /// Looks at an aggregate's state, which comes into memory for it if need be. An aggregate that
    /// does not exist shows its default state.
    ///
    /// The closure runs in the aggregate's actor: keep it short, and copy out what is needed.
    ///
    /// # Errors
    /// A [`Failure`]; nothing was to be written.
    pub fn query<I, R>(&self, id: I, look: impl FnOnce(&A) -> R + Send + 'static) -> Query<A, R>
    where
        I: TryInto<Id<A>>,
        InvalidId: From<I::Error>,
        R: Send + 'static,
    {
        Query::new(self.directory.clone(), checked(id), look)
    }

    /// How many events an aggregate has, without bringing it into memory.
    ///
    /// # Errors
    /// [`Failure::Unreadable`].
    pub async fn version<I>(&self, id: I) -> Result<Version, Failure>
    where
        I: TryInto<Id<A>>,
        InvalidId: From<I::Error>,
    {
        let stream = checked(id)?.stream();
        Ok(self.directory.hosted.engine.read(move |reader| reader.version(&stream)).await?)
    }

    /// Whether an aggregate has any events, and was not deleted behind them, without bringing it into
    /// memory.
    ///
    /// # Errors
    /// [`Failure::Unreadable`].
    pub async fn exists<I>(&self, id: I) -> Result<bool, Failure>
    where
        I: TryInto<Id<A>>,
        InvalidId: From<I::Error>,
    {
        let stream = checked(id)?.stream();
        let look = move |reader: &dyn Reader| {
            let version = reader.version(&stream)?;
            if version == Version::NONE {
                return Ok::<_, ReadError>(false);
            }
            let before = Version::new(version.get() - 1);
            let last = reader.maintenance().read_raw_stream(
                &stream,
                before,
                PageLimit { commits: 1, bytes: 0 },
            )?;
            let last = last.commits.last().map(|commit| commit.view());
            Ok(!last.is_some_and(|it| it.events().any(|event| event.deletion().is_some())))
        };
        Ok(self.directory.hosted.engine.read(look).await?)
    }

    /// One page of an aggregate's events behind `after`, oldest first. An empty page is the end.
    ///
    /// # Errors
    /// [`Failure::Unreadable`] when stored data is damaged, [`Failure::Undecodable`] when an event
    /// does not decode.
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
            let envelopes = envelopes(&id, &page, after)?;
            match page.commits.last() {
                // Nothing that is stored on this page is an event today.
                Some(last) if envelopes.is_empty() && page.more => {
                    from = last.view().last_version();
                }
                _ => return Ok(envelopes),
            }
        }
    }

    /// An aggregate's state at a moment of its history, without bringing it into memory: at a
    /// [`Version`], a [`Position`] of the log or a [`Timestamp`](crate::Timestamp). [`Moment`] says
    /// which events had happened then. A moment that has not come yet shows the present, which the
    /// version tells.
    ///
    /// It is replayed from the last snapshot before that moment, if one is
    /// [kept](crate::Hosting::snapshots_kept), in pages: also a long history takes little memory.
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
    /// [`Failure::Unreadable`] when stored data is damaged, [`Failure::Undecodable`] when an event
    /// does not decode, [`Failure::Panicked`] when `apply` does, [`Failure::Removed`] when it was
    /// deleted since. Nothing was to be written.
    pub async fn as_of<I>(&self, id: I, moment: impl Into<Moment>) -> Result<Past<A>, Failure>
    where
        I: TryInto<Id<A>>,
        InvalidId: From<I::Error>,
    {
        history::as_of(&self.directory.hosted, &checked(id)?, moment.into()).await
    }

    /// An aggregate's history, event by event, each with the state after it.
    pub fn history<I>(&self, id: I) -> History<A>
    where
        I: TryInto<Id<A>>,
        InvalidId: From<I::Error>,
    {
        History::of(self.directory.hosted.clone(), checked(id))
    }

    /// What has changed between two moments of an aggregate's history: the state at each, which fields
    /// are different, and the events in between. The first moment may be the later one.
    ///
    /// # Errors
    /// As for [`as_of`](Aggregates::as_of).
    pub async fn diff<I>(
        &self,
        id: I,
        from: impl Into<Moment>,
        to: impl Into<Moment>,
    ) -> Result<Diff<A>, Failure>
    where
        I: TryInto<Id<A>>,
        InvalidId: From<I::Error>,
    {
        Diff::between(self.directory.hosted.clone(), checked(id)?, from.into(), to.into()).await
    }

    /// Moves events of one aggregate into the [archive](crate::persistence::archive), from where they are
    /// read as if they were in the log.
    ///
    /// # Errors
    /// [`ArchivingError`]; every event is in the log or in the archive. Call it again.
    pub async fn archive<I>(&self, id: I, part: ArchivePart) -> Result<Archived, ArchivingError>
    where
        I: TryInto<Id<A>>,
        InvalidId: From<I::Error>,
    {
        let stream = checked(id)?.stream();
        let engine = self.directory.hosted.engine.clone();
        archive::archive::<A>(engine, Some(stream), part, |_| true).await
    }

    /// Moves events of all aggregates of this type that `which` names into the archive. It walks along
    /// the whole log once, and asks once about each aggregate it meets.
    ///
    /// # Errors
    /// [`ArchivingError`]; every event is in the log or in the archive. Call it again.
    pub async fn archive_where(
        &self,
        part: ArchivePart,
        which: impl FnMut(&Id<A>) -> bool + Send + 'static,
    ) -> Result<Archived, ArchivingError> {
        archive::archive::<A>(self.directory.hosted.engine.clone(), None, part, which).await
    }

    /// Deletes an aggregate: its stream ends with an event of this library's own, and the events before
    /// it leave the log and the archive, as do its snapshots. When this returns they are gone from
    /// what can be read; the bytes are given back to the file system when the store is
    /// [compacted](crate::persistence::disk::compact).
    ///
    /// Projections and subscriptions are not told: have the aggregate say goodbye with an event of its
    /// own first, if they should know. Backups keep what they have.
    ///
    /// Deleting what is deleted or was never there changes nothing. Dropping the future, or a crash, ends
    /// nothing half: once the stream has ended the rest is done, if need be when the runtime is opened
    /// again.
    ///
    /// # Errors
    /// A [`Failure`]; as long as the stream has not ended, nothing was removed. Call it again.
    pub async fn delete<I>(&self, id: I, reuse: Reuse) -> Result<Deleted, Failure>
    where
        I: TryInto<Id<A>>,
        InvalidId: From<I::Error>,
    {
        let id = checked(id)?;
        let stream = id.stream();
        let execute = Execute::deleting(self.directory.clone(), id, reuse.into());
        deletion::delete(self.directory.hosted.engine.clone(), execute, stream).await
    }

    /// Has an aggregate leave memory as soon as it has nothing to do, through a snapshot; its next
    /// request brings it back. False if it is not in memory.
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

    /// Puts a quarantined aggregate back into service: its next request recovers it anew. False if
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

    /// How many aggregates of this type are in memory.
    #[must_use]
    pub fn resident(&self) -> usize {
        self.directory.hosted.residency.resident()
    }
}

fn envelopes<A: Aggregate>(
    id: &Id<A>,
    page: &Page,
    after: Version,
) -> Result<Vec<Envelope<A>>, Undecodable> {
    let (decoder, mut envelopes) = (Decoder::new(), Vec::new());
    for commit in &page.commits {
        let commit = commit.view();
        for event in commit.events().filter(|event| event.version > after) {
            envelopes.extend(decoder.envelopes(id, &commit, &event)?);
        }
    }
    Ok(envelopes)
}

fn checked<A, I>(id: I) -> Result<Id<A>, Failure>
where
    I: TryInto<Id<A>>,
    InvalidId: From<I::Error>,
{
    id.try_into().map_err(|error| Failure::InvalidId(error.into()))
}
