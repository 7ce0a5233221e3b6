//! How a command ends: its outcome, its errors, and their exit codes.

use std::io;
use std::path::PathBuf;

use actuarius::erasure::ForgetError;
use actuarius::erasure::keys::{KeyError, MasterKeyError};
use actuarius::error::{InvalidId, ReadError, StoreFailure};
use actuarius::history::{AmbiguousTime, CommitTime};
use actuarius::inspection::{NotDeleted, NotMarked, NotSkipped};
use actuarius::store::archive::ArchiveError;
use actuarius::store::backup::BackupError;
use actuarius::store::export::{ExportError, ImportError};
use actuarius::{Failure, OpenError};
use thiserror::Error;

use crate::moment::Utc;

/// The result of a command that completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Success,
    /// The command found problems.
    Findings,
}

impl Outcome {
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Findings => 1,
        }
    }
}

/// Why a command could not complete.
#[derive(Debug, Error)]
pub(crate) enum ToolError {
    #[error("no store given: use --store DIR, or set ACTUARIUS_STORE")]
    NoStoreNamed,
    #[error("{} contains no store", .0.display())]
    NoStore(PathBuf),
    #[error(
        "the store {} is open in another process. Stop that process, or let it take a backup \
         (`runtime.backup`) and inspect the backup",
        .0.display()
    )]
    Locked(PathBuf),
    #[error("{} is a backup, which is read-only: restore it, and change the restored store", .0.display())]
    Backup(PathBuf),
    #[error(
        "--forensics works with commands that read one store: info, streams, show, tail, history, \
             subscriptions, sagas, parked list, verify and export"
    )]
    ReadOnly,
    #[error(transparent)]
    Open(OpenError),
    #[error(transparent)]
    Copy(BackupError),
    #[error("{}", ambiguous(.0))]
    Ambiguous(Box<AmbiguousTime>),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Write(#[from] StoreFailure),
    /// The state of a registered type could not be computed.
    #[error("the state: {0}")]
    State(#[from] Failure),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    Export(#[from] ExportError),
    #[error(transparent)]
    Import(#[from] ImportError),
    #[error("no master keys given: use --master-keys FILE, or set ACTUARIUS_MASTER_KEYS")]
    NoMasterKeys,
    #[error("the store has no keys, so it contains no personal data")]
    NoKeys,
    #[error(transparent)]
    Keys(#[from] KeyError),
    #[error(transparent)]
    Forget(#[from] ForgetError),
    #[error("the output could not be written: {0}")]
    Output(#[from] io::Error),
    #[error(transparent)]
    InvalidName(#[from] InvalidId),
    #[error("{0}")]
    Other(String),
}

/// Describes commits that are out of order, and what to do.
fn ambiguous(which: &AmbiguousTime) -> String {
    let named = |commits: &[CommitTime]| {
        let named = commits.iter().map(|it| format!("\n    {} at {}", it.position, Utc(it.time)));
        named.collect::<String>()
    };
    format!(
        "the times of the log are not in order around {}; nothing was restored.\n  \
         commits up to position {} that were decided later: {}{}\n  \
         commits after position {} that were decided by then: {}{}\n\
         Repeat with --out-of-order include (restores up to position {}) or --out-of-order exclude (restores up \
         to position {})",
        Utc(which.time),
        which.after_last_earlier,
        which.later,
        named(&which.later_examples),
        which.before_first_later,
        which.earlier,
        named(&which.earlier_examples),
        which.after_last_earlier,
        which.before_first_later,
    )
}

impl ToolError {
    /// 1 if the store or its data is damaged, otherwise 2.
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

    /// Whether the reader of the output has closed it.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

impl From<OpenError> for ToolError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Locked { path } => Self::Locked(path),
            error => Self::Open(error),
        }
    }
}

impl From<MasterKeyError> for ToolError {
    fn from(error: MasterKeyError) -> Self {
        Self::Keys(error.into())
    }
}

impl From<BackupError> for ToolError {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::Read(error) => error.into(),
            BackupError::Open(error) => error.into(),
            BackupError::Store(error) => error.into(),
            BackupError::AmbiguousTime(which) => Self::Ambiguous(which),
            error => Self::Copy(error),
        }
    }
}

impl From<NotDeleted> for ToolError {
    fn from(error: NotDeleted) -> Self {
        match error {
            NotDeleted::Read(error) => error.into(),
            NotDeleted::Failed(error) => error.into(),
            NotDeleted::Archive(error) => error.into(),
            lag @ NotDeleted::FollowersLag { .. } => Self::Other(format!(
                "{lag}; start them until they are, discard them in the program, or pass --despite-lag"
            )),
            error => Self::Other(error.to_string()),
        }
    }
}

impl From<NotMarked> for ToolError {
    fn from(error: NotMarked) -> Self {
        match error {
            NotMarked::Read(error) => Self::Read(error),
            NotMarked::Failed(failure) => Self::Write(failure),
            error => Self::Other(error.to_string()),
        }
    }
}

impl From<NotSkipped> for ToolError {
    fn from(error: NotSkipped) -> Self {
        match error {
            NotSkipped::Read(error) => error.into(),
            NotSkipped::Failed(error) => error.into(),
            error => Self::Other(error.to_string()),
        }
    }
}
