//! [`LogSearch`]: finds stored events by their type, time and correlation, page by page.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;

use actuarius_domain::{CorrelationId, Position, Timestamp};
use actuarius_persistence::{Commit, Damage, PageLimit, ReadError, Reader};

use crate::engine::Engine;
use crate::follow::raw_event::RawEvent;
use crate::schema::recorded::StoreShapes;

/// How many events a page has by default.
const LIMIT: usize = 1_000;

/// How many events a page has at most. They are all in memory.
const LIMIT_MAX: usize = 10_000;

/// How much of the log one page looks through at most: a fraction of a second, so that a search for something rare
/// can be stopped.
const SEARCHED_MAX: PageLimit = PageLimit { commits: 65_536, bytes: 16 * 1024 * 1024 };

/// How much of the log is read at once.
const PAGE: PageLimit = PageLimit { commits: 4_096, bytes: 1024 * 1024 };

/// A search of the whole log. Awaiting it returns one page of the events found, in the order of their positions.
///
/// There is no index: a search reads the log from `after` on, so give it a start if you can. To read the events of
/// one aggregate, use [`Aggregates::events`](crate::Aggregates::events), which reads no others.
///
/// ```
/// # use std::convert::Infallible;
/// # use actuarius::{Aggregate, Context, Position, Runtime};
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
/// # runtime.host::<Counter>().execute("visits", 2).await?;
/// let (mut after, mut added) = (Some(Position::NONE), 0);
/// while let Some(start) = after {
///     let page = runtime.search_log().after(start).aggregate_type("counter").event_type("Added").await?;
///     for event in &page.events {
///         for envelope in event.raw().decode::<Counter>()? {
///             let Counted::Added(amount) = envelope.event;
///             added += amount;
///         }
///     }
///     after = page.next;
/// }
/// assert_eq!(added, 2);
/// # Ok(())
/// # }
/// ```
#[must_use = "a search reads nothing before it is awaited"]
pub struct LogSearch {
    engine: Arc<Engine>,
    after: Position,
    limit: usize,
    wanted: Wanted,
}

#[derive(Default)]
struct Wanted {
    aggregate_type: Option<String>,
    event_type: Option<String>,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    correlation: Option<CorrelationId>,
}

/// A page of the events that a search found.
#[derive(Debug)]
#[non_exhaustive]
pub struct FoundEvents {
    /// The events, in the order of their positions. There may be none, although others follow on the next page.
    pub events: Vec<FoundEvent>,
    /// Where the next page starts, for [`LogSearch::after`]; `None` at the end of the log.
    pub next: Option<Position>,
}

/// A stored event that a search found.
#[derive(Clone)]
pub struct FoundEvent {
    commit: Commit,
    position: Position,
    shapes: Arc<StoreShapes>,
}

impl FoundEvent {
    /// Returns the event, to be read and decoded.
    ///
    /// # Panics
    /// Never: the event was found in its commit.
    #[must_use]
    pub fn raw(&self) -> RawEvent<'_> {
        let view = self.commit.view();
        let event = view.events().find(|event| event.position == self.position);
        // `Wanted::of` found it at this position in the same commit.
        RawEvent::of(view, event.expect("the event was found in its commit"), &self.shapes)
    }
}

impl std::fmt::Debug for FoundEvent {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.raw().fmt(out)
    }
}

impl LogSearch {
    pub(crate) fn over(engine: Arc<Engine>) -> Self {
        Self { engine, after: Position::NONE, limit: LIMIT, wanted: Wanted::default() }
    }

    /// Starts after this position. Default: at the start of the log.
    /// [`Runtime::position_at`](crate::Runtime::position_at) finds the position of a time.
    pub fn after(mut self, position: Position) -> Self {
        self.after = position;
        self
    }

    /// Finds only events of this aggregate type. Events of sagas have the type of the saga.
    pub fn aggregate_type(mut self, name: impl Into<String>) -> Self {
        self.wanted.aggregate_type = Some(name.into());
        self
    }

    /// Finds only events of this type: the name of the variant, as it is stored.
    pub fn event_type(mut self, name: impl Into<String>) -> Self {
        self.wanted.event_type = Some(name.into());
        self
    }

    /// Finds only events of this time or later. Times are not always in order: the search reads on after one that is
    /// not wanted.
    pub fn from_time(mut self, time: Timestamp) -> Self {
        self.wanted.from = Some(time);
        self
    }

    /// Finds only events before this time.
    pub fn until_time(mut self, time: Timestamp) -> Self {
        self.wanted.until = Some(time);
        self
    }

