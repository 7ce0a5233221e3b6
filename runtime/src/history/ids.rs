//! [`IdListing`]: the ids of the aggregates of a type, page by page.

use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use actuarius_domain::{Aggregate, Id, Position, Version};
use actuarius_persistence::{Commit, ReadError, Reader};

use super::search::{Searched, read_on};
use crate::base::stored_commit::{commit_with, is_deletion};
use crate::engine::Engine;

/// How many ids a page has by default.
const LIMIT: usize = 1_000;

/// How many ids a page has at most. They are all in memory, and each takes a look at the end of its aggregate.
const LIMIT_MAX: usize = 10_000;

/// Lists the ids of the aggregates of a type. Awaiting it returns one page, in the order of their first events. An
/// aggregate that was deleted, and has no events since, is left out.
///
/// There is no index of ids: a page reads the log from `after` on, without archived events. For lists that users
/// see, keep a projection.
#[must_use = "nothing is read before it is awaited"]
pub struct IdListing<A> {
    engine: Arc<Engine>,
    after: Position,
    limit: usize,
    kind: PhantomData<fn() -> A>,
}

/// A page of the ids of the aggregates of a type.
#[derive(Debug)]
#[non_exhaustive]
pub struct FoundIds<A: Aggregate> {
    /// The ids, in the order of their first events. There may be none, although others follow on the next page.
    pub ids: Vec<Id<A>>,
    /// Where the next page starts, for [`IdListing::after`]; `None` at the end of the log.
    pub next: Option<Position>,
}

impl<A: Aggregate> IdListing<A> {
    pub(crate) fn over(engine: Arc<Engine>) -> Self {
        Self { engine, after: Position::NONE, limit: LIMIT, kind: PhantomData }
    }

    /// Starts after this position. Default: at the start of the log.
    pub fn after(mut self, position: Position) -> Self {
        self.after = position;
        self
    }

    /// Sets how many ids a page has at most, from 1 to 10,000. Default: 1,000.
    pub fn limit(mut self, ids: usize) -> Self {
        self.limit = ids.clamp(1, LIMIT_MAX);
        self
    }
}

impl<A: Aggregate> IntoFuture for IdListing<A> {
    type Output = Result<FoundIds<A>, ReadError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { engine, after, limit, .. } = self;
        Box::pin(async move { engine.read(move |reader| page(reader, after, limit)).await })
    }
}

fn page<A: Aggregate>(
    reader: &dyn Reader,
    mut after: Position,
    limit: usize,
) -> Result<FoundIds<A>, ReadError> {
    let (end, mut ids, mut searched) = (reader.head(), Vec::new(), Searched::default());
    while after < end {
        if ids.len() >= limit || searched.is_enough() {
            return Ok(FoundIds { ids, next: Some(after) });
        }
        for commit in read_on(|limit| reader.maintenance().read_raw(after, limit), after)? {
            if ids.len() >= limit {
                break;
            }
            after = commit.last_position();
            searched.count(&commit);
            ids.extend(begun(reader, &commit)?);
        }
    }
    Ok(FoundIds { ids, next: None })
}

/// Returns the id of the aggregate if the commit has its first event, and it was not deleted last.
fn begun<A: Aggregate>(reader: &dyn Reader, commit: &Commit) -> Result<Option<Id<A>>, ReadError> {
    let view = commit.view();
    if view.version != Version::NONE.next() || view.category != A::TYPE {
        return Ok(None);
    }
    // Every stored id was valid.
    let Ok(id) = Id::<A>::try_from(view.id) else { return Ok(None) };
    let stream = id.stream();
    let last = commit_with(reader, &stream, reader.version(&stream)?)?;
    Ok((!last.is_some_and(|last| is_deletion(&last))).then_some(id))
}
