//! Personal data: values that are sealed at rest, and the seam to the keys that seal them.
//!
//! [`Personal`] is the value that users write, [`Sealer`] the seam that [`keys`](crate::keys)
//! implement, and [`within`], [`deriving`] and [`collecting`] put a sealer in scope while something
//! is encoded or decoded. Records and codecs know this room only, never the keys themselves.

pub(crate) mod error;
pub(crate) mod fingerprint;
pub(crate) mod master_key_id;
pub(crate) mod random;
pub(crate) mod scope;
mod sealed;
pub(crate) mod sealer;
pub(crate) mod subjects;
mod value;

pub use error::{KeyError, MasterKeyError, PersonalError};
pub use fingerprint::Fingerprint;
pub use master_key_id::MasterKeyId;
pub use scope::{collecting, deriving, in_clear, masked, showing, within};
pub use sealer::{Opened, Sealer};
pub use subjects::{SUBJECTS_MAX, Subjects};
pub use value::Personal;

/// The most bytes a subject's name may have.
pub const SUBJECT_BYTES_MAX: usize = 512;
