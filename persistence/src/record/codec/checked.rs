//! Encodes a value and decodes it again, so that nothing is stored that does not read back.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Codec, CodecError};

impl Codec {
    /// Appends a value to `out`, decodes the bytes again, and returns the decoded value: what a later
    /// reader will see.
    ///
    /// # Errors
    /// Returns [`CodecError::DoesNotReadBack`] if the bytes do not decode, or decode to another value,
    /// and the errors of [`encode`](Codec::encode). `out` may then contain a part of the value.
    ///
    /// # Panics
    /// Panics if the type's `Serialize` or `Deserialize` panics.
    pub fn encode_checked<T: Serialize + DeserializeOwned>(
        self,
        value: &T,
        out: &mut Vec<u8>,
    ) -> Result<T, CodecError> {
        let start = out.len();
        self.encode(value, out)?;
        self.decode(&out[start..]).map_err(|error| match error {
            CodecError::Decode(reason) => CodecError::DoesNotReadBack {
                name: std::any::type_name::<T>().to_owned(),
                codec: self,
                reason,
            },
            other => other,
        })
    }
}
