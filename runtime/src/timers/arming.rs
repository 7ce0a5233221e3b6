//! [`ArmTimers`]: arms the timers of aggregates that exist already.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;

use actuarius_domain::{Aggregate, Id, Position};
use actuarius_persistence::Notes;

use crate::aggregate::directory::Directory;
use crate::aggregate::timers::Timers;
use crate::base::error::Failure;
use crate::history::IdListing;
use crate::request::query::Query;

/// How many aggregates are asked at once: half of those that are recovered at once by default, which leaves the other
/// half to the callers.
const ASKED_AT_ONCE: usize = 32;

/// Arms the timers of the aggregates of a type, a page at a time. Returned by
/// [`Aggregates::arm_timers`](crate::Aggregates::arm_timers); awaiting it processes one page.
#[must_use = "nothing is armed before it is awaited"]
pub struct ArmTimers<A: Aggregate> {
    directory: Arc<Directory<A>>,
    listing: IdListing<A>,
}

/// The result of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ArmedTimers {
    /// How many aggregates were asked for their timers.
    pub aggregates: usize,
    /// Where the next page starts, for [`ArmTimers::after`]; `None` at the end of the log.
    pub next: Option<Position>,
}

impl<A: Aggregate> ArmTimers<A> {
    pub(crate) fn of(directory: Arc<Directory<A>>) -> Self {
        let listing = IdListing::over(directory.hosted.engine.clone());
        Self { directory, listing }
    }

    /// Starts after this position of the log. Default: at its start.
    pub fn after(mut self, position: Position) -> Self {
        self.listing = self.listing.after(position);
        self
    }

    /// Sets how many aggregates a page has at most, from 1 to 10,000. Default: 1,000.
    pub fn limit(mut self, aggregates: usize) -> Self {
        self.listing = self.listing.limit(aggregates);
        self
    }

    async fn run(self) -> Result<ArmedTimers, Failure> {
        let Self { directory, listing } = self;
        let page = listing.await?;
        let aggregates = page.ids.len();
        if let Some(timers) = &directory.hosted.timers {
            for ids in page.ids.chunks(ASKED_AT_ONCE) {
                ask(&directory, timers, ids).await?;
            }
            // After the notes that were handed over before: when it is stored, they are durable.
            timers.engine.committer.store_notes(Notes::default()).await?;
        }
        Ok(ArmedTimers { aggregates, next: page.next })
    }
}

/// Asks aggregates for their timers. One that cannot be loaded is asked again in the background.
async fn ask<A: Aggregate>(
    directory: &Arc<Directory<A>>,
    timers: &Arc<Timers<A>>,
    ids: &[Id<A>],
) -> Result<(), Failure> {
    timers.ready().await.map_err(Failure::Unavailable)?;
    let home = &directory.hosted.engine.home;
    let asked = ids.iter().map(|id| {
        let (id, timers) = (id.clone(), timers.clone());
        let asking = Query::new(directory.clone(), Ok(id.clone()), {
            let (id, timers) = (id.clone(), timers.clone());
            move |state| timers.state_is(id.shared(), state)
        });
        home.spawn(async move {
            if asking.await.is_err() {
                timers.state_is_unknown(id.shared());
            }
        })
    });
    for task in asked.collect::<Vec<_>>() {
        task.await.map_err(|_| Failure::tokio_runtime_ended())?;
    }
    Ok(())
}

impl<A: Aggregate> IntoFuture for ArmTimers<A> {
    type Output = Result<ArmedTimers, Failure>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}
