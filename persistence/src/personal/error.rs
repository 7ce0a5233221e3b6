//! Errors of keys and of personal values.

use thiserror::Error;

use super::master_key_id::MasterKeyError;

/// Why the keys of subjects could not be used. Nothing was written, except after [`KeyError::Failed`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The name of the subject is empty or longer than 512 bytes.
    #[error("the name of a subject must have 1 to {} bytes", super::SUBJECT_BYTES_MAX)]
    Subject,
    /// Both copies of some keys are damaged, and the key of this subject may be among them. It is
    /// treated neither as forgotten nor as new. Restore the key file from its backup.
    #[error(
        "{slots} keys are damaged in both copies, perhaps the one needed: restore the key file"
    )]
    Damaged {
        /// The number of damaged keys.
        slots: u64,
    },
    /// A master key is not available.
    #[error(transparent)]
    Master(#[from] MasterKeyError),
    /// Writing or syncing the key file failed: the last change, which may be a forgotten subject, may or
    /// may not be on disk. Nothing more is written until the file is opened again; then repeat what
    /// failed.
    #[error("the key file could not be written: {what}")]
    Failed {
        /// The error of the operating system.
        what: String,
    },
    /// The store was written with another key file: data sealed with the keys of that file cannot be
    /// read. Restore the file with the identity `expected`.
    #[error("the store was written with the key file {expected}, {found}")]
    OtherFile {
        /// The [identity](crate::keys::Keys::identity) of the right file.
        expected: uuid::Uuid,
        /// What was found instead.
        found: String,
    },
    /// All keys were rewrapped with the current master key, except those in these slots, whose two copies are
    /// damaged. Restore the key file from its backup before you remove a master key.
    #[error(
        "{rewrapped} keys were rewrapped, but both copies of the slots {left:?} are damaged: restore the key file"
    )]
    NotRotated {
        /// The number of rewrapped keys.
        rewrapped: u64,
        /// The numbers of the slots that were left out.
        left: Vec<u32>,
    },
    /// The key file could not be read. Try again.
    #[error("the key file could not be read: {what}")]
    Unreadable {
        /// The error of the operating system.
        what: String,
    },
    /// The keys are closed, and so is their store. Open them again.
    #[error("the keys are closed")]
    Closed,
    /// The operating system returned no random bytes. Try again.
    #[error("the operating system returned no random bytes: {what}")]
    Random {
        /// The error of the operating system.
        what: String,
    },
}

/// Why a [`Personal`](crate::Personal) value could not be written or read. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PersonalError {
    /// No keys are available: the runtime was opened without `RuntimeBuilder::personal_data`, or the
    /// value is serialized or read outside of a runtime. To show the value, use
    /// [`Personal::get`](crate::Personal::get); to serialize it, use
    /// [`Keys::within`](crate::keys::Keys::within).
    #[error(
        "personal data is written and read with keys only: open the runtime with \
         `RuntimeBuilder::personal_data`; to show a value outside of it, use `Personal::get`"
    )]
    NoKeys,
    /// The subject was forgotten, so no personal data is written about it any more.
    #[error("subject {subject:?} was forgotten; no personal data is written about it any more")]
    Forgotten {
        /// The subject.
        subject: String,
    },
    /// There is no key of this subject, and it was not forgotten: the key file belongs to another log,
    /// or is an older copy.
    #[error(
        "there is no key of subject {subject:?}, and it was not forgotten: \
         the key file is another one, or an older copy"
    )]
    Missing {
        /// The subject.
        subject: String,
    },
    /// The value was sealed with another key than this subject has: the key file belongs to another
    /// log, or an older copy was restored.
    #[error("the value of subject {subject:?} was sealed with another key than its current one")]
    OtherKey {
        /// The subject.
        subject: String,
    },
    /// The bytes differ from what was sealed.
    #[error("the personal data of subject {subject:?} was altered")]
    Altered {
        /// The subject.
        subject: String,
    },
    /// The value does not encode, or the opened bytes do not decode.
    #[error("the personal data of subject {subject:?}: {what}")]
    Content {
        /// The subject.
        subject: String,
        /// What is wrong.
        what: String,
    },
    /// The keys could not be used.
    #[error(transparent)]
    Keys(#[from] KeyError),
}
