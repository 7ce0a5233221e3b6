//! Why stored data could not be read, before it is known whose data it is.

use std::io;
use std::sync::Arc;

use actuarius_domain::{Position, StreamId};
use actuarius_persistence::wire::Malformed;
use actuarius_persistence::{Damage, ReadError};
use bytes::Bytes;

#[derive(Debug)]
pub(super) enum Trouble {
    Engine(sled::Error),
    Malformed(&'static str),
}

pub(super) type Result<T> = std::result::Result<T, Trouble>;

impl Trouble {
    /// The error for whoever wanted to read `position`, for `stream` if it was for one.
    pub(super) fn at(self, position: u64, stream: Option<&StreamId>) -> ReadError {
        let what = match self {
            Self::Engine(sled::Error::Io(error)) => return ReadError::Io(Arc::new(error)),
            Self::Engine(error) => error.to_string(),
            Self::Malformed(what) => what.to_owned(),
        };
        let (stream, position) = (stream.cloned(), Position::new(position));
        ReadError::Damaged(Damage { stream, position, what })
    }

    /// The error for whoever wanted to read the note `key`.
    pub(super) fn of_note(self, key: &[u8]) -> ReadError {
        if let Self::Engine(sled::Error::Io(error)) = self {
            return ReadError::Io(Arc::new(error));
        }
        ReadError::DamagedNote { key: Bytes::copy_from_slice(key), what: self.to_string() }
    }
}

pub(super) fn engine_io(error: sled::Error) -> io::Error {
    match error {
        sled::Error::Io(error) => error,
        other => io::Error::other(other.to_string()),
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Engine(error) => error.fmt(formatter),
            Self::Malformed(what) => formatter.write_str(what),
        }
    }
}

impl From<sled::Error> for Trouble {
    fn from(error: sled::Error) -> Self {
        Self::Engine(error)
    }
}

impl From<Malformed> for Trouble {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed.0)
    }
}

/// What a panic said.
pub(super) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "sled panicked".to_owned())
}
