//! Carries checkpoints into a store whose events are at other positions.

use actuarius_domain::Position;
use actuarius_persistence::migrate::MigrateError;
use actuarius_persistence::{Batch, Notes, Reader, Store};

use super::checkpoint::{self, Checkpoint, Mark};
use super::inspecting::{load, subscriptions};

/// Writes the checkpoints of the subscriptions that are `carried` to another store, at the positions where their events
/// are `moved` to. A subscription with parked events resumes before the first of them: it must recognise the
/// events that it has handled.
pub(crate) fn carry_checkpoints(
    from: &dyn Reader,
    to: &mut Store,
    carried: impl Fn(&str) -> bool,
    moved: impl Fn(Position) -> Position,
) -> Result<(), MigrateError> {
    for subscription in subscriptions(from)?.into_iter().filter(|it| carried(&it.name)) {
        let Some((stored, parked)) = load(from, &subscription.name)? else { continue };
        let firsts = parked.firsts();
        let entries = firsts.iter().filter_map(|first| parked.first(&first.key));
        let marks = entries.map(|entry| Mark::before(entry.position, entry.commit));
        let mark = marks.fold(stored.mark, Mark::or_before);
        // The end of a commit stays one.
        let mark = Mark::at(moved(mark.resume_after));
        let identity = to.reader.identity();
        let checkpoint =
            Checkpoint { paused: stored.paused, ..Checkpoint::beginning(identity, mark) };
        let mut notes = Notes::default();
        // A single short note always fits.
        let _ = notes.put(checkpoint::key(&subscription.name), checkpoint.encode());
        to.writer.commit(&Batch { notes: vec![notes], ..Batch::default() })?;
    }
    Ok(())
}
