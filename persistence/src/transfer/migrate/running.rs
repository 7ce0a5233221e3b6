//! Runs a migration.

use actuarius_domain::{StreamId, Version};
use bytes::Bytes;
use uuid::Uuid;

use super::super::key_file::{self, NotCarried};
use super::super::progress::{OnProgress, Progress};
use super::note::Done;
use super::output::{Output, stream_of};
use super::rewrite::Rewrite;
use super::{MigrateError, Migrated, Transform};
use crate::error::ReadError;
use crate::personal::scope::deriving;
use crate::record::codec::CodecError;
use crate::record::note::Notes;
use crate::record::{Append, Commit, NewCommit};
use crate::store::{PageLimit, Reader, Store};

/// Writes the transformed commits of `from` to `to`, which must be empty before the first run and have no
/// other writer. Then reads everything that was written again, and compares it.
///
/// Archived events of `from` are read from its archive.
///
/// # Errors
/// Returns [`MigrateError`] if the migration is not finished: run it again to continue.
pub fn run(
    from: &dyn Reader,
    to: &mut Store,
    transform: &mut dyn Transform,
    progress: OnProgress<'_>,
) -> Result<Migrated, MigrateError> {
    let fresh = Done { source: from.identity(), so_far: Migrated::default() };
    let done = Done::find(&*to.reader)?;
    if done.is_some_and(|done| {
        !from.maintenance().lineage().shares(done.source, done.so_far.from.position)
    }) {
        return Err(MigrateError::OtherTarget);
    }
    transform.begin(from).map_err(MigrateError::Begin)?;
    let is_new = done.is_none();
    if let (true, Some(identity)) = (is_new, key_file::of(from)?) {
        carry_key_file(identity, to)?;
    }
    let done = Done { source: from.identity(), ..done.unwrap_or(fresh) };
    let output = Output::after(done.so_far.to, to)?;
    let mut running = Running { transform, output, done };
    if is_new {
        running.output.carry_shapes(from)?;
        // Before all events, so that a later run recognises them as its own.
        running.output.flush(done)?;
    }
    running.read(from, progress)?;
    if let Some(position) = running.output.surplus() {
        return Err(MigrateError::OtherTransform { position });
    }
    running.output.flush(running.done)?;
    running.output.verify()?;
    Ok(running.done.so_far)
}

/// Records the key file that the values of the new store are sealed with.
fn carry_key_file(identity: Uuid, to: &mut Store) -> Result<(), MigrateError> {
    if key_file::of(&*to.reader)?.is_some_and(|of_target| of_target != identity) {
        return Err(MigrateError::OtherTarget);
    }
    key_file::carry(identity, to).map_err(|error| match error {
        NotCarried::Read(error) => error.into(),
        NotCarried::Store(failure) => failure.into(),
    })
}

/// A transformed commit, with its stream and the shapes of its events that are to be recorded.
type Rewritten = (StreamId, Commit, Vec<Notes>);

struct Running<'a, 't> {
    transform: &'t mut dyn Transform,
    output: Output<'a>,
    /// The progress, including pending commits.
    done: Done,
}

impl Running<'_, '_> {
    fn read(&mut self, from: &dyn Reader, progress: OnProgress<'_>) -> Result<(), MigrateError> {
        let wanted = from.maintenance().chain()?;
        let mut report = Progress { end: wanted.position, ..Progress::default() };
        while self.done.so_far.from.position < wanted.position {
            let before = self.done.so_far.from.position;
            let page = from.read_log(before, PageLimit::default())?;
            let until = |commit: &&Commit| commit.last_position() <= wanted.position;
            for commit in page.commits.iter().take_while(until) {
                self.commit(commit)?;
                report.commits += 1;
                report.bytes += commit.bytes() as u64;
            }
            report.position = self.done.so_far.from.position;
            if report.position == before {
                break;
            }
            if progress(&report).is_break() {
                self.output.flush(self.done)?;
                return Err(MigrateError::Stopped);
            }
        }
        let found = self.done.so_far.from;
        if found == wanted { Ok(()) } else { Err(MigrateError::OtherSource { wanted, found }) }
    }

    fn commit(&mut self, before: &Commit) -> Result<(), MigrateError> {
        let written = self.rewritten(before)?;
        let so_far = &mut self.done.so_far;
        so_far.from = so_far.from.then(before);
        so_far.commits_read += 1;
        so_far.events_read += before.view().events;
        if let Some((stream, commit, shapes)) = written {
            self.output.rewritten(before, &commit, shapes);
            so_far.commits_written += 1;
            so_far.events_written += commit.view().events;
            self.output.put(stream, &commit)?;
            self.done.so_far.to = self.output.end;
        }
        if self.output.is_full() { self.output.flush(self.done) } else { Ok(()) }
    }

    /// Returns the transformed commit, or `None` if it is dropped.
    fn rewritten(&mut self, commit: &Commit) -> Result<Option<Rewritten>, MigrateError> {
        let (view, old) = (commit.view(), stream_of(commit)?);
        let mut out = Rewrite::default();
        // Personal values are opened and sealed again with the keys of the old store.
        let transformed =
            deriving(commit.sealer.as_ref(), || self.transform.transform(&view, &mut out));
        let (stream, position) = (old.clone(), view.position);
        transformed.map_err(|source| MigrateError::Transform { stream, position, source })?;
        let stream = out.stream.take().unwrap_or_else(|| old.clone());
        let version = self.output.version(&stream, self.done)?;
        let position = self.output.end.position.next();
        let frame = if out.kept && stream == old && view.version == version.next() {
            Some(commit.frame())
        } else {
            if out.kept {
                out.fill(view.events());
            }
            let encoded = encoded(&stream, version, commit, &out);
            let stream = old;
            encoded.map_err(|source| MigrateError::Unstorable {
                stream,
                position: view.position,
                source,
            })?
        };
        let Some(frame) = frame else { return Ok(None) };
        let commit = Commit::from_frame(&frame, position).map_err(ReadError::from)?;
        Ok(Some((stream, commit, out.shapes)))
    }
}

fn encoded(
    stream: &StreamId,
    version: Version,
    commit: &Commit,
    out: &Rewrite,
) -> Result<Option<Bytes>, CodecError> {
    let (view, mut append) = (commit.view(), Append::new(stream.clone(), version));
    let (metadata, named_by_caller) = (view.metadata(), view.named_by_caller());
    let (time, command_id) = (view.time, view.command_id);
    let new = NewCommit { time, command_id, named_by_caller, metadata: &metadata };
    append.push_encoded(new, &out.events)?;
    Ok(append.frames().next().map(|(frame, _)| Bytes::copy_from_slice(frame)))
}
