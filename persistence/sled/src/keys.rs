//! The keys of the log's only sled tree. Numbers are big-endian, so that keys sort as numbers do.
//!
//! | key | value |
//! |---|---|
//! | `e` first position u64, part u16 | a chunk of commits |
//! | `i` bucket u16, run u32, first stream hash u64, its first version u64 | a part of the index |
//! | `g`, what the keys of the parts begin with | parts of a chunk or a snapshot that are to be removed |
//! | `J`, the rest as after `i` | a part of the index whose page was damaged when it was to be written |
//! | `m`, `M` | the index's manifest, and its copy |
//! | `n`, the note's own key of any bytes | a note |
//! | `s` stream hash u128, version u64, part u16 | a snapshot |

use actuarius_domain::StreamId;
use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_128_with_seed;

/// The key of the index's manifest.
pub(super) const MANIFEST: &[u8] = b"m";

/// The key of its copy. It is the first key of all, so it is never in the same page.
pub(super) const MANIFEST_COPY: &[u8] = b"M";

/// The prefixes of the keys of all notes and all snapshots.
pub(super) const NOTES: &[u8] = &[NOTE];
pub(super) const SNAPSHOTS: &[u8] = &[SNAPSHOT];

/// The prefix of the keys of all lists of leftover parts.
pub(super) const LEFTOVERS: &[u8] = b"g";

const CHUNK: u8 = b'e';
const INDEX: u8 = b'i';
/// Far from the other keys, so that it is never in the same page as they are.
const SPARE: u8 = b'J';
const NOTE: u8 = b'n';
const SNAPSHOT: u8 = b's';

/// The largest value that is written to sled.
///
/// sled writes a leaf of its tree whole. A leaf of more than a quarter of a segment (128 KiB with sled's
/// default segments) would become a file in `blobs/`, which sled never syncs. A leaf contains up to 17
/// values before it is split, and 20 after a neighbour of 3 was merged into it. There is room for 25,
/// because two threads may each merge one at the same time.
///
/// Keys are small in comparison, except those of notes. They make a leaf 151 KB at most, and the node
/// above 320 leaves 660 KB, which is less than a quarter of our segments.
pub(super) const VALUE_MAX: usize = 5 * 1024;

/// The hash that identifies a stream. Different streams may share the half that the index uses, so a
/// caller that finds a commit by it compares the full name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct StreamHash(pub(super) u128);

impl StreamHash {
    /// Hashes a stream's name. The length of the category comes first, so that `a/b` + `c` differs from
    /// `a` + `b/c`. The seed is different in each store, so that no user can choose names that collide.
    pub(super) fn of(seed: u64, category: &str, id: &str) -> Self {
        let mut name = SmallVec::<[u8; 128]>::new();
        name.extend_from_slice(&(category.len() as u64).to_le_bytes());
        name.extend_from_slice(category.as_bytes());
        name.extend_from_slice(id.as_bytes());
        Self(xxh3_128_with_seed(&name, seed))
    }

    pub(super) fn of_stream(seed: u64, stream: &StreamId) -> Self {
        Self::of(seed, stream.category(), stream.id())
    }

    /// Returns the half that the index uses.
    pub(super) fn index(self) -> u64 {
        (self.0 >> 64) as u64
    }
}

/// Returns the bucket of an index hash. The hash's top bits spread streams evenly over `buckets`.
pub(super) fn bucket(hash: u64, buckets: u16) -> u16 {
    ((u128::from(hash) * u128::from(buckets)) >> 64) as u16
}

pub(super) fn chunk(first: u64, part: u16) -> [u8; 11] {
    let mut key = [CHUNK; 11];
    key[1..9].copy_from_slice(&first.to_be_bytes());
    key[9..].copy_from_slice(&part.to_be_bytes());
    key
}

/// Returns the first position and the part number in a chunk's key, or `None` for a key of another kind.
pub(super) fn chunk_place(key: &[u8]) -> Option<(u64, u16)> {
    let (&[CHUNK], rest) = key.split_first_chunk()? else { return None };
    let (first, part) = rest.split_first_chunk()?;
    Some((u64::from_be_bytes(*first), u16::from_be_bytes(part.try_into().ok()?)))
}

/// What the keys of the parts of one chunk or one snapshot begin with.
pub(super) type PartsPrefix = SmallVec<[u8; 25]>;

pub(super) fn chunk_parts(first: u64) -> PartsPrefix {
    PartsPrefix::from_slice(&chunk(first, 0)[..9])
}

pub(super) fn snapshot_parts(stream: StreamHash, version: u64) -> PartsPrefix {
    PartsPrefix::from_slice(&snapshot(stream, version, 0)[..25])
}

