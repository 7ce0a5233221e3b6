//! Personal data: values that are sealed at rest, and the seam to the keys that seal them.
//!
//! [`Personal`] is the value that users write, [`Sealer`] the seam that [`keys`](crate::keys)
//! implement, and [`within`], [`deriving`] and [`collecting`] put a sealer in scope while something
//! is encoded or decoded. Records and codecs use this module only, never the keys themselves.

pub(crate) mod checking;
pub(crate) mod error;
pub(crate) mod fingerprint;
pub(crate) mod master_key_id;
pub(crate) mod random;
pub(crate) mod scope;
#[cfg(feature = "erasure")]
mod sealed;
pub(crate) mod sealer;
pub(crate) mod subjects;
#[cfg(feature = "erasure")]
mod value;

pub use error::{KeyError, PersonalError};
pub use fingerprint::Fingerprint;
pub use master_key_id::{MasterKeyError, MasterKeyId};
pub use scope::{collecting, deriving, in_clear, masked, showing, uncollected, within};
pub use sealer::{Opened, Sealer};
pub use subjects::{SUBJECTS_MAX, Subjects};
#[cfg(feature = "erasure")]
pub use value::Personal;

/// The key of the store's note that holds the identity of its key file: 16 bytes.
pub const KEY_FILE: &[u8] = b"keys";

/// The longest name of a subject, in bytes.
pub const SUBJECT_BYTES_MAX: usize = 512;