    /// Finds only events with this correlation id: the one that the caller of a command has set, otherwise the id of the
    /// command. All that an instance of a saga does has the correlation id of the instance.
    pub fn correlation(mut self, id: impl Into<CorrelationId>) -> Self {
        self.wanted.correlation = Some(id.into());
        self
    }

    /// Sets how many events a page has at most, from 1 to 10,000. Default: 1,000.
    pub fn limit(mut self, events: usize) -> Self {
        self.limit = events.clamp(1, LIMIT_MAX);
        self
    }
}

impl IntoFuture for LogSearch {
    type Output = Result<FoundEvents, ReadError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Self { engine, after, limit, wanted } = self;
            let shapes = engine.shapes.clone();
            engine.read(move |reader| Page::new(after, limit, shapes).fill(reader, &wanted)).await
        })
    }
}

impl Wanted {
    fn commit(&self, commit: &Commit) -> bool {
        let view = commit.view();
        // As in the header of an event.
        let own = || view.command_id.as_uuid().into();
        let correlation = view.correlation_id.unwrap_or_else(own);
        let is = |wanted: &Option<String>, found| wanted.as_ref().is_none_or(|it| it == found);
        is(&self.aggregate_type, view.category)
            && self.from.is_none_or(|from| view.time >= from)
            && self.until.is_none_or(|until| view.time < until)
            && self.correlation.is_none_or(|id| id == correlation)
    }

    /// Returns the positions of the wanted events of a commit.
    fn of(&self, commit: &Commit) -> Vec<Position> {
        if !self.commit(commit) {
            return Vec::new();
        }
        let name = self.event_type.as_deref();
        let events = commit.view().events().filter(|event| event.deletion().is_none());
        let events = events.filter(|event| name.is_none_or(|name| event.event_type == name));
        events.map(|event| event.position).collect()
    }
}

/// How much of the log a page has looked through.
#[derive(Default)]
pub(super) struct Searched {
    commits: usize,
    bytes: usize,
}

impl Searched {
    pub(super) fn count(&mut self, commit: &Commit) {
        self.commits += 1;
        self.bytes += commit.bytes();
    }

    pub(super) fn is_enough(&self) -> bool {
        self.commits >= SEARCHED_MAX.commits || self.bytes >= SEARCHED_MAX.bytes
    }
}

/// Reads the next commits of the log after `after`, which is not its end.
///
/// # Errors
/// [`ReadError::Damaged`] if there are none: the search would not end.
pub(super) fn read_on(
    read: impl FnOnce(PageLimit) -> Result<actuarius_persistence::Page, ReadError>,
    after: Position,
) -> Result<Vec<Commit>, ReadError> {
    let commits = read(PAGE)?.commits;
    if commits.is_empty() {
        let what = "the log ends before its head".to_owned();
        return Err(Damage { stream: None, position: after.next(), what }.into());
    }
    Ok(commits)
}

/// A page that is being filled.
struct Page {
    found: FoundEvents,
    after: Position,
    limit: usize,
    shapes: Arc<StoreShapes>,
    searched: Searched,
}

impl Page {
    fn new(after: Position, limit: usize, shapes: Arc<StoreShapes>) -> Self {
        let found = FoundEvents { events: Vec::new(), next: None };
        Self { found, after, limit, shapes, searched: Searched::default() }
    }

    fn fill(mut self, reader: &dyn Reader, wanted: &Wanted) -> Result<FoundEvents, ReadError> {
        let end = reader.head();
        while self.after < end {
            if self.is_full() {
                self.found.next = Some(self.after);
                break;
            }
            let after = self.after;
            for commit in read_on(|limit| reader.read_log(after, limit), after)? {
                self.take(&commit, wanted);
                if self.is_full() {
                    break;
                }
            }
        }
        Ok(self.found)
    }

    fn is_full(&self) -> bool {
        self.searched.is_enough() || self.found.events.len() >= self.limit
    }

    /// Takes the wanted events after `after`, up to the limit: the next page may start within a commit.
    fn take(&mut self, commit: &Commit, wanted: &Wanted) {
        self.searched.count(commit);
        let after = self.after;
        for position in wanted.of(commit).into_iter().filter(|it| *it > after) {
            if self.found.events.len() == self.limit {
                return;
            }
            let (commit, shapes) = (commit.clone(), self.shapes.clone());
            self.found.events.push(FoundEvent { commit, position, shapes });
            self.after = position;
        }
        if self.found.events.len() < self.limit {
            self.after = commit.last_position();
        }
    }
}
