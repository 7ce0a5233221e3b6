//! A row as bytes: `codec u8 | content`. The byte lets a view change its codec: each row is decoded with the codec
//! that wrote it.

use std::sync::Arc;

use actuarius_persistence::Codec;
use actuarius_persistence::personal::{Sealer, deriving};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::ViewReadError;

/// Returns the bytes, and the row that a reader decodes from them.
pub(super) fn encode<R: Serialize + DeserializeOwned>(
    row: &R,
    codec: Codec,
    keys: Option<&Arc<dyn Sealer>>,
) -> Result<(Vec<u8>, R), String> {
    let mut out = vec![codec.byte()];
    let decoded = deriving(keys, || codec.encode_checked(row, &mut out));
    let decoded = decoded.map_err(|error| error.to_string())?;
    Ok((out, decoded))
}

pub(super) fn decode<R: DeserializeOwned>(
    key: &[u8],
    bytes: &[u8],
    keys: Option<&Arc<dyn Sealer>>,
) -> Result<R, ViewReadError> {
    let (&codec, content) =
        bytes.split_first().ok_or_else(|| ViewReadError::row(key, "it is empty"))?;
    let codec = Codec::from_byte(codec).map_err(|error| ViewReadError::row(key, error))?;
    let decoded = deriving(keys, || codec.decode(content));
    decoded.map_err(|error| ViewReadError::row(key, error))
}
