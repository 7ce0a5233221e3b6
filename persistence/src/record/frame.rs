//! The parts that the frames of commits and of stubs have in common.

use actuarius_domain::{CommandId, Timestamp, Version};

use super::FRAME_HEAD;
use super::codec::CodecError;
use crate::wire::{put_text, put_varint};

/// Appends the head of a commit.
pub(super) fn put_head(
    out: &mut Vec<u8>,
    flags: u8,
    (category, id): (&str, &str),
    first: Version,
    time: Timestamp,
    command_id: CommandId,
) {
    out.push(flags);
    put_text(out, category);
    put_text(out, id);
    put_varint(out, first.get());
    out.extend_from_slice(&time.as_micros().to_le_bytes());
    out.extend_from_slice(command_id.as_bytes());
}

pub(super) fn seal_frame(frame: &mut [u8]) -> Result<(), CodecError> {
    let (head, body) = frame.split_at_mut(FRAME_HEAD);
    if body.len() > super::COMMIT_BYTES_MAX {
        return Err(CodecError::TooLarge);
    }
    head[..4].copy_from_slice(&(body.len() as u32).to_le_bytes());
    head[4..].copy_from_slice(&crc32c::crc32c(body).to_le_bytes());
    Ok(())
}
