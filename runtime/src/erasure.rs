//! Erasure of personal data: forgets a data subject and rebuilds what was derived from it.

pub(crate) mod forget;
