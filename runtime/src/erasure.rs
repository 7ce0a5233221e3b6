//! Erasure of personal data: destroys the key of a data subject and rebuilds what was derived from its clear
//! text.
//!
//! What a state or a view may hold is recorded where it is kept, in `aggregate::inbox` and `projection`.

mod forget;
mod personal_data;

/// The keys of data subjects, and the master keys that wrap them.
pub use actuarius_persistence::keys;
pub use actuarius_persistence::personal::{PersonalError, in_clear, masked, showing};

pub use forget::{ForgetError, Forgotten};
