//! Migrations of stores with sagas: the positions that live instances know are moved with the events.

use actuarius_domain::{Position, StreamId, Version};
use actuarius_persistence::migrate::{
    self, BoxError, MigrateError, Migrated, Moves, Rewrite, Transform, rehearse, rehearse_commit,
};
use actuarius_persistence::{CommitView, OnProgress, PageLimit, ReadError, Reader, Store};

use crate::saga::SagaNotCarried;
use crate::saga::live_instances::{LiveInstances, move_steps};
use crate::saga::stepped::is_step;
use crate::subscription::carrying::carry_checkpoints;
use crate::subscription::inspecting::subscriptions;

/// Writes the transformed commits of `from` to `to`, which must be empty before the first run and have no other
/// writer. Then reads everything that was written again, and compares it.
///
/// Archived events of `from` are read from its archive.
///
/// **Sagas:** the positions in the steps of their instances are moved with the events, and so are the checkpoints of
/// sagas. For a store with sagas, the transform begins twice and is called twice for each commit, because the first call of
/// all commits shows where the events will be. Events of a commit whose number of events changes count as handled if one of them is.
///
/// # Errors
/// [`MigrateError`] if the migration is not finished: run it again to continue. If a live instance of a saga could not
/// continue in the new store, it is [`MigrateError::Begin`] with a [`SagaNotCarried`], and nothing was written.
pub fn run_with_sagas(
    from: &dyn Reader,
    to: &mut Store,
    transform: &mut dyn Transform,
    progress: OnProgress<'_>,
) -> Result<Migrated, MigrateError> {
    let mut carrying = Carrying { transform, moves: None };
    let migrated = migrate::run(from, to, &mut carrying, progress)?;
    if let Some(moves) = carrying.moves {
        carry_checkpoints(from, to, is_of_saga, |position| moves.moved(position))?;
    }
    Ok(migrated)
}

fn is_of_saga(subscription: &str) -> bool {
    subscription.starts_with("saga.") && subscription.ends_with(".events")
}

/// A transform that also moves the positions in the steps of sagas.
struct Carrying<'a> {
    transform: &'a mut dyn Transform,
    /// Where the events will be, if the store has sagas.
    moves: Option<Moves>,
}

impl Transform for Carrying<'_> {
    fn begin(&mut self, from: &dyn Reader) -> Result<(), BoxError> {
        self.transform.begin(from)?;
        if !has_sagas(from)? {
            return Ok(());
        }
        let mut instances = LiveInstances::default();
        let moves = rehearse(from, self.transform, &mut |commit, out, afterwards| {
            instances.take(commit, out, afterwards);
        });
        let moves = moves.map_err(|error| SagaNotCarried::Unread(Box::new(error)))?;
        instances.check(&moves, |stream| keeps(from, self.transform, stream))?;
        self.moves = Some(moves);
        // What it has recorded in the rehearsal is written nowhere.
        self.transform.begin(from)
    }

    fn transform(&mut self, commit: &CommitView<'_>, out: &mut Rewrite) -> Result<(), BoxError> {
        self.transform.transform(commit, out)?;
        match &self.moves {
            Some(moves) if !moves.is_empty() => Ok(move_steps(commit, out, moves)?),
            _ => Ok(()),
        }
    }
}

fn has_sagas(from: &dyn Reader) -> Result<bool, ReadError> {
    if subscriptions(from)?.iter().any(|it| is_of_saga(&it.name)) {
        return Ok(true);
    }
    let mut position = Position::NONE;
    while position < from.head() {
        let page = from.read_log(position, PageLimit::default())?;
        let Some(last) = page.commits.last() else { break };
        position = last.last_position();
        let steps = |commit: &CommitView<'_>| commit.events().any(|it| is_step(it.event_type));
        if page.commits.iter().any(|commit| steps(&commit.view())) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a stream stays, as far as its first commits show.
fn keeps(
    from: &dyn Reader,
    transform: &mut dyn Transform,
    stream: &StreamId,
) -> Result<bool, SagaNotCarried> {
    let page = from.read_stream(stream, Version::NONE, Position::NONE, PageLimit::default())?;
    for commit in &page.commits {
        let out = rehearse_commit(commit, transform);
        let out = out.map_err(|error| SagaNotCarried::Unread(Box::new(error)))?;
        if out.stream().is_some_and(|to| to != stream) {
            return Ok(false);
        }
        if out.is_kept() || !out.events().is_empty() {
            return Ok(true);
        }
    }
    Ok(page.commits.is_empty())
}
