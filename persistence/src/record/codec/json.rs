//! JSON.

use serde::Serialize;
use serde::de::DeserializeSeed;

use super::CodecError;

pub(super) fn encode<T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
    serde_json::to_writer(out, value).map_err(|error| encode_error(&error))
}

pub(super) fn decode<'de, S: DeserializeSeed<'de>>(
    seed: S,
    bytes: &'de [u8],
) -> Result<S::Value, CodecError> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = seed.deserialize(&mut json).map_err(|error| decode_error(&error))?;
    json.end().map_err(|error| CodecError::malformed(&error))?;
    Ok(value)
}

fn encode_error(error: &serde_json::Error) -> CodecError {
    match error.to_string().starts_with("key must be a string") {
        true => CodecError::Encode(
            "a key of a map is neither a text nor a number, use MessagePack".to_owned(),
        ),
        false => CodecError::encode(error),
    }
}

fn decode_error(error: &serde_json::Error) -> CodecError {
    // serde_json has a bound of its own, at the same depth.
    match error.to_string().starts_with("recursion limit exceeded") {
        true => CodecError::TooDeep,
        false if error.is_data() => CodecError::decode(error),
        false => CodecError::malformed(error),
    }
}
