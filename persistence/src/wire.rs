//! Reads and writes the integers and texts that records are made of. All integers are little-endian.

use thiserror::Error;

/// Bytes that could not be parsed, with the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

/// Appends `number` as a LEB128 varint: 1 byte below 128, at most 10 bytes.
pub fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Appends the length of a text as a varint, and the text.
pub fn put_text(out: &mut Vec<u8>, text: &str) {
    put_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Takes values from the front of a slice, which holds the bytes not taken yet.
#[derive(Clone, Copy)]
pub struct Cursor<'a>(pub &'a [u8]);

impl<'a> Cursor<'a> {
    /// Takes `count` bytes.
    ///
    /// # Errors
    /// Returns [`Malformed`] if there are fewer bytes.
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (front, back) = self.0.split_at_checked(count).ok_or(Malformed("bytes are missing"))?;
        self.0 = back;
        Ok(front)
    }

    /// Takes `N` bytes as an array.
    ///
    /// # Errors
    /// Returns [`Malformed`] if there are fewer bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (front, back) = self.0.split_first_chunk().ok_or(Malformed("bytes are missing"))?;
        self.0 = back;
        Ok(*front)
    }

    /// Takes one byte.
    ///
    /// # Errors
    /// Returns [`Malformed`] if there are no more bytes.
    pub fn byte(&mut self) -> Result<u8, Malformed> {
        Ok(self.array::<1>()?[0])
    }

    /// Takes a `u32` of 4 bytes.
    ///
    /// # Errors
    /// Returns [`Malformed`] if there are fewer bytes.
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// Takes an `i64` of 8 bytes.
    ///
    /// # Errors
    /// Returns [`Malformed`] if there are fewer bytes.
    pub fn i64(&mut self) -> Result<i64, Malformed> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    /// Takes a number that [`put_varint`] wrote.
    ///
    /// # Errors
    /// Returns [`Malformed`] if the number is incomplete or longer than 10 bytes.
    pub fn varint(&mut self) -> Result<u64, Malformed> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Malformed("a number is too long"))
    }

    /// Takes a varint that is a length.
    ///
    /// # Errors
    /// Returns [`Malformed`] as [`varint`](Self::varint), or if it does not fit into a `usize`.
    pub fn size(&mut self) -> Result<usize, Malformed> {
        usize::try_from(self.varint()?).map_err(|_| Malformed("a length is too large"))
    }

    /// Takes a text that [`put_text`] wrote.
    ///
    /// # Errors
    /// Returns [`Malformed`] if the text is incomplete or not UTF-8.
    pub fn text(&mut self) -> Result<&'a str, Malformed> {
        let length = self.size()?;
        std::str::from_utf8(self.bytes(length)?).map_err(|_| Malformed("a text is not UTF-8"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_round_trip_at_every_width() {
        for shift in 0..64 {
            for number in [1u64 << shift, (1u64 << shift) - 1, u64::MAX >> shift] {
                let mut out = Vec::new();
                put_varint(&mut out, number);
                let mut cursor = Cursor(&out);
                assert_eq!(cursor.varint().expect("complete"), number);
                assert!(cursor.0.is_empty());
            }
        }
    }

    #[test]
    fn an_endless_varint_is_refused() {
        assert!(Cursor(&[0xff; 11]).varint().is_err());
        assert!(Cursor(&[0xff]).varint().is_err());
    }
}
