//! Marker files: a few lines of text that identify a directory, with a format number and a checksum.

use std::ops::RangeInclusive;

/// Why a marker could not be read.
#[derive(Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// It has this format, which is newer than this release reads.
    Newer(u32),
    /// It is damaged, or not a marker of this kind.
    Unknown(&'static str),
}

/// Returns the text followed by a line with its checksum.
pub fn sealed(text: &str) -> String {
    format!("{text}checksum {:08x}\n", crc32c::crc32c(text.as_bytes()))
}

/// Returns a [`sealed`] text after checking it: its first line is `magic`, its second names one of
/// the formats `known`, and its checksum is right.
///
/// # Errors
/// Returns [`Unreadable`].
pub fn unsealed<'a>(
    magic: &str,
    known: RangeInclusive<u32>,
    text: &'a [u8],
) -> Result<&'a str, Unreadable> {
    let text = str::from_utf8(text).map_err(|_| Unreadable::Unknown("FORMAT is not text"))?;
    let mut lines = text.lines();
    if lines.next() != Some(magic) {
        return Err(Unreadable::Unknown("FORMAT is not that of a store"));
    }
    let end = text.rfind("checksum ").unwrap_or(0);
    if sealed(&text[..end]) != text {
        return Err(Unreadable::Unknown("the checksum of FORMAT is wrong"));
    }
    match lines.next().and_then(|line| line.strip_prefix("format ")?.parse::<u32>().ok()) {
        Some(found) if known.contains(&found) => Ok(text),
        Some(newer) if newer > *known.end() => Err(Unreadable::Newer(newer)),
        _ => Err(Unreadable::Unknown("FORMAT has no valid format number")),
    }
}
