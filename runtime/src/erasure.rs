//! Erasure of personal data: destroys the key of a data subject and rebuilds what was derived from its clear
//! text.
//!
//! What a state or a view may hold is recorded where it is kept, in `aggregate::inbox` and `projection`.

pub(crate) mod forget;
