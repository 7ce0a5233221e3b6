//! A row as bytes: `codec u8 | content`. The byte lets a view change its codec: each row is read with
//! the one that wrote it.

use actuarius_persistence::Codec;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::ViewReadError;

pub(super) fn encode<R: Serialize>(row: &R, codec: Codec) -> Result<Vec<u8>, String> {
    let mut out = vec![codec.byte()];
    codec.encode(row, &mut out).map_err(|error| error.to_string())?;
    Ok(out)
}

pub(super) fn decode<R: DeserializeOwned>(key: &[u8], bytes: &[u8]) -> Result<R, ViewReadError> {
    let (&codec, content) =
        bytes.split_first().ok_or_else(|| ViewReadError::row(key, "it is empty"))?;
    let codec = Codec::from_byte(codec).map_err(|error| ViewReadError::row(key, error))?;
    codec.decode(content).map_err(|error| ViewReadError::row(key, error))
}
