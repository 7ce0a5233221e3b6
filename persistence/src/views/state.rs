//! The file format of a saved state.
//!
//! ```text
//! actstate | format u32 | checksum u32 | generation u64 | length u64 | state
//! ```
//!
//! The checksum is CRC-32C over all that follows it.

use std::path::Path;

use crate::table::error::ViewError;
use crate::wire::{Cursor, Malformed};

/// The format this release writes, and the newest it reads.
const FORMAT: u32 = 1;

const MAGIC: &[u8; 8] = b"actstate";
const HEAD: usize = 8 + 4 + 4 + 8 + 8;

/// Returns the head of the file, which is followed by the state.
pub(super) fn head(generation: u64, state: &[u8]) -> Vec<u8> {
    let generation_and_length = generation_and_length(generation, state);
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&generation_and_length), state);
    [MAGIC, &FORMAT.to_le_bytes()[..], &checksum.to_le_bytes(), &generation_and_length].concat()
}

fn generation_and_length(generation: u64, state: &[u8]) -> Vec<u8> {
    [generation.to_le_bytes(), (state.len() as u64).to_le_bytes()].concat()
}

/// Returns the state in a file. `path` is for errors.
pub(super) fn unpack(
    path: &Path,
    generation: u64,
    mut bytes: Vec<u8>,
) -> Result<Vec<u8>, ViewError> {
    let what = path.display().to_string();
    match format(&bytes) {
        Ok(FORMAT) => {}
        Ok(found) if found > FORMAT => {
            return Err(ViewError::NewerFormat { what, found, supported: FORMAT });
        }
        _ => return Err(ViewError::damaged(format!("{what} is not a saved state"))),
    }
    if bytes.len() < HEAD || head(generation, &bytes[HEAD..]) != bytes[..HEAD] {
        return Err(ViewError::damaged(format!("{what}: the checksum is wrong")));
    }
    Ok(bytes.split_off(HEAD))
}

fn format(bytes: &[u8]) -> Result<u32, Malformed> {
    let mut cursor = Cursor(bytes);
    if cursor.array()? != *MAGIC {
        return Err(Malformed("another kind of file"));
    }
    cursor.u32()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutations::Mutations;

    fn file(generation: u64, state: &[u8]) -> Vec<u8> {
        [&head(generation, state), state].concat()
    }

    #[test]
    fn a_state_round_trips_and_every_flipped_bit_is_detected() {
        let (path, whole) = (Path::new("state"), file(7, b"seventeen"));
        assert_eq!(unpack(path, 7, whole.clone()).expect("whole"), b"seventeen");
        for bit in 0..whole.len() * 8 {
            let mut damaged = whole.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(unpack(path, 7, damaged).is_err(), "bit {bit}");
        }
        for length in 0..whole.len() {
            assert!(unpack(path, 7, whole[..length].to_vec()).is_err(), "{length} bytes");
        }
        assert!(unpack(path, 8, whole).is_err(), "of another generation");
    }

    #[test]
    fn a_newer_format_is_reported() {
        let mut newer = file(7, b"");
        newer[8] = 2;
        let error = unpack(Path::new("state"), 7, newer).expect_err("newer");
        assert!(matches!(error, ViewError::NewerFormat { found: 2, supported: 1, .. }), "{error}");
    }

    #[test]
    fn no_mutated_state_panics_or_allocates_without_a_bound() {
        let reseal = |bytes: &mut Vec<u8>| {
            if let Some(state) = bytes.get(HEAD..) {
                let head = head(7, state);
                bytes[..HEAD].copy_from_slice(&head);
            }
        };
        let decoder = Mutations::of("a saved state", [file(7, b"seventeen")]).resealed(reseal);
        decoder.run(
            |work| allocation_counter::measure(work).bytes_max,
            |bytes| drop(unpack(Path::new("state"), 7, bytes.to_vec())),
        );
    }
}
