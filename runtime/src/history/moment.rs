//! [`Moment`] and [`LogMoment`]: what point of the past is requested, and which version it means.

use actuarius_domain::{Position, StreamId, Timestamp, Version};
use actuarius_persistence::{CommitView, Damage, ReadError, Reader};

use crate::base::stored_commit::commit_with;

/// A moment in the history of one aggregate. Converts from a [`Version`], a [`Position`] or a
/// [`Timestamp`].
///
/// The order of commits decides, not the clock. A version and a position name exactly the events that had
/// been stored. A time means *up to, and not including, the first commit that was decided later*; within
/// one aggregate times never go back, so these are all events that had been decided by then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// After the aggregate's event of this version.
    Version(Version),
    /// When the log ended at this position.
    Position(Position),
    /// When the clock showed this time, including everything that had been decided by then.
    Time(Timestamp),
}

/// A moment in the history of the whole log. Converts from a [`Position`] or a [`Timestamp`].
///
/// A time means *up to, and not including, the first commit that was decided later*. Commits are decided
/// concurrently, so a commit after that one may have a time that is a moment earlier. It is not included,
/// because the log never was in such a state. If the times differ by more than five seconds, a clock was wrong,
/// and the time is [ambiguous](super::AmbiguousTime): use a position, or
/// [`Runtime::position_at_with`](crate::Runtime::position_at_with).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogMoment {
    /// When the log ended at this position. A position within a command means the moment before the
    /// command.
    Position(Position),
    /// When the clock showed this time.
    Time(Timestamp),
}

impl From<Version> for Moment {
    fn from(version: Version) -> Self {
        Self::Version(version)
    }
}

impl From<Position> for Moment {
    fn from(position: Position) -> Self {
        Self::Position(position)
    }
}

impl From<Timestamp> for Moment {
    fn from(time: Timestamp) -> Self {
        Self::Time(time)
    }
}

impl From<LogMoment> for Moment {
    fn from(moment: LogMoment) -> Self {
        match moment {
            LogMoment::Position(position) => Self::Position(position),
            LogMoment::Time(time) => Self::Time(time),
        }
    }
}

impl From<Position> for LogMoment {
    fn from(position: Position) -> Self {
        Self::Position(position)
    }
}

impl From<Timestamp> for LogMoment {
    fn from(time: Timestamp) -> Self {
        Self::Time(time)
    }
}

/// How much of a commit is included in a moment.
enum Share {
    All,
    /// Its events up to this version.
    UpTo(Version),
    None,
}

impl Moment {
    /// Returns the version that the aggregate had. A version that it has not reached yet is returned as
    /// it is.
    pub(super) fn version(
        self,
        reader: &dyn Reader,
        stream: &StreamId,
    ) -> Result<Version, ReadError> {
        match self {
            Self::Version(version) => Ok(version),
            Self::Position(position) => search(reader, stream, |commit| {
                if commit.last_position() <= position {
                    Share::All
                } else if position < commit.position {
                    Share::None
                } else {
                    let events = position.get() - commit.position.get();
                    Share::UpTo(commit.version.plus(events))
                }
            }),
            Self::Time(time) => search(reader, stream, |commit| match commit.time <= time {
                true => Share::All,
                false => Share::None,
            }),
        }
    }
}

/// Finds the last included version by binary search. Starts at the end, because the moment is often
/// recent.
fn search(
    reader: &dyn Reader,
    stream: &StreamId,
    share: impl Fn(&CommitView<'_>) -> Share,
) -> Result<Version, ReadError> {
    let (mut included, mut possible) = (0, reader.version(stream)?.get());
    let mut next = possible;
    while included < possible {
        let commit = commit_with(reader, stream, Version::new(next))?.ok_or_else(|| {
            let what = format!("the event of version {next} is missing");
            Damage { stream: Some(stream.clone()), position: Position::NONE, what }
        })?;
        let commit = commit.view();
        match share(&commit) {
            Share::All => included = commit.last_version().get(),
            Share::UpTo(version) => return Ok(version),
            Share::None => possible = commit.version.get() - 1,
        }
        next = included + (possible - included.min(possible)).div_ceil(2);
    }
    Ok(Version::new(included))
}
