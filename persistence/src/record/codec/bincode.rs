//! bincode 2, with a bound on what damaged bytes may make it allocate.

use ::bincode::error::{DecodeError, EncodeError};
use serde::Serialize;
use serde::de::DeserializeSeed;

use super::CodecError;

/// How much bincode may allocate while it decodes. If the bytes have another shape, it may read
/// anything as the length of a text, and allocate that much before it checks the length, which aborts
/// the process. A valid value counts up to 16 times its stored size, because a number of one byte
/// counts as 16. Memory beyond the stored bytes is only reserved, never touched.
const SMALL_BYTES: usize = 64 * 1024;
const SMALL_CLAIM: usize = 32 * SMALL_BYTES;
const LARGE_CLAIM: usize = u32::MAX as usize;

/// What to do if a value is not written by bincode, or does not read back.
pub(super) const NOT_KEPT: &str = ". bincode cannot keep fields that serde skips or flattens, enums that are tagged or \
     untagged, and `serde_json::Value`: use MessagePack or JSON";

pub(super) fn encode<T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
    ::bincode::serde::encode_into_std_write(value, out, ::bincode::config::standard())
        .map(drop)
        .map_err(|error| encode_error(&error))
}

fn encode_error(error: &EncodeError) -> CodecError {
    match error {
        EncodeError::Serde(_) => CodecError::Encode(format!("{error}{NOT_KEPT}")),
        _ => CodecError::encode(error),
    }
}

pub(super) fn decode<'de, S: DeserializeSeed<'de>>(
    seed: S,
    bytes: &'de [u8],
) -> Result<S::Value, CodecError> {
    let standard = ::bincode::config::standard();
    let decoded = if bytes.len() <= SMALL_BYTES {
        let config = standard.with_limit::<SMALL_CLAIM>();
        ::bincode::serde::seed_decode_from_slice(seed, bytes, config)
    } else {
        let config = standard.with_limit::<LARGE_CLAIM>();
        ::bincode::serde::seed_decode_from_slice(seed, bytes, config)
    };
    let (value, read) = decoded.map_err(|error| decode_error(&error))?;
    if read < bytes.len() {
        // A shorter shape would otherwise decode as silently wrong data.
        return Err(CodecError::Decode("bytes are left over".to_owned()));
    }
    Ok(value)
}

fn decode_error(error: &DecodeError) -> CodecError {
    match error {
        DecodeError::OtherString(text) => CodecError::decode(text),
        DecodeError::Other(text) => CodecError::decode(text),
        DecodeError::Serde(_) => CodecError::malformed(error),
        // What follows the name of the error may be a value.
        _ => {
            let text = error.to_string();
            CodecError::malformed(&text.split([' ', '(', '{']).next().unwrap_or_default())
        }
    }
}
