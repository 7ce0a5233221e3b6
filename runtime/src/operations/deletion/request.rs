//! [`Delete`]: a deletion that is awaited.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use actuarius_domain::{Aggregate, Id, Position, StreamId, Version};
use tokio::task::JoinError;

use super::waiting::{Followed, until_end_followed, until_followed};
use super::{Deleted, Reuse, remove_deleted};
use crate::aggregate::directory::Directory;
use crate::base::deadline::Deadline;
use crate::base::error::{ExecuteError, Failure, Quarantine, QuarantineReason, Written};
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
/// If some have not, it fails with [`Failure::FollowersLag`], which names them, and nothing is deleted. The failure is
/// [retryable](Failure::is_retryable) unless one of them is paused, halted or stopped, and so waits for an operator. The
/// deletion does not wait for one that has halted, or for a subscription that does not run. A projection
/// that does not run does not count: when it starts, it takes none of the removed events, and reacts to the
/// end if it has registered [`on_deleted`](crate::projection::ProjectionBuilder::on_deleted). An event that a
/// subscription has parked counts as finished.
///
/// Deletions of one id run one after the other.
///
/// A quarantined aggregate can be deleted, because that needs no state. It is recovered once more first; if its data is
/// damaged, its snapshot is newer than the log, or its recovery panics, the deletion fails with [`Failure::Quarantined`],
/// and nothing is written.
///
/// # In a handler
///
/// A deletion that a handler of a subscription awaits does not wait for that subscription, which would wait for its own
/// handler. Of the deleted aggregate, the subscription receives no further event that it has not finished, and the event
/// whose handler deletes it counts as finished even if the handler fails afterwards. So delete last. A task that the
/// handler spawns is not the handler: its deletion waits for the subscription, too.
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
            let end = match (self.end(id.clone(), followed).await, until) {
                // There was another event meanwhile.
                (Err(Failure::Conflict { .. }), Some(until)) if !until.is_over() => continue,
                (ended, _) => ended?,
            };
            if let Some(until) = until {
                let end = (end.position, until);
                until_end_followed(engine, &self.followers, &stream, end).await;
            }
            let has_ended = end.events > 0;
            let removed = remove(engine, stream, has_ended.then_some((end.version, end.position)));
            return Ok(Deleted { version: end.version, commits: removed.await? });
        }
    }

    /// Ends the stream, if it has no other event than those that are followed, and marks the deletion as unfinished.
    async fn end(&self, id: Id<A>, followed: Followed) -> Result<Receipt, Failure> {
        let (engine, stream) = (self.directory.hosted.engine.clone(), id.stream());
        let (directory, reuse) = (self.directory.clone(), self.reuse);
        let execute = move || {
            let execute = Execute::deleting(directory.clone(), id.clone(), reuse.into());
            match followed {
                Followed::UpTo(version) => execute.expect(version),
                Followed::Unknown => execute,
            }
        };
        // Spawned, so that no other deletion has its turn before this one is answered, if the caller drops its future.
        let ending = self.directory.hosted.engine.home.spawn(async move {
            let _turn = engine.deletions.turn(&stream).await;
            let was_noted = engine.is_noted(&stream).await?;
            engine.note(&stream, true).await?;
            let ended = match execute().await {
                // Perhaps because of a request before it: one that comes later is carried out.
                Err(ExecuteError::Failed(Failure::Quarantined(why))) if can_be_deleted(&why) => {
                    execute().await
                }
                ended => ended,
            };
            let ended = ended.map_err(failure);
            if !was_noted && ended.as_ref().is_err_and(|it| it.written() == Written::No) {
                // What has not ended is not being deleted. A mark of before is of an interrupted deletion.
                let _ = engine.note(&stream, false).await;
            }
            ended
        });
        ending.await.map_err(interrupted)?
    }
}

/// Whether recovery reads the stream as far as a deletion needs it.
fn can_be_deleted(why: &Quarantine) -> bool {
    !matches!(
        why.reason,
        QuarantineReason::Damaged(_)
            | QuarantineReason::SnapshotAhead(_)
            | QuarantineReason::RecoveryPanicked(_)
    )
}

fn failure<E>(error: ExecuteError<E>) -> Failure {
    match error {
        ExecuteError::Failed(failure) => failure,
        ExecuteError::Rejected(_) => unreachable!("an aggregate decides no deletion"),
    }
}

fn interrupted(error: JoinError) -> Failure {
    match error.is_panic() {
        true => Failure::Indeterminate(format!("the stream may have ended, but {error}")),
        false => Failure::tokio_runtime_ended(),
    }
}

async fn remove(
    engine: &Arc<Engine>,
    stream: StreamId,
    end: Option<(Version, Position)>,
) -> Result<u64, Failure> {
    // Spawned, so that it continues if the caller drops its future.
    let (home, engine) = (engine.home.clone(), engine.clone());
    let removing = home.spawn(async move { remove_deleted(&engine, &stream, end).await });
    removing.await.map_err(interrupted)?
}

impl<A: Aggregate> IntoFuture for Delete<A> {
    type Output = Result<Deleted, Failure>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}
