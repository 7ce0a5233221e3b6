//! [`History`]: the history of one aggregate, event by event, each with the state after it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::vec;

use actuarius_domain::{Aggregate, Envelope, Id, Version};
use actuarius_persistence::{Commit, Reader};

use super::moment::Moment;
use super::walk::{Walk, panicked, walk_to};
use crate::aggregate::hosted_type::HostedType;
use crate::aggregate::replay;
use crate::base::error::Failure;
use crate::schema::decoding::Decoder;

/// After all events, also future ones.
const END: Moment = Moment::Version(Version::new(u64::MAX));

/// The history of one aggregate, event by event, each with the state after it. It holds one page of
/// events and one state, however long the history is.
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
/// # let counters = runtime.host::<Counter>();
/// counters.execute("visits", 2).await?;
/// counters.execute("visits", 3).await?;
///
/// let mut history = counters.history("visits");
/// let mut sums = Vec::new();
/// while let Some(step) = history.next().await? {
///     sums.push((step.envelope.header.version.get(), step.state.0));
/// }
/// assert_eq!(sums, [(1, 2), (2, 5)]);
/// # Ok(())
/// # }
/// ```
///
/// The history of a deleted aggregate has only the events after the deletion, if its id was used again.
#[must_use = "a history is read with `next`"]
pub struct History<A: Aggregate> {
    hosted: Arc<HostedType<A>>,
    id: Result<Id<A>, Failure>,
    from: Version,
    until: Option<Moment>,
    decoder: Decoder<A>,
    walk: Option<Walk<A>>,
    page: vec::IntoIter<Commit>,
    /// The version of the last step that was returned, and how many steps of it were.
    given: (Version, usize),
    /// How many data subjects were forgotten before the state and the events were decoded.
    forgotten: u64,
    /// The decoded events of one commit; an event that does not decode is the last one.
    events: VecDeque<Result<Envelope<A>, Failure>>,
    /// Why the history ended with an error, which every further step returns.
    broken: Option<Failure>,
}

/// One event of a history, and the state after it. A stored event that upcasters turn into several events
/// gives several steps of one version.
pub struct HistoryStep<'a, A: Aggregate> {
    /// The event with its header.
    pub envelope: Envelope<A>,
    /// The state after the event.
    pub state: &'a A,
}

impl<A: Aggregate> History<A> {
    pub(crate) fn of(hosted: Arc<HostedType<A>>, id: Result<Id<A>, Failure>) -> Self {
        let decoder = Decoder::of(&hosted.engine.shapes);
        Self {
            id,
            from: Version::NONE.next(),
            until: None,
            decoder,
            walk: None,
            page: Vec::new().into_iter(),
            given: (Version::NONE, 0),
            forgotten: hosted.engine.keyring.forgotten(),
            events: VecDeque::new(),
            broken: None,
            hosted,
        }
    }

    /// Starts with the event of this version. The state before it is computed as by
    /// [`as_of`](crate::Aggregates::as_of). Default: the first event.
    pub fn from(mut self, version: Version) -> Self {
        self.from = version;
        self
    }

    /// Ends with the last event that had been stored at this moment. Default: the last event at the time
    /// it is reached.
    pub fn until(mut self, moment: impl Into<Moment>) -> Self {
        self.until = Some(moment.into());
        self
    }

