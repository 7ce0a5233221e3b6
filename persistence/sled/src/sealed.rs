//! Sealed values: each begins with a CRC-32C of its key and of everything after the checksum.

use actuarius_persistence::wire::{Cursor, Malformed};

/// The size of the checksum at the start of a value.
pub(crate) const CHECKSUM: usize = 4;

/// Writes the checksum into the first bytes of a value. `key` is the CRC-32C of its key.
pub(crate) fn seal(key: u32, value: &mut [u8]) {
    let checksum = crc32c::crc32c_append(key, &value[CHECKSUM..]);
    value[..CHECKSUM].copy_from_slice(&checksum.to_le_bytes());
}

/// Returns the content after the checksum, or the error `what` if the checksum is wrong.
pub(crate) fn open<'a>(
    key: u32,
    value: &'a [u8],
    what: &'static str,
) -> Result<Cursor<'a>, Malformed> {
    let mut cursor = Cursor(value);
    let checksum = cursor.u32()?;
    let is_right = checksum == crc32c::crc32c_append(key, cursor.0);
    if is_right { Ok(cursor) } else { Err(Malformed(what)) }
}
