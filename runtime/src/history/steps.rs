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

/// Later than all that will ever be.
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
/// Of an aggregate that was deleted it has what came behind the deletion, if its id was used again.
#[must_use = "a history is read with `next`"]
pub struct History<A: Aggregate> {
    hosted: Arc<HostedType<A>>,
    id: Result<Id<A>, Failure>,
    from: Version,
    until: Option<Moment>,
    decoder: Decoder<A>,
    walk: Option<Walk<A>>,
    page: vec::IntoIter<Commit>,
    /// The events of one commit; behind one that is no event any more there is nothing.
    events: VecDeque<Result<Envelope<A>, Failure>>,
    /// Why there is no next step, and never will be.
    broken: Option<Failure>,
}

/// One event of a history, and the state after it. A stored event that has become several today is as
/// many steps, of one version.
pub struct HistoryStep<'a, A: Aggregate> {
    /// What happened, and all that is known about it.
    pub envelope: Envelope<A>,
    /// What the aggregate was then.
    pub state: &'a A,
}

impl<A: Aggregate> History<A> {
    pub(crate) fn of(hosted: Arc<HostedType<A>>, id: Result<Id<A>, Failure>) -> Self {
        Self {
            hosted,
            id,
            from: Version::NONE.next(),
            until: None,
            decoder: Decoder::new(),
            walk: None,
            page: Vec::new().into_iter(),
            events: VecDeque::new(),
            broken: None,
        }
    }

    /// Begins with the event of this version, on the state that was there before it. That is looked for
    /// as by [`as_of`](crate::Aggregates::as_of). Default: the first event.
    pub fn from(mut self, version: Version) -> Self {
        self.from = version;
        self
    }

    /// Ends with the last event that was there at this moment. Default: what is the last one when the
    /// history gets there.
    pub fn until(mut self, moment: impl Into<Moment>) -> Self {
        self.until = Some(moment.into());
        self
    }

    /// The next event, with the state after it; none behind the last one. Asked again then, it goes on
    /// with what has come meanwhile, unless it was told where to end.
    ///
    /// # Errors
    /// [`Failure::Unreadable`] and [`Failure::Unavailable`]: nothing was skipped, ask again.
    /// [`Failure::Undecodable`], and [`Failure::Panicked`] when `apply` did: the history ends before
    /// that event, and every further step is answered in the same way.
    pub async fn next(&mut self) -> Result<Option<HistoryStep<'_, A>>, Failure> {
        if let Some(failure) = &self.broken {
            return Err(failure.clone());
        }
        let envelope = match self.next_envelope().await? {
            Some(Ok(envelope)) => envelope,
            Some(Err(failure)) => return Err(self.broken.insert(failure).clone()),
            None => return Ok(None),
        };
        // There is one if there is an envelope.
        let Some(walk) = &mut self.walk else { return Ok(None) };
        let fact = std::slice::from_ref(&envelope.event);
        if let Err(message) = replay::fold(&mut walk.state, fact) {
            let failure = panicked(envelope.header.version, message);
            return Err(self.broken.insert(failure).clone());
        }
        Ok(Some(HistoryStep { envelope, state: &walk.state }))
    }

    async fn next_envelope(&mut self) -> Result<Option<Result<Envelope<A>, Failure>>, Failure> {
        loop {
            if let Some(envelope) = self.events.pop_front() {
                return Ok(Some(envelope));
            }
            if let Some(commit) = self.page.next() {
                self.decode(&commit);
            } else if !self.has_begun().await? || !self.read_page().await? {
                return Ok(None);
            }
        }
    }

    /// Whether the aggregate has come to where the history begins.
    async fn has_begun(&mut self) -> Result<bool, Failure> {
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
        walk.set_out(self.hosted.engine.read(find).await?);
        self.walk = Some(walk);
        Ok(true)
    }

    /// Reads on, and tells whether there was anything. May be given up at any time.
    async fn read_page(&mut self) -> Result<bool, Failure> {
        let Some(walk) = &mut self.walk else { return Ok(false) };
        let Some(wanted) = walk.wanted() else { return Ok(false) };
        let page = self.hosted.engine.read(move |reader| wanted.read(reader)).await?;
        // Whoever asks behind the end may find more there.
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
