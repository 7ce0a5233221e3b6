//! The checkpoint of a subscription: everything up to it is finished.
//!
//! It is the note `subscription/<name>` with `layout u8 = 1 | store 16 | position u64 | behind u64 |
//! flags u8`, integers little-endian.

use actuarius_domain::Position;
use actuarius_persistence::{PageLimit, ReadError, Reader};
use bytes::{Buf, Bytes};
use uuid::Uuid;

use super::options::Start;

const LAYOUT: u8 = 1;
const PAUSED: u8 = 1;
const RESETTING: u8 = 2;

/// A place in the log: everything up to `position` is finished.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) position: Position,
    /// The last position of the last commit that is finished as a whole, after which reading resumes. It is
    /// `position` itself unless that is in the middle of a commit.
    pub(super) resume_after: Position,
}

impl Mark {
    /// Everything up to `position` is finished, which is the last of a commit or none.
    pub(super) fn at(position: Position) -> Self {
        Self { position, resume_after: position }
    }

    /// Everything before the event at `position` of the commit at `commit` is finished.
    pub(super) fn before(position: Position, commit: Position) -> Self {
        // Positions of events begin with 1.
        let one_less = |position: Position| Position::new(position.get().saturating_sub(1));
        Self { position: one_less(position), resume_after: one_less(commit) }
    }

    /// Returns the mark that comes first in the log.
    pub(super) fn or_before(self, other: Self) -> Self {
        if other.position < self.position { other } else { self }
    }
}

/// What is durable of a subscription, apart from its parked events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Checkpoint {
    /// The store the checkpoint belongs to.
    pub(super) store: Uuid,
    pub(super) mark: Mark,
    pub(super) paused: bool,
    /// The subscription was reset to the mark, and notes about later events are still to be removed.
    pub(super) resetting: bool,
}

/// Returns the name of the note.
pub(super) fn key(name: &str) -> String {
    format!("subscription/{name}")
}

impl Checkpoint {
    pub(super) fn beginning(store: Uuid, mark: Mark) -> Self {
        Self { store, mark, paused: false, resetting: false }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = vec![LAYOUT];
        out.extend_from_slice(self.store.as_bytes());
        for position in [self.mark.position, self.mark.resume_after] {
            out.extend_from_slice(&position.get().to_le_bytes());
        }
        let paused = if self.paused { PAUSED } else { 0 };
        out.push(paused | if self.resetting { RESETTING } else { 0 });
        out
    }

    /// Decodes the note of the subscription `name`.
    pub(super) fn decode(name: &str, value: Bytes) -> Result<Self, ReadError> {
        let decoded = decode(value).filter(|it| it.mark.resume_after <= it.mark.position);
        decoded.ok_or_else(|| ReadError::DamagedNote {
            key: key(name).into(),
            what: "it is not a checkpoint that this release can read".to_owned(),
        })
    }
}

fn decode(mut value: Bytes) -> Option<Checkpoint> {
    if value.try_get_u8().ok()? != LAYOUT {
        return None;
    }
    let mut store = [0; 16];
    value.try_copy_to_slice(&mut store).ok()?;
    let position = Position::new(value.try_get_u64_le().ok()?);
    let resume_after = Position::new(value.try_get_u64_le().ok()?);
    let flags = value.try_get_u8().ok()?;
    if flags & !(PAUSED | RESETTING) != 0 || !value.is_empty() {
        return None;
    }
    Some(Checkpoint {
        store: Uuid::from_bytes(store),
        mark: Mark { position, resume_after },
        paused: flags & PAUSED != 0,
        resetting: flags & RESETTING != 0,
    })
}

/// Why a place in the log cannot be used.
pub(super) enum InvalidStart {
    Ahead { position: Position, head: Position },
    Unread(ReadError),
}

/// Returns the mark of the place that `start` names.
pub(super) fn resolve(reader: &dyn Reader, start: Start) -> Result<Mark, InvalidStart> {
    let head = reader.head();
    let position = match start {
        Start::Beginning => Position::NONE,
        Start::After(position) => position,
        Start::End => head,
    };
    if position > head {
        return Err(InvalidStart::Ahead { position, head });
    }
    if position == head || position == Position::NONE {
        return Ok(Mark::at(position));
    }
    let resume_after = end_before(reader, position).map_err(InvalidStart::Unread)?;
    Ok(Mark { position, resume_after })
}

/// Returns the end of the last whole commit up to `position`, which is before the end of the log.
fn end_before(reader: &dyn Reader, position: Position) -> Result<Position, ReadError> {
    let page = reader.read_log(position, PageLimit { commits: 1, bytes: 1 })?;
    let next = page.commits.first().map(actuarius_persistence::Commit::position);
    match next {
        Some(next) if next <= position.next() => Ok(Mark::before(next, next).resume_after),
        _ => Err(actuarius_persistence::Damage {
            stream: None,
            position: position.next(),
            what: "the event is missing".to_owned(),
        }
        .into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actuarius_persistence::mutations::Mutations;

    fn checkpoint() -> Checkpoint {
        let mark = Mark { position: Position::new(17), resume_after: Position::new(15) };
        Checkpoint { store: Uuid::from_u128(7), mark, paused: true, resetting: false }
    }

    #[test]
    fn a_checkpoint_is_read_as_it_was_written() {
        for (paused, resetting) in [(false, false), (true, false), (false, true), (true, true)] {
            let checkpoint = Checkpoint { paused, resetting, ..checkpoint() };
            let value = Bytes::from(checkpoint.encode());
            assert_eq!(Checkpoint::decode("mailer", value).unwrap(), checkpoint);
        }
    }

    #[test]
    fn a_checkpoint_that_is_cut_longer_or_of_another_layout_is_reported() {
        let written = checkpoint().encode();
        let mut other = written.clone();
        other[0] = 2;
        let mut longer = written.clone();
        longer.push(0);
        let mut flagged = written.clone();
        flagged[33] = 4;
        for value in [other, longer, flagged, vec![], written[..written.len() - 1].to_vec()] {
            let error = Checkpoint::decode("mailer", value.into()).unwrap_err();
            assert!(error.to_string().contains("subscription/mailer"), "{error}");
        }
    }

    #[test]
    fn no_mutated_checkpoint_panics_or_allocates_without_a_bound() {
        let decoder = Mutations::of("a checkpoint", [checkpoint().encode()]);
        decoder.run(
            |work| allocation_counter::measure(work).bytes_max,
            |bytes| {
                let _ = Checkpoint::decode("mailer", Bytes::copy_from_slice(bytes));
            },
        );
    }
}
