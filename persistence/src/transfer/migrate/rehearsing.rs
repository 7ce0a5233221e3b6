//! Rehearses a migration: what becomes of each commit, without a new store.

use std::collections::HashSet;

use actuarius_domain::{Position, StreamId};

use super::output::stream_of;
use super::rewrite::Rewrite;
use super::{MigrateError, Moves, Transform};
use crate::personal::scope::deriving;
use crate::record::{Commit, CommitView};
use crate::store::{PageLimit, Reader};

/// Looks at a commit and at what becomes of it. Its last argument is how many events that has.
pub type Watch<'a> = dyn FnMut(&CommitView<'_>, &Rewrite, u64) + 'a;

/// Calls the transform for each commit of a store and `watch` with the result, and returns where the events are
/// afterwards. Nothing is written.
///
/// # Errors
/// Returns [`MigrateError`] if a commit cannot be read or transformed.
pub fn rehearse(
    from: &dyn Reader,
    transform: &mut dyn Transform,
    watch: &mut Watch<'_>,
) -> Result<Moves, MigrateError> {
    let mut rehearsal = Rehearsal::default();
    let mut position = Position::NONE;
    while position < from.head() {
        let page = from.read_log(position, PageLimit::default())?;
        for commit in &page.commits {
            rehearsal.commit(commit, transform, watch)?;
        }
        let Some(last) = page.commits.last() else { break };
        position = last.last_position();
    }
    Ok(rehearsal.moves)
}

/// Returns what becomes of a commit.
///
/// # Errors
/// Returns [`MigrateError::Transform`] if the transform fails.
pub fn rehearse_commit(
    commit: &Commit,
    transform: &mut dyn Transform,
) -> Result<Rewrite, MigrateError> {
    let (view, stream, mut out) = (commit.view(), stream_of(commit)?, Rewrite::default());
    let (position, result) = (view.position, &mut out);
    // As in the migration.
    deriving(commit.sealer.as_ref(), || transform.transform(&view, result))
        .map_err(|source| MigrateError::Transform { stream, position, source })?;
    Ok(out)
}

#[derive(Default)]
struct Rehearsal {
    moves: Moves,
    /// The streams with other versions afterwards.
    renumbered: HashSet<StreamId>,
}

impl Rehearsal {
    fn commit(
        &mut self,
        commit: &Commit,
        transform: &mut dyn Transform,
        watch: &mut Watch<'_>,
    ) -> Result<(), MigrateError> {
        let (view, stream) = (commit.view(), stream_of(commit)?);
        let out = rehearse_commit(commit, transform)?;
        let afterwards = self.afterwards(&view, &stream, &out);
        watch(&view, &out, afterwards);
        self.moves.push(view.position, view.events, afterwards);
        Ok(())
    }

    fn afterwards(&mut self, view: &CommitView<'_>, stream: &StreamId, out: &Rewrite) -> u64 {
        let target = out.stream().unwrap_or(stream);
        let afterwards = match out.is_kept() {
            // Only a stub that is copied byte by byte counts.
            true if view.is_gone() && (target != stream || self.renumbered.contains(stream)) => 0,
            true => view.events,
            false => out.events().len() as u64,
        };
        if target != stream || afterwards != view.events {
            self.renumbered.insert(stream.clone());
            self.renumbered.insert(target.clone());
        }
        afterwards
    }
}
