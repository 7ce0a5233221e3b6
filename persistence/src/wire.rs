//! Reading and writing the integers and texts that records are made of. Little-endian throughout.

use thiserror::Error;

/// Bytes that are not what they should be; the text says which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

/// Appends `number` as a LEB128 varint: 1 byte below 128, at most 10.
pub fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Appends a text behind its length.
pub fn put_text(out: &mut Vec<u8>, text: &str) {
    put_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Takes values from the front of a slice; each failure says what was missing.
#[derive(Clone, Copy)]
pub struct Cursor<'a>(pub &'a [u8]);

impl<'a> Cursor<'a> {
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (front, back) = self.0.split_at_checked(count).ok_or(Malformed("bytes are missing"))?;
        self.0 = back;
        Ok(front)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (front, back) = self.0.split_first_chunk().ok_or(Malformed("bytes are missing"))?;
        self.0 = back;
        Ok(*front)
    }

    pub fn byte(&mut self) -> Result<u8, Malformed> {
        Ok(self.array::<1>()?[0])
    }

    pub fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub fn i64(&mut self) -> Result<i64, Malformed> {
        Ok(i64::from_le_bytes(self.array()?))
    }

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

    pub fn size(&mut self) -> Result<usize, Malformed> {
        usize::try_from(self.varint()?).map_err(|_| Malformed("a length is too large"))
    }

    pub fn text(&mut self) -> Result<&'a str, Malformed> {
        let length = self.size()?;
        std::str::from_utf8(self.bytes(length)?).map_err(|_| Malformed("a text is not UTF-8"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_come_back_at_every_width() {
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