    /// Returns the next event with the state after it; `None` after the last one. A later call returns
    /// events that were stored in the meantime, unless [`until`](History::until) was set.
    ///
    /// # Errors
    /// [`Failure::Unreadable`] and [`Failure::Unavailable`]: nothing was skipped, call it again.
    /// [`Failure::Undecodable`], and [`Failure::Panicked`] if `apply` panics: the history ends before that
    /// event, and every further call returns the same error.
    pub async fn next(&mut self) -> Result<Option<HistoryStep<'_, A>>, Failure> {
        if let Some(failure) = &self.broken {
            return Err(failure.clone());
        }
        let envelope = loop {
            self.renew().await?;
            let Some(envelope) = self.step().await? else { return Ok(None) };
            // If a subject was forgotten meanwhile, the step may hold its clear text.
            if self.forgotten == self.hosted.engine.keyring.forgotten() {
                break envelope;
            }
        };
        let (version, (last, steps)) = (envelope.header.version, self.given);
        self.given = (version, if version == last { steps + 1 } else { 1 });
        // An envelope implies a walk.
        Ok(self.walk.as_ref().map(|walk| HistoryStep { envelope, state: &walk.state }))
    }

    /// Decodes the next event and folds it into the state.
    async fn step(&mut self) -> Result<Option<Envelope<A>>, Failure> {
        let envelope = match self.next_envelope().await? {
            Some(Ok(envelope)) => envelope,
            Some(Err(failure)) => return Err(self.broken.insert(failure).clone()),
            None => return Ok(None),
        };
        let Some(walk) = &mut self.walk else { return Ok(None) };
        let fact = std::slice::from_ref(&envelope.event);
        if let Err(message) = replay::fold(&mut walk.state, fact) {
            let failure = panicked(envelope.header.version, message);
            return Err(self.broken.insert(failure).clone());
        }
        Ok(Some(envelope))
    }

    /// Decodes state and events again if a data subject was forgotten since they were decoded: they may hold its clear
    /// text.
    async fn renew(&mut self) -> Result<(), Failure> {
        let forgotten = self.hosted.engine.keyring.forgotten();
        let Some(walk) = self.walk.as_ref().filter(|_| self.forgotten != forgotten) else {
            return Ok(());
        };
        let (until, (given, steps)) = (walk.until(), self.given);
        let first = if steps > 0 { given } else { self.from };
        let before = Version::new(first.get().saturating_sub(1));
        let mut walk = walk_to(&self.hosted, self.id.clone()?.stream(), before.into()).await?;
        walk.extend_to(until);
        self.walk = Some(walk);
        self.page = Vec::new().into_iter();
        self.events.clear();
        self.forgotten = forgotten;
        for _ in 0..steps {
            self.step().await?;
        }
        Ok(())
    }

    async fn next_envelope(&mut self) -> Result<Option<Result<Envelope<A>, Failure>>, Failure> {
        loop {
            if let Some(envelope) = self.events.pop_front() {
                return Ok(Some(envelope));
            }
            if let Some(commit) = self.page.next() {
                self.decode(&commit);
            } else if !self.begin().await? || !self.read_page().await? {
                return Ok(None);
            }
        }
    }

    /// Computes the state before the first step. Returns false if the aggregate has not reached it yet.
    async fn begin(&mut self) -> Result<bool, Failure> {
        if self.walk.is_some() {
            return Ok(true);
        }
        let (stream, before) = (self.id.clone()?.stream(), self.from.get().saturating_sub(1));
        let before = Version::new(before);
        let mut walk = walk_to(&self.hosted, stream.clone(), before.into()).await?;
        if walk.version() < before {
            return Ok(false);
        }
        let until = self.until.unwrap_or(END);
        let find = move |reader: &dyn Reader| until.version(reader, &stream);
        walk.extend_to(self.hosted.engine.read(find).await?);
        self.walk = Some(walk);
        Ok(true)
    }

    /// Reads the next page, and returns whether it has commits. The future may be dropped at any time.
    async fn read_page(&mut self) -> Result<bool, Failure> {
        let Some(walk) = &mut self.walk else { return Ok(false) };
        let Some(next) = walk.next_page() else { return Ok(false) };
        let page = self.hosted.engine.read(move |reader| next.read(reader)).await?;
        // `page.more` is ignored: a later call may find new events after the end.
        self.page = page.commits.into_iter();
        Ok(self.page.len() > 0)
    }

    fn decode(&mut self, commit: &Commit) {
        let (Ok(id), Some(walk)) = (&self.id, &mut self.walk) else { return };
        for event in walk.pass(commit) {
            match replay::envelopes(self.decoder, id, &commit.view(), &event) {
                Ok(envelopes) => self.events.extend(envelopes.into_iter().map(Ok)),
                Err(undecodable) => self.events.push_back(Err(undecodable.into())),
            }
        }
    }
}
