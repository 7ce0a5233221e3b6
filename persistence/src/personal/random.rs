//! Random bytes from the operating system.

use super::error::KeyError;

pub(crate) fn fill_random(bytes: &mut [u8]) -> Result<(), KeyError> {
    getrandom::fill(bytes).map_err(|error| KeyError::Random { what: error.to_string() })
}
