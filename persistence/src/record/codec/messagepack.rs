//! MessagePack, with field names.

use serde::Serialize;
use serde::de::DeserializeSeed;

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
    seed.deserialize(&mut pack).map_err(|error| CodecError::decode(&error))
}
