use std::io;
use std::path::PathBuf;

use actuarius::erasure::ForgetError;
use actuarius::erasure::keys::{KeyError, MasterKeyError};
use actuarius::error::{InvalidId, ReadError, StoreFailure};
use actuarius::inspection::{NotDeleted, NotSkipped};
use actuarius::store::archive::ArchiveError;
use actuarius::store::backup::BackupError;
use actuarius::store::export::{ExportError, ImportError};
use actuarius::{Failure, OpenError};
use thiserror::Error;

/// How a command ended that could do its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Fine,
    /// It found what should not be.
    Findings,
}

impl Outcome {
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Findings => 1,
        }
    }
}

/// Why a command ended before it was done.
#[derive(Debug, Error)]
pub(crate) enum Trouble {
    #[error("say which store: --store DIR, or the environment's ACTUARIUS_STORE")]
    NoStoreNamed,
    #[error("{} holds no store", .0.display())]
    NoStore(PathBuf),
    #[error(
        "the store {} is open in another process. Stop that one; or have it make a backup (`backup` of the \
         running program), and look at the backup instead",
        .0.display()
    )]
    Locked(PathBuf),
    #[error("{} is a backup, which is only looked into: restore it, and change what was restored", .0.display())]
    Backup(PathBuf),
    #[error(transparent)]
    Open(OpenError),
    #[error(transparent)]
    Copy(BackupError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Write(#[from] StoreFailure),
    /// The state of a registered type could not be had.
    #[error("the state: {0}")]
    State(#[from] Failure),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    Export(#[from] ExportError),
    #[error(transparent)]
    Import(#[from] ImportError),
    #[error(
        "say which master keys: --master-keys FILE, or the environment's ACTUARIUS_MASTER_KEYS"
    )]
    NoMasterKeys,
    #[error("there is no personal data in the store: it has no keys")]
    NoKeys,
    #[error(transparent)]
    Keys(#[from] KeyError),
    #[error(transparent)]
    Forget(#[from] ForgetError),
    #[error("it could not be written out: {0}")]
    Output(#[from] io::Error),
    #[error(transparent)]
    InvalidName(#[from] InvalidId),
    #[error("{0}")]
    Other(String),
}

impl Trouble {
    /// 1 if something in the store is not as it should be, else 2.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Open(OpenError::Damaged { .. } | OpenError::Shorter { .. }) => 1,
            Self::Read(
                ReadError::Damaged(_)
                | ReadError::DamagedNote { .. }
                | ReadError::DamagedSnapshot { .. },
            ) => 1,
            Self::Copy(BackupError::Damaged { .. } | BackupError::Segment(_)) => 1,
            Self::Archive(ArchiveError::Segment(_)) => 1,
            Self::Keys(KeyError::Damaged { .. })
            | Self::Forget(ForgetError::Keys(KeyError::Damaged { .. })) => 1,
            Self::State(Failure::Undecodable(_) | Failure::Panicked { .. }) => 1,
            Self::State(Failure::Unreadable(ReadError::Damaged(_))) => 1,
            _ => 2,
        }
    }

    /// Whether whoever reads the output has heard enough.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

impl From<OpenError> for Trouble {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Locked { path } => Self::Locked(path),
            error => Self::Open(error),
        }
    }
}

impl From<MasterKeyError> for Trouble {
    fn from(error: MasterKeyError) -> Self {
        Self::Keys(error.into())
    }
}

impl From<BackupError> for Trouble {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::Read(error) => error.into(),
            BackupError::Open(error) => error.into(),
            BackupError::Store(error) => error.into(),
            error => Self::Copy(error),
        }
    }
}

impl From<NotDeleted> for Trouble {
    fn from(error: NotDeleted) -> Self {
        match error {
            NotDeleted::Read(error) => error.into(),
            NotDeleted::Failed(error) => error.into(),
            NotDeleted::Archive(error) => error.into(),
            error => Self::Other(error.to_string()),
        }
    }
}

impl From<NotSkipped> for Trouble {
    fn from(error: NotSkipped) -> Self {
        match error {
            NotSkipped::Read(error) => error.into(),
            NotSkipped::Failed(error) => error.into(),
            error => Self::Other(error.to_string()),
        }
    }
}
