//! The header of the key file, in two copies on its first two pages, and the places of its slots.

use uuid::Uuid;
use zeroize::Zeroizing;

use super::record::RECORD_BYTES;
use super::{KeyError, cipher};
use crate::wire::Cursor;

pub(super) const PAGE: usize = 4096;
pub(super) const SLOTS_PER_PAGE: u64 = (PAGE / RECORD_BYTES) as u64;

/// Returns where a copy of a slot begins in the file, after the two pages of the header.
pub(super) fn offset(side: u64, slot: u64) -> u64 {
    let page = 2 + 2 * (slot / SLOTS_PER_PAGE) + side;
    page * PAGE as u64 + (slot % SLOTS_PER_PAGE) * RECORD_BYTES as u64
}

const MAGIC: &[u8; 8] = b"actukeys";

/// The format this release writes, and the newest it reads.
pub(super) const FORMAT: u32 = 1;

const SEALED: usize = 8 + 4 + 16 + 32 + 4 + 8;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) file: Uuid,
    /// The key of the fingerprint hash, so that the key files of two stores cannot be compared.
    pub(super) salt: Zeroizing<[u8; 32]>,
    /// The number of page pairs with slots. A shorter file is damaged.
    pub(super) pairs: u32,
    /// Counts the changes: of two copies, the one with the higher number is current.
    pub(super) sequence: u64,
}

pub(super) enum Unreadable {
    Newer(u32),
    Unknown,
}

impl Header {
    pub(super) fn fresh(pairs: u32) -> Result<Self, KeyError> {
        let mut salt = Zeroizing::new([0; 32]);
        cipher::fill_random(&mut *salt)?;
        Ok(Self { file: Uuid::new_v4(), salt, pairs, sequence: 1 })
    }

    pub(super) fn slots(&self) -> u64 {
        u64::from(self.pairs) * SLOTS_PER_PAGE
    }

    /// `actukeys | format u32 | file 16 | salt 32 | pairs u32 | sequence u64 | checksum u32 | 0 …`
    pub(super) fn to_page(&self) -> Vec<u8> {
        let mut page = Vec::with_capacity(PAGE);
        page.extend_from_slice(MAGIC);
        page.extend_from_slice(&FORMAT.to_le_bytes());
        page.extend_from_slice(self.file.as_bytes());
        page.extend_from_slice(&*self.salt);
        page.extend_from_slice(&self.pairs.to_le_bytes());
        page.extend_from_slice(&self.sequence.to_le_bytes());
        page.extend_from_slice(&crc32c::crc32c(&page).to_le_bytes());
        page.resize(PAGE, 0);
        page
    }

    /// Returns the current one of two copies.
    pub(super) fn choose(first: &[u8], second: &[u8]) -> Result<Self, Unreadable> {
        match (Self::parse(first), Self::parse(second)) {
            (Ok(first), Ok(second)) if first.sequence >= second.sequence => Ok(first),
            (_, Ok(right)) | (Ok(right), _) => Ok(right),
            (Err(Unreadable::Newer(format)), _) | (_, Err(Unreadable::Newer(format))) => {
                Err(Unreadable::Newer(format))
            }
            (Err(unknown), Err(_)) => Err(unknown),
        }
    }

    fn parse(page: &[u8]) -> Result<Self, Unreadable> {
        let unknown = |_| Unreadable::Unknown;
        let (sealed, rest) = page.split_at_checked(SEALED).ok_or(Unreadable::Unknown)?;
        let mut cursor = Cursor(sealed);
        if cursor.array().map_err(unknown)? != *MAGIC
            || rest.get(..4) != Some(&crc32c::crc32c(sealed).to_le_bytes())
        {
            return Err(Unreadable::Unknown);
        }
        let format = cursor.u32().map_err(unknown)?;
        if format != FORMAT {
            return Err(Unreadable::Newer(format));
        }
        Ok(Self {
            file: Uuid::from_bytes(cursor.array().map_err(unknown)?),
            salt: Zeroizing::new(cursor.array().map_err(unknown)?),
            pairs: cursor.u32().map_err(unknown)?,
            sequence: u64::from_le_bytes(cursor.array().map_err(unknown)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutations::Mutations;

    #[test]
    fn no_mutated_header_of_the_keys_panics_or_allocates_without_a_bound() {
        let sample = Header::fresh(3).unwrap().to_page();
        let reseal = |page: &mut Vec<u8>| {
            if page.len() >= SEALED + 4 {
                let checksum = crc32c::crc32c(&page[..SEALED]).to_le_bytes();
                page[SEALED..SEALED + 4].copy_from_slice(&checksum);
            }
        };
        let sample = sample[..SEALED + 40].to_vec();
        Mutations::of("the header of the keys", [sample]).resealed(reseal).run(
            |work| allocation_counter::measure(work).bytes_max,
            |page| {
                drop(Header::choose(page, page));
            },
        );
    }
}
