//! Waits until the followers have finished the events of a stream that is to be deleted.

use std::sync::Arc;

use actuarius_domain::{Position, StreamId, Version};
use actuarius_persistence::{ReadError, Reader};

use crate::base::deadline::Deadline;
use crate::base::error::Failure;
use crate::base::stored_commit::{commit_with, is_deletion};
use crate::engine::Engine;
use crate::follow::followers::{FollowerShared, FollowerStatus, Followers, LaggingFollower};
use crate::subscription::lagging;

/// Which events of a stream every follower has finished.
pub(super) enum Followed {
    /// All up to this version, which was the last one.
    UpTo(Version),
    /// That was not looked up.
    Unknown,
}

/// Waits until every follower has finished the last event of the stream.
///
/// # Errors
/// [`Failure::FollowersLag`], if one has not until then, or does not take events.
pub(super) async fn until_followed(
    engine: &Engine,
    followers: &Followers,
    stream: &StreamId,
    until: Deadline,
) -> Result<Followed, Failure> {
    loop {
        let of = stream.clone();
        unless_closed(engine)?;
        let read = engine.read(move |reader| last(reader, &of)).await;
        let (version, last) = read.map_err(unreadable)?;
        let Some(position) = last else { return Ok(Followed::UpTo(version)) };
        let running = running(followers, stream, position);
        let stopped = stopped(engine, followers, stream, position).await?;
        if running.is_empty() && stopped.is_empty() {
            return Ok(Followed::UpTo(version));
        }
        let waited = match running.first().filter(|_| stopped.is_empty()) {
            Some(first) => engine.timer.until(until.at(), first.wait_for_all(position)).await,
            None => None,
        };
        if !matches!(waited, Some(Ok(()))) {
            let mut lagging: Vec<_> = running.iter().map(|it| it.lagging()).collect();
            lagging.extend(stopped);
            // They may lag for the same reason.
            unless_closed(engine)?;
            return Err(Failure::FollowersLag { position, followers: lagging });
        }
    }
}

/// Checks that a command could be written.
fn unless_closed(engine: &Engine) -> Result<(), Failure> {
    match engine.failure() {
        _ if engine.home.has_ended() => Err(Failure::tokio_runtime_ended()),
        Some(failure) => Err(Failure::Poisoned(failure.clone())),
        None => Ok(()),
    }
}

fn unreadable(error: ReadError) -> Failure {
    match error {
        ReadError::Closed => Failure::shutting_down(),
        other => other.into(),
    }
}

/// Waits until every running follower has finished the end of the stream at `position`, among them those that have begun
/// since the deletion was asked for. They had no time to lag, so it is no error if one has not until then.
pub(super) async fn until_end_followed(
    engine: &Engine,
    followers: &Followers,
    stream: &StreamId,
    (position, until): (Position, Deadline),
) {
    while let Some(first) = running(followers, stream, position).first() {
        let waiting = engine.timer.until(until.at(), first.wait_for_all(position));
        if !matches!(waiting.await, Some(Ok(()))) {
            return;
        }
    }
}

/// Returns the version of the stream, and the position of its last event unless that is its end.
fn last(reader: &dyn Reader, stream: &StreamId) -> Result<(Version, Option<Position>), ReadError> {
    let version = reader.version(stream)?;
    if version == Version::NONE {
        return Ok((version, None));
    }
    let commit = commit_with(reader, stream, version)?.filter(|commit| !is_deletion(commit));
    Ok((version, commit.map(|commit| commit.last_position())))
}

/// Returns the running followers of the stream's type that have not finished the event at `position`.
fn running(
    followers: &Followers,
    stream: &StreamId,
    position: Position,
) -> Vec<Arc<FollowerShared>> {
    let mut all = followers.all();
    all.retain(|it| it.follows(stream.category()) && !it.has_finished(position));
    all
}

/// Returns the subscriptions that do not run and have not finished it.
async fn stopped(
    engine: &Engine,
    followers: &Followers,
    stream: &StreamId,
    position: Position,
) -> Result<Vec<LaggingFollower>, Failure> {
    let running = followers.all();
    let category = stream.category().to_owned();
    let read = move |reader: &dyn Reader| lagging(reader, &category, position);
    let mut stopped = engine.read(read).await.map_err(unreadable)?;
    stopped.retain(|(name, _)| running.iter().all(|it| *it.name != **name));
    let status = FollowerStatus::Stopped;
    let lagging = |(name, position): (String, Position)| LaggingFollower {
        name: name.into(),
        status: status.clone(),
        position,
    };
    Ok(stopped.into_iter().map(lagging).collect())
}
