//! [`Delete`]: a deletion that is awaited.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use actuarius_domain::{Aggregate, Id, StreamId, Version};

use super::waiting::{Followed, until_end_followed, until_followed};
use super::{Deleted, Reuse, remove_deleted};
use crate::aggregate::directory::Directory;
use crate::base::deadline::Deadline;
use crate::base::error::{ExecuteError, Failure, Written};
use crate::base::receipt::Receipt;
use crate::engine::Engine;
use crate::follow::followers::Followers;
use crate::request::execute::Execute;

/// How long a deletion waits for followers, unless the caller says otherwise: long enough for one that keeps up, short
/// enough for an operator.
const FOLLOWERS_WAITED_FOR: Duration = Duration::from_secs(10);

/// A deletion, returned by [`Aggregates::delete`](crate::Aggregates::delete). Awaiting it gives [`Deleted`].
///
/// A follower that has not finished the last events of the aggregate would never receive them. So the deletion first
/// waits, at most 10 seconds, until every follower of the aggregate type has finished them:
///
/// - projections and subscriptions that run, also while they are paused or halted, and the rebuilds of views;
/// - subscriptions and sagas that do not run and have a checkpoint in the store.
///
/// If some have not, it fails with [`Failure::FollowersLag`], which names them, and nothing is deleted. A projection
/// that does not run is not waited for: when it starts, it takes none of the removed events, and reacts to the
/// end if it has registered [`on_deleted`](crate::projection::ProjectionBuilder::on_deleted). An event that a
/// subscription has parked counts as finished.
#[must_use = "a deletion does nothing until it is awaited"]
pub struct Delete<A: Aggregate> {
    directory: Arc<Directory<A>>,
    followers: Arc<Followers>,
    id: Result<Id<A>, Failure>,
    reuse: Reuse,
    /// How long it waits for followers; `None` if it does not.
    waits: Option<Duration>,
}

impl<A: Aggregate> Delete<A> {
    pub(crate) fn new(
        directory: Arc<Directory<A>>,
        followers: Arc<Followers>,
        id: Result<Id<A>, Failure>,
        reuse: Reuse,
    ) -> Self {
        Self { directory, followers, id, reuse, waits: Some(FOLLOWERS_WAITED_FOR) }
    }

    /// Waits for followers at most for `time` in all. Default: 10 seconds.
    pub fn waits_at_most(mut self, time: Duration) -> Self {
        self.waits = Some(time);
        self
    }

    /// Deletes the aggregate even if followers have not finished its events: for erasure that the law demands now. They
    /// keep what they have, receive no further event of it, and react to its end.
    pub fn without_waiting(mut self) -> Self {
        self.waits = None;
        self
    }

    async fn run(self) -> Result<Deleted, Failure> {
        let id = self.id.clone()?;
        let (engine, stream) = (&self.directory.hosted.engine, id.stream());
        let until = self.waits.map(Deadline::within);
        loop {
            let followed = match until {
                Some(until) => until_followed(engine, &self.followers, &stream, until).await?,
                None => Followed::Unknown,
            };
            engine.note(&stream, true).await?;
            match (self.end(id.clone(), followed).await, until) {
                // There was another event meanwhile.
                (Err(Failure::Conflict { .. }), Some(until)) if !until.is_over() => {}
                (Err(failure), _) if failure.written() == Written::No => {
                    // What has not ended is not being deleted.
                    let _ = engine.note(&stream, false).await;
                    return Err(failure);
                }
                (Err(failure), _) => return Err(failure),
                (Ok(end), until) => {
                    if let Some(until) = until {
                        let end = (end.position, until);
                        until_end_followed(engine, &self.followers, &stream, end).await;
                    }
                    // At once, so that no other follower takes a part of the stream.
                    if end.version != Version::NONE {
                        engine.deletions.begin(&stream, end.position);
                    }
                    let commits = remove(engine, stream).await?;
                    return Ok(Deleted { version: end.version, commits });
                }
            }
        }
    }

    /// Ends the stream, if it has no other event than those that are followed.
    async fn end(&self, id: Id<A>, followed: Followed) -> Result<Receipt, Failure> {
        let execute = Execute::deleting(self.directory.clone(), id, self.reuse.into());
        let execute = match followed {
            Followed::UpTo(version) => execute.expect(version),
            Followed::Unknown => execute,
        };
        execute.await.map_err(|error| match error {
            ExecuteError::Failed(failure) => failure,
            ExecuteError::Rejected(_) => unreachable!("an aggregate decides no deletion"),
        })
    }
}

async fn remove(engine: &Arc<Engine>, stream: StreamId) -> Result<u64, Failure> {
    // Spawned, so that it continues if the caller drops its future.
    let (home, engine) = (engine.home.clone(), engine.clone());
    let removing = home.spawn(async move { remove_deleted(&engine, &stream).await });
    removing.await.map_err(|error| match error.is_panic() {
        true => Failure::Indeterminate(format!("the stream has ended, but {error}")),
        false => Failure::tokio_runtime_ended(),
    })?
}

impl<A: Aggregate> IntoFuture for Delete<A> {
    type Output = Result<Deleted, Failure>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}
