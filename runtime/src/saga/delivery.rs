//! Sends commands to the aggregates of a type, and finds those that were carried out before.

use std::marker::PhantomData;
use std::sync::Arc;

use actuarius_domain::{
    Aggregate, CommandId, Id, Metadata, Outcome, Position, Sends, StreamId, Version,
};
use actuarius_persistence::personal::deriving;
use actuarius_persistence::{Gone, Notes, PageLimit, ReadError, Reader};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::stored::Outgoing;
use super::targets::{Delivery, Dispatched, FindFuture, SendFuture};
use crate::aggregate::directory::Directory;
use crate::base::error::{ExecuteError, Failure, Unavailable};
use crate::engine::keyring::Keyring;
use crate::request::execute::Execute;
use crate::request::query::Query;

/// The aggregates of a type, as recipients of commands of the saga `S`.
pub(super) struct ToAggregates<S, A: Aggregate> {
    directory: Arc<Directory<A>>,
    saga: PhantomData<fn() -> S>,
}

impl<S, A: Aggregate> ToAggregates<S, A> {
    pub(super) fn of(directory: Arc<Directory<A>>) -> Self {
        Self { directory, saga: PhantomData }
    }
}

impl<S, A> Delivery<S> for ToAggregates<S, A>
where
    A: Aggregate<Command: Serialize + DeserializeOwned>,
    S: Sends<A>,
{
    fn send<'a>(
        &'a self,
        outgoing: &'a Arc<Outgoing>,
        command: CommandId,
        metadata: Metadata,
    ) -> SendFuture<'a, S> {
        Box::pin(async move {
            let id = Id::<A>::new(outgoing.id.clone())?;
            let decoded = decoded(&self.directory.hosted.engine.keyring, outgoing)?;
            let execute = Execute::new(self.directory.clone(), Ok(id.clone()), decoded);
            match execute.command_id(command).metadata(metadata).await {
                Ok(receipt) => Ok(Dispatched::answered(
                    id,
                    outgoing,
                    Outcome::Accepted { version: receipt.version, position: receipt.position },
                )),
                Err(ExecuteError::Rejected(error)) => {
                    Ok(Dispatched::answered(id, outgoing, Outcome::Rejected(error)))
                }
                Err(ExecuteError::Failed(failure)) => Err(failure),
            }
        })
    }

    fn find<'a>(
        &'a self,
        outgoing: &'a Arc<Outgoing>,
        command: CommandId,
        as_of: Position,
    ) -> FindFuture<'a, S> {
        Box::pin(async move {
            let id = Id::<A>::new(outgoing.id.clone())?;
            self.wait_for_earlier_requests(&id).await?;
            let (engine, stream) = (&self.directory.hosted.engine, id.stream());
            let search = move |reader: &dyn Reader| find_backwards(reader, &stream, command, as_of);
            let found = match engine.read::<_, ReadError>(search).await? {
                Found::Here(version, position) => Some((version, position)),
                Found::Nowhere => None,
                Found::PerhapsRemoved(version) => return Err(Failure::Removed { version }),
            };
            let accepted = found.map(|(version, position)| Outcome::Accepted { version, position });
            Ok(accepted.map(|outcome| Dispatched::answered(id, outgoing, outcome)))
        })
    }
}

impl<S, A: Aggregate> ToAggregates<S, A> {
    /// Waits until every request that was sent to an aggregate before has ended.
    async fn wait_for_earlier_requests(&self, id: &Id<A>) -> Result<(), Failure> {
        match Query::new(self.directory.clone(), Ok(id.clone()), |_| ()).await {
            // The aggregate takes no request, and what it had taken is with the committer, which keeps the order.
            Err(Failure::Quarantined(_) | Failure::Unavailable(Unavailable::Recovery(_))) => {
                let committer = &self.directory.hosted.engine.committer;
                let stored = committer.store_notes(Notes::default()).await;
                stored.map_err(|_| Failure::shutting_down())
            }
            other => other,
        }
    }
}

fn decoded<C: DeserializeOwned + 'static>(
    keyring: &Keyring,
    outgoing: &Outgoing,
) -> Result<C, Failure> {
    let decoded = deriving(keyring.sealer(), || outgoing.command.decode());
    decoded.map_err(Failure::Unstorable)
}

/// How many versions are read at once.
const VERSIONS_AT_ONCE: u64 = 512;

/// What the history of an aggregate says of a command.
enum Found {
    /// It was carried out.
    Here(Version, Position),
    /// It was not.
    Nowhere,
    /// Commits that may have been its own were removed, up to this version.
    PerhapsRemoved(Version),
}

/// Searches a stream for the commit of a command, from the end back to the position `as_of`.
fn find_backwards(
    reader: &dyn Reader,
    stream: &StreamId,
    command: CommandId,
    as_of: Position,
) -> Result<Found, ReadError> {
    let mut until = reader.version(stream)?;
    let mut removed = Version::NONE;
    while until > Version::NONE {
        let from = Version::new(until.get().saturating_sub(VERSIONS_AT_ONCE));
        let (mut after, mut reaches_back) = (from, false);
        while after < until {
            let page = reader.read_stream(stream, after, Position::NONE, PageLimit::default())?;
            let Some(last) = page.commits.last() else { break };
            for commit in &page.commits {
                let view = commit.view();
                reaches_back |= view.position <= as_of;
                if view.command_id == command {
                    return Ok(Found::Here(view.last_version(), view.last_position()));
                }
                if view.position > as_of && commit.gone() == Some(Gone::Removed) {
                    removed = removed.max(view.last_version());
                }
            }
            after = last.view().last_version();
        }
        if reaches_back {
            break;
        }
        until = from;
    }
    Ok(if removed > Version::NONE { Found::PerhapsRemoved(removed) } else { Found::Nowhere })
}
