//! MessagePack, with field names.

use rmp_serde::decode::Error;
use serde::de::DeserializeSeed;
use serde::{Deserialize, Serialize};

use super::CodecError;

pub(super) fn encode<T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
    value
        .serialize(&mut rmp_serde::Serializer::new(out).with_struct_map())
        .map_err(|error| CodecError::encode(&error))
}

pub(super) fn decode<'de, S: DeserializeSeed<'de>>(
    seed: S,
    bytes: &'de [u8],
) -> Result<S::Value, CodecError> {
    let mut pack = rmp_serde::Deserializer::from_read_ref(bytes);
    let value = seed.deserialize(&mut pack).map_err(|error| decode_error(&error))?;
    // The decoder does not say where it is, but only at the end there is no marker.
    match bool::deserialize(&mut pack) {
        Err(Error::InvalidMarkerRead(_)) => Ok(value),
        _ => Err(CodecError::Decode("bytes are left over".to_owned())),
    }
}

fn decode_error(error: &Error) -> CodecError {
    match error {
        Error::Syntax(text) | Error::Uncategorized(text) => CodecError::decode(text),
        // A marker may hold a small number, or a length.
        Error::TypeMismatch(marker) => {
            let marker = format!("{marker:?}");
            let kind = marker.split('(').next().unwrap_or_default();
            CodecError::malformed(&format_args!("wrong msgpack marker {kind}"))
        }
        Error::LengthMismatch(_) => CodecError::malformed(&"an array has another length"),
        _ => CodecError::malformed(error),
    }
}
