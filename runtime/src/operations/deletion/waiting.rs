//! Waits until the followers have finished the events of a stream that is to be deleted.

use std::sync::Arc;

use actuarius_domain::{Position, StreamId, Version};
use actuarius_persistence::{Commit, Gone, ReadError, Reader};

use crate::base::deadline::Deadline;
use crate::base::error::Failure;
use crate::base::stored_commit::{commit_with, is_deletion};
use crate::engine::Engine;
use crate::follow::at_work;
use crate::follow::followers::{
    FollowerShared, FollowerStatus, Followers, LaggingFollower, WaitError,
};
use crate::subscription;

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
    let mut is_over = false;
    loop {
        let of = stream.clone();
        unless_closed(engine)?;
        let read = engine.read(move |reader| last(reader, &of)).await;
        let (version, last) = read.map_err(unreadable)?;
        let Some(position) = last else { return Ok(Followed::UpTo(version)) };
        let (running, stopped) = lagging(engine, followers, stream, position).await?;
        let Some(first) = running.first().filter(|_| !is_over && stopped.is_empty()) else {
            if running.is_empty() && stopped.is_empty() {
                return Ok(Followed::UpTo(version));
            }
            let running = running.iter().map(|it| it.lagging());
            // They may lag for the same reason.
            unless_closed(engine)?;
            let followers = running.chain(stopped).collect();
            return Err(Failure::FollowersLag { position, followers });
        };
        // The list is made again in any case: others may have started or stopped meanwhile.
        let waited = engine.timer.until(until.at(), first.wait_for_all(position)).await;
        is_over = !matches!(waited, Some(Ok(()) | Err(WaitError::Stopped { .. })));
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
    let mut passed: Vec<Arc<FollowerShared>> = Vec::new();
    let is_passed = |passed: &[Arc<FollowerShared>], it: &Arc<FollowerShared>| {
        passed.iter().any(|other| Arc::ptr_eq(other, it))
    };
    while let Some(next) =
        running(followers.all(), stream, position).into_iter().find(|it| !is_passed(&passed, it))
    {
        match engine.timer.until(until.at(), next.wait_for_all(position)).await {
            Some(Ok(())) => {}
            // The others are waited for all the same.
            Some(Err(_)) => passed.push(next),
            None => return,
        }
    }
}

/// Returns the version of the stream, and the position of its last event unless that is its end, or was removed: then no
/// follower can receive it any more.
fn last(reader: &dyn Reader, stream: &StreamId) -> Result<(Version, Option<Position>), ReadError> {
    let version = reader.version(stream)?;
    if version == Version::NONE {
        return Ok((version, None));
    }
    let is_event = |commit: &Commit| !is_deletion(commit) && commit.gone() != Some(Gone::Removed);
    let commit = commit_with(reader, stream, version)?.filter(is_event);
    Ok((version, commit.map(|commit| commit.last_position())))
}

/// Returns the followers of the stream's type that have not finished the event at `position`: those that run, and the
/// subscriptions that do not.
async fn lagging(
    engine: &Engine,
    followers: &Followers,
    stream: &StreamId,
    position: Position,
) -> Result<(Vec<Arc<FollowerShared>>, Vec<LaggingFollower>), Failure> {
    loop {
        let before = followers.all();
        let category = stream.category().to_owned();
        let read = move |reader: &dyn Reader| subscription::lagging(reader, &category, position);
        let mut stored = engine.read(read).await.map_err(unreadable)?;
        // After what is stored was read, so that one that has started meanwhile is among these.
        let now = followers.all();
        stored.retain(|(name, _)| !has(&now, name));
        // One that has stopped meanwhile has stored its last position after that.
        if !stored.iter().any(|(name, _)| has(&before, name)) {
            return Ok((running(now, stream, position), stored.into_iter().map(stopped).collect()));
        }
    }
}

fn has(followers: &[Arc<FollowerShared>], name: &str) -> bool {
    followers.iter().any(|it| *it.name == *name)
}

/// Returns those followers of the stream's type that have not finished the event at `position`. One whose handler asks
/// for the deletion does not count: it would wait for itself.
fn running(
    mut followers: Vec<Arc<FollowerShared>>,
    stream: &StreamId,
    position: Position,
) -> Vec<Arc<FollowerShared>> {
    let lags = |it: &Arc<FollowerShared>| {
        it.follows(stream.category()) && !it.has_finished(position) && !at_work::is_by(it)
    };
    followers.retain(lags);
    followers
}

fn stopped((name, position): (String, Position)) -> LaggingFollower {
    LaggingFollower { name: name.into(), status: FollowerStatus::Stopped, position }
}