/// Returns the key of a part of a chunk or a snapshot.
pub(super) fn part(prefix: &[u8], number: u16) -> SmallVec<[u8; 27]> {
    let mut key = SmallVec::from_slice(prefix);
    key.extend_from_slice(&number.to_be_bytes());
    key
}

/// Returns the part number at the end of the key of a part.
pub(super) fn part_number(prefix: &[u8], key: &[u8]) -> Option<u16> {
    let number = key.strip_prefix(prefix)?;
    Some(u16::from_be_bytes(number.try_into().ok()?))
}

pub(super) fn leftover(prefix: &[u8]) -> SmallVec<[u8; 26]> {
    let mut key = SmallVec::from_slice(LEFTOVERS);
    key.extend_from_slice(prefix);
    key
}

pub(super) fn index_prefix(bucket: u16, run: u32) -> [u8; 7] {
    let mut key = [INDEX; 7];
    key[1..3].copy_from_slice(&bucket.to_be_bytes());
    key[3..].copy_from_slice(&run.to_be_bytes());
    key
}

pub(super) fn index_part(bucket: u16, run: u32, hash: u64, version: u64) -> [u8; 23] {
    let mut key = [INDEX; 23];
    key[..7].copy_from_slice(&index_prefix(bucket, run));
    key[7..15].copy_from_slice(&hash.to_be_bytes());
    key[15..].copy_from_slice(&version.to_be_bytes());
    key
}

/// Returns the key, or the prefix of keys, under which a part of the index is stored if its own page is
/// damaged.
pub(super) fn spare<const N: usize>(mut index_key: [u8; N]) -> [u8; N] {
    index_key[0] = SPARE;
    index_key
}

/// Returns the key of a note, or the prefix of the keys of all notes that begin with `key`.
pub(super) fn note(key: &[u8]) -> Vec<u8> {
    [&[NOTE], key].concat()
}

/// Returns a note's own key, or `None` for a key of another kind.
pub(super) fn note_key(key: &[u8]) -> Option<&[u8]> {
    key.strip_prefix(&[NOTE])
}

pub(super) fn snapshot(stream: StreamHash, version: u64, part: u16) -> [u8; 27] {
    let mut key = [SNAPSHOT; 27];
    key[1..17].copy_from_slice(&stream.0.to_be_bytes());
    key[17..25].copy_from_slice(&version.to_be_bytes());
    key[25..].copy_from_slice(&part.to_be_bytes());
    key
}

/// Returns the stream, the version and the part number in a snapshot's key.
pub(super) fn any_snapshot_place(key: &[u8]) -> Option<(StreamHash, u64, u16)> {
    let stream = StreamHash(u128::from_be_bytes(*key.get(1..)?.first_chunk()?));
    snapshot_place(stream, key).map(|(version, part)| (stream, version, part))
}

/// Returns the version and the part number in the key of a snapshot of `stream`, or `None` for any other
/// key.
pub(super) fn snapshot_place(stream: StreamHash, key: &[u8]) -> Option<(u64, u16)> {
    let rest = key.strip_prefix(&snapshot(stream, 0, 0)[..17])?;
    let (version, part) = rest.split_first_chunk()?;
    Some((u64::from_be_bytes(*version), u16::from_be_bytes(part.try_into().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_parsed_to_what_they_were_made_of() {
        assert_eq!(chunk_place(&chunk(700, 3)), Some((700, 3)));
        assert_eq!(chunk_place(MANIFEST), None);
        assert_eq!(note_key(&note(b"a")), Some(&b"a"[..]));
        assert_eq!(note_key(MANIFEST), None);
        let (stream, other) = (StreamHash(7), StreamHash(8));
        assert_eq!(snapshot_place(stream, &snapshot(stream, 9, 2)), Some((9, 2)));
        assert_eq!(snapshot_place(other, &snapshot(stream, 9, 2)), None);
    }

    #[test]
    fn keys_sort_as_their_numbers_do() {
        assert!(chunk(255, u16::MAX) < chunk(256, 0));
        assert!(index_part(1, 2, u64::MAX, 3) < index_part(1, 3, 0, 0));
        assert!(snapshot(StreamHash(1), 255, 9) < snapshot(StreamHash(1), 256, 0));
    }

    #[test]
    fn buckets_cover_all_hashes() {
        assert_eq!(bucket(0, 1024), 0);
        assert_eq!(bucket(u64::MAX, 1024), 1023);
        assert_eq!(bucket(u64::MAX / 2 + 1, 1024), 512);
    }
}
