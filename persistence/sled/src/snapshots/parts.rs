//! A snapshot cut into parts, one after the other, so that a large one need not be copied at once.

use actuarius_persistence::NewSnapshot;
use actuarius_persistence::wire::{put_text, put_varint};
use bytes::Bytes;

use super::VERSION;
use crate::keys::VALUE_MAX;
use crate::sealed::CHECKSUM;

/// The largest state that can be stored. The number of parts is a u16.
pub(crate) const PAYLOAD_MAX: usize = (u16::MAX as usize - 1) * VALUE_MAX;

/// The parts of a snapshot. They are taken in order from part 1 on, and part 0 last, because it contains
/// the checksum of all.
pub(crate) struct Parts {
    head: Vec<u8>,
    payload: Bytes,
    next: u16,
    checksum: u32,
}

impl Parts {
    pub(crate) fn of(new: &NewSnapshot) -> Self {
        let mut head = vec![0; CHECKSUM];
        head.push(VERSION);
        head.extend_from_slice(&[0; 2]);
        put_text(&mut head, new.stream.category());
        put_text(&mut head, new.stream.id());
        put_varint(&mut head, new.version.get());
        put_varint(&mut head, new.position.get());
        put_varint(&mut head, new.as_of.get());
        put_varint(&mut head, u64::from(new.state_version));
        head.extend_from_slice(&new.time.as_micros().to_le_bytes());
        put_varint(&mut head, new.payload.len() as u64);
        let mut parts = Self { head, payload: new.payload.clone(), next: 1, checksum: 0 };
        let count = parts.count();
        parts.head[CHECKSUM + 1..CHECKSUM + 3].copy_from_slice(&count.to_le_bytes());
        parts.checksum = crc32c::crc32c(&parts.part(0)[CHECKSUM..]);
        parts
    }

    pub(crate) fn count(&self) -> u16 {
        (self.head.len() + self.payload.len()).div_ceil(VALUE_MAX) as u16
    }

    /// Returns the number of the part that is taken next: that of part 0 if all others were taken.
    pub(crate) fn next(&self) -> u16 {
        if self.next < self.count() { self.next } else { 0 }
    }

    /// Takes the next part.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        let number = self.next();
        let mut part = self.part(number);
        if number == 0 {
            part[..CHECKSUM].copy_from_slice(&self.checksum.to_le_bytes());
        } else {
            self.checksum = crc32c::crc32c_append(self.checksum, &part);
            self.next += 1;
        }
        part
    }

    fn part(&self, number: u16) -> Vec<u8> {
        let start = usize::from(number) * VALUE_MAX;
        let end = (start + VALUE_MAX).min(self.head.len() + self.payload.len());
        let head = self.head.len();
        let mut part = Vec::with_capacity(end - start);
        part.extend_from_slice(&self.head[start.min(head)..end.min(head)]);
        part.extend_from_slice(&self.payload[start.saturating_sub(head)..end.saturating_sub(head)]);
        part
    }
}
