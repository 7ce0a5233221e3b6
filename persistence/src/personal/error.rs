//! Why keys and personal values could not be used.

use thiserror::Error;

use super::master_key_id::MasterKeyId;

/// Why the keys of subjects could not be used. Nothing was written, unless [`KeyError::Failed`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A subject's name has 1 to 512 bytes.
    #[error("a subject's name has 1 to {} bytes", super::SUBJECT_BYTES_MAX)]
    Subject,
    /// Both copies of so many keys are damaged, and the one that is looked for may be among them.
    /// It is taken neither for forgotten nor for new. Restore the key file from its backup.
    #[error("{slots} keys are damaged in both copies, perhaps this one: restore the key file")]
    Damaged {
        /// How many.
        slots: u64,
    },
    /// The master key is not to be had.
    #[error(transparent)]
    Master(#[from] MasterKeyError),
    /// Writing or syncing the key file failed: what was being written, a forgetting also, may or may
    /// not be there. Nothing more is written until it is opened again; then repeat what failed.
    #[error("the key file failed: {what}")]
    Failed {
        /// What the system said.
        what: String,
    },
    /// The store was written with the keys of another file, and these are not they: what was sealed
    /// with those cannot be read. Restore the right file, which is called `expected`.
    #[error("the store was written with the key file {expected}, {found}")]
    OtherFile {
        /// The [identity](crate::keys::Keys::identity) of the right file.
        expected: uuid::Uuid,
        /// What is there.
        found: String,
    },
    /// The key file could not be read now. Try again.
    #[error("the key file could not be read: {what}")]
    Unreadable {
        /// What the system said.
        what: String,
    },
    /// The keys are closed, and so is their store. Open them again.
    #[error("the keys are closed")]
    Closed,
    /// The system has no randomness. Try again.
    #[error("the system gave no random numbers: {what}")]
    Random {
        /// What the system said.
        what: String,
    },
}

/// Why a master key is not to be had. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MasterKeyError {
    /// The provider has no key of this name.
    #[error("there is no master key {id}")]
    Unknown {
        /// The key's name.
        id: MasterKeyId,
    },
    /// The provider's key of this name is not the one that keys were wrapped with.
    #[error("master key {id} is not the one that keys were wrapped with")]
    Wrong {
        /// The key's name.
        id: MasterKeyId,
    },
    /// The name cannot be a master key's: it has 1 to 16 letters, digits, `-`, `_` and `.` of ASCII.
    #[error("{name:?} cannot be the name of a master key")]
    InvalidName {
        /// The name.
        name: String,
    },
    /// The provider cannot give it now.
    #[error("the master key is not available: {why}")]
    Unavailable {
        /// What the provider says.
        why: String,
    },
}

/// Why a [`Personal`](crate::Personal) value could not be written or read. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PersonalError {
    /// There are no keys here: the runtime was opened without
    /// `RuntimeBuilder::personal_data`, or the value is serialized or read outside of a runtime. To show it,
    /// take it out with [`Personal::get`](crate::Personal::get); to serialize it all the same, do so
    /// within [`Keys::within`](crate::keys::Keys::within).
    #[error(
        "personal data is written and read with keys only: open the runtime with \
         `RuntimeBuilder::personal_data`; to show a value elsewhere, take it out with `Personal::get`"
    )]
    NoKeys,
    /// The subject was forgotten, so nothing more is written about it.
    #[error("subject {subject:?} was forgotten; nothing personal is written about it any more")]
    Forgotten {
        /// The subject.
        subject: String,
    },
    /// There is no key of this subject, nor does the key file say that it was forgotten: it is
    /// another file than that of this log, or an older copy of it.
    #[error(
        "there is no key of subject {subject:?}, and it was not forgotten: these are other keys"
    )]
    Missing {
        /// The subject.
        subject: String,
    },
    /// The value was sealed with another key than this subject has: the key file is another one than
    /// that of this log, or an older copy of it was restored.
    #[error("the value of subject {subject:?} was sealed with another key than it has now")]
    OtherKey {
        /// The subject.
        subject: String,
    },
    /// The bytes are not what was sealed.
    #[error("the personal data of subject {subject:?} was altered")]
    Altered {
        /// The subject.
        subject: String,
    },
    /// The value itself does not encode, or what was sealed does not decode as it.
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
