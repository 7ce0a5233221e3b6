//! The error of a read in sled, before the caller adds the position, stream or note.

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

use actuarius_domain::{Position, StreamId};
use actuarius_persistence::wire::Malformed;
use actuarius_persistence::{Damage, ReadError};
use bytes::Bytes;

/// Stored data could not be read.
#[derive(Debug)]
pub(super) enum EngineError {
    Sled(sled::Error),
    Malformed(&'static str),
}

pub(super) type Result<T, E = EngineError> = std::result::Result<T, E>;

impl EngineError {
    /// Returns the error of a read at `position`, of `stream` if the read was of one.
    pub(super) fn at(self, position: u64, stream: Option<&StreamId>) -> ReadError {
        let what = match self {
            Self::Sled(sled::Error::Io(error)) => return ReadError::Io(Arc::new(error)),
            Self::Sled(error) => error.to_string(),
            Self::Malformed(what) => what.to_owned(),
        };
        let (stream, position) = (stream.cloned(), Position::new(position));
        ReadError::Damaged(Damage { stream, position, what })
    }

    /// Returns the error of a read of the note `key`.
    pub(super) fn of_note(self, key: &[u8]) -> ReadError {
        if let Self::Sled(sled::Error::Io(error)) = self {
            return ReadError::Io(Arc::new(error));
        }
        ReadError::DamagedNote { key: Bytes::copy_from_slice(key), what: self.to_string() }
    }
}

/// Converts an error of sled to one of the operating system.
pub(super) fn engine_io(error: sled::Error) -> io::Error {
    match error {
        sled::Error::Io(error) => error,
        other => io::Error::other(other.to_string()),
    }
}

impl std::fmt::Display for EngineError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sled(error) => error.fmt(formatter),
            Self::Malformed(what) => formatter.write_str(what),
        }
    }
}

impl From<sled::Error> for EngineError {
    fn from(error: sled::Error) -> Self {
        Self::Sled(error)
    }
}

impl From<Malformed> for EngineError {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed.0)
    }
}

/// Runs `work`, and converts a panic to its message. sled panics on some kinds of damage.
pub(super) fn catch_panic<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    panic::catch_unwind(AssertUnwindSafe(work)).map_err(|panic| panic_text(&*panic))
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "sled panicked".to_owned())
}
