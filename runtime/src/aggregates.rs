use std::sync::Arc;

use actuarius_domain::{Aggregate, Envelope, Id, InvalidId, Position, Version};
use actuarius_persistence::{Page, PageLimit, ReadError, Reader};

use crate::decoding::{Decoder, Undecodable};
use crate::directory::Directory;
use crate::error::Failure;
use crate::execute::Execute;
use crate::keep_alive::KeepAlive;
use crate::query::Query;

/// The aggregates of one type: address them by id. Cheap to clone, and all a service needs to hold.
///
/// An id may be a text or an [`Id`]; a text that cannot be an id is answered with
/// [`Failure::InvalidId`].
pub struct Aggregates<A: Aggregate> {
    directory: Arc<Directory<A>>,
    alive: KeepAlive,
}

impl<A: Aggregate> Clone for Aggregates<A> {
    fn clone(&self) -> Self {
        Self { directory: self.directory.clone(), alive: self.alive.clone() }
    }
}

impl<A: Aggregate> Aggregates<A> {
    pub(crate) fn new(directory: Arc<Directory<A>>, alive: KeepAlive) -> Self {
        Self { directory, alive }
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
        self.read(move |reader| reader.version(&stream)).await
    }

    /// Whether an aggregate has any events, without bringing it into memory.
    ///
    /// # Errors
    /// [`Failure::Unreadable`].
    pub async fn exists<I>(&self, id: I) -> Result<bool, Failure>
    where
        I: TryInto<Id<A>>,
        InvalidId: From<I::Error>,
    {
        Ok(self.version(id).await? > Version::NONE)
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
            let page = self.read(read).await?;
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
        self.directory.home.residency.resident()
    }

    async fn read<R: Send + 'static>(
        &self,
        look: impl FnOnce(&dyn Reader) -> Result<R, ReadError> + Send + 'static,
    ) -> Result<R, Failure> {
        let reader = self.directory.home.engine.library.reader()?;
        let read = tokio::task::spawn_blocking(move || look(&*reader));
        Ok(read.await.map_err(|_| Failure::shutting_down())??)
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
