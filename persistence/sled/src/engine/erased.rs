//! Finds what sled would erase in its file when it opens it. Only reads.
//!
//! sled reads its log from the segment of its last snapshot on. It takes a message that it cannot read for the end
//! of an interrupted write, and erases the rest of the segment and all later segments. So it erases whole messages
//! after damage, too.
//!
//! ```text
//! segment  checksum u32 | number of its first byte i64 | durable up to i64 | messages
//! message  checksum u32 | kind u8 | length | number of its segment | page | content
//! ```

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::iter::once;
use std::panic::resume_unwind;
use std::path::Path;
use std::thread::{self, ScopedJoinHandle};

use super::accounting::SEGMENT_BYTES;

/// The segment size as sled counts it.
const SEGMENT: i64 = SEGMENT_BYTES as i64;

/// The length of the header of a segment.
pub(crate) const SEGMENT_HEADER: usize = 20;

/// No message begins so close to the end of a segment.
const MESSAGE_HEADER_MAX: usize = 32;

/// How far a damaged message without a readable header may reach: a leaf with the largest values, and some more.
const MESSAGE_MAX: usize = 128 * 1024;

/// On how many threads segments are read at most. Each takes the memory of one segment.
const THREADS_MAX: usize = 4;

const CAP: u8 = 2;
const BATCH: u8 = 3;
const LAST_KIND: u8 = 11;

/// Returns where the segments begin in which sled would erase something, or skip it, because it is not whole. Returns
/// none if sled reads everything up to the end of its log.
///
/// After a power cut these are the segments of the last writes: three, since less than a segment is written between
/// two syncs, and the one before. After damage, these are all segments that were written after it.
pub(crate) fn find(log: &Path) -> io::Result<Vec<u64>> {
    let db = log.join("db");
    let segments = Segments::read(&mut File::open(&db)?, first_number(log)?)?;
    let first = match segments.first_unreadable(&db)? {
        // What was in a segment without a header may be needed to use any of the others.
        _ if !segments.broken.is_empty() => 0,
        // A group of changes is erased as a whole, and may begin in the segment before.
        Some(number) => number.min(segments.tail) - SEGMENT,
        None => return Ok(vec![]),
    };
    let later = segments.read_at_open.range(first..).map(|(_, at)| *at);
    let mut found: Vec<u64> = later.chain(segments.broken).collect();
    found.sort_unstable();
    Ok(found)
}

/// Returns the number from which sled reads its log: the one in its newest snapshot. If the snapshot is damaged,
/// sled reports it, and changes nothing.
fn first_number(log: &Path) -> io::Result<i64> {
    let mut newest = None;
    for entry in fs::read_dir(log)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("snap.") && !name.ends_with(".generating") {
            newest = newest.max(Some(path));
        }
    }
    let Some(newest) = newest else { return Ok(0) };
    let mut number = [0; 8];
    let read = File::open(newest)?.read_exact(&mut number);
    // 0 is no number, and others are stored as their successors.
    Ok(read.map_or(0, |()| i64::from_le_bytes(number).saturating_sub(1).max(0)))
}

/// The segments of sled's file, as their headers describe them.
struct Segments {
    /// The segments that sled reads when it is opened: their first numbers, and where they begin.
    read_at_open: BTreeMap<i64, u64>,
    /// The first number of the segments that must follow each other without a gap.
    tail: i64,
    /// Segments whose header is not whole.
    broken: Vec<u64>,
}

impl Segments {
    fn read(file: &mut File, first_number: i64) -> io::Result<Self> {
        let first_number = first_number / SEGMENT * SEGMENT;
        let (mut read_at_open, mut broken, mut durable) = (BTreeMap::new(), vec![], first_number);
        for at in (0..file.metadata()?.len()).step_by(SEGMENT_BYTES) {
            let mut header = [0; SEGMENT_HEADER];
            read_up_to(file, at, &mut header)?;
            match segment_header(&header) {
                Some((number, durable_up_to)) if number >= first_number => {
                    durable = durable.max(durable_up_to);
                    read_at_open.insert(number, at);
                }
                Some(_) => {}
                // sled erases free segments as a whole.
                None if header == [0; SEGMENT_HEADER] && is_empty(file, at)? => {}
                None => broken.push(at),
            }
        }
        Ok(Self { read_at_open, tail: durable / SEGMENT * SEGMENT, broken })
    }

    /// Returns the number of the first segment in which sled does not read everything.
    fn first_unreadable(&self, db: &Path) -> io::Result<Option<i64>> {
        let (mut end, mut promised) = (0, 0);
        for (number, walked) in self.walk(db)? {
            let is_after_gap = || !self.read_at_open.contains_key(&(number - SEGMENT));
            if number > self.tail && is_after_gap() {
                return Ok(Some(self.tail));
            }
            if !walked.is_whole {
                return Ok(Some(number));
            }
            end = number + walked.end as i64;
            promised = walked.promised.unwrap_or(promised);
        }
        Ok((promised >= end).then_some(self.tail))
    }

    /// Reads the segments on several threads, and returns what is in them in their order.
    fn walk(&self, db: &Path) -> io::Result<Vec<(i64, Walked)>> {
        let segments: Vec<(i64, u64)> = self.read_at_open.iter().map(|(n, at)| (*n, *at)).collect();
        let last = segments.last().map(|(number, _)| *number);
        let threads = thread::available_parallelism().map_or(1, |it| it.get().min(THREADS_MAX));
        let share = segments.len().div_ceil(threads).max(1);
        let walk_share = |share: &[(i64, u64)]| {
            let (mut file, mut content) = (File::open(db)?, vec![0; SEGMENT_BYTES]);
            let walk_one = |&(number, at): &(i64, u64)| {
                read_up_to(&mut file, at, &mut content)?;
                Ok((number, walk(&content, number, Some(number) == last)))
            };
            share.iter().map(walk_one).collect::<io::Result<Vec<_>>>()
        };
        let walked: io::Result<Vec<_>> = thread::scope(|scope| {
            let mut shares = segments.chunks(share);
            let first = shares.next().unwrap_or_default();
            let start =
                |share| thread::Builder::new().spawn_scoped(scope, move || walk_share(share));
            let others = shares.map(start).collect::<io::Result<Vec<_>>>()?;
            let first = walk_share(first);
            let join =
                |it: ScopedJoinHandle<'_, _>| it.join().unwrap_or_else(|it| resume_unwind(it));
            once(first).chain(others.into_iter().map(join)).collect()
        });
        Ok(walked?.concat())
    }
}

/// Returns whether the log ends so close to the end of a segment that remains of an earlier use of the segment look like
/// a damaged message. Then the store is looked at although it is whole.
#[cfg(test)]
pub(crate) fn ends_close_to_its_segment(log: &Path) -> io::Result<bool> {
    let db = log.join("db");
    let segments = Segments::read(&mut File::open(&db)?, first_number(log)?)?;
    let last = segments.walk(&db)?.pop();
    Ok(last.is_some_and(|(_, walked)| walked.end + MESSAGE_MAX >= SEGMENT_BYTES))
}

/// Fills `bytes` from the place `at`, with zeros after the end of the file.
pub(crate) fn read_up_to(file: &mut File, at: u64, bytes: &mut [u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(at))?;
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes[filled..].fill(0);
    Ok(())
}

/// Returns whether the segment at `at` has only zeros.
fn is_empty(file: &mut File, at: u64) -> io::Result<bool> {
    let mut content = vec![0; SEGMENT_BYTES];
    read_up_to(file, at, &mut content)?;
    Ok(content.iter().all(|&byte| byte == 0))
}

/// Returns the number of the first byte of a segment, and up to which number everything was durable.
fn segment_header(header: &[u8; SEGMENT_HEADER]) -> Option<(i64, i64)> {
    let number = |at: usize| Some(i64::from_le_bytes(header.get(at..at + 8)?.try_into().ok()?));
    let checksum = u32::from_le_bytes(header[..4].try_into().ok()?);
    let is_whole = crc32fast::hash(&header[4..]) == !checksum;
    is_whole.then_some((number(4)? ^ i64::MAX, number(12)? ^ i64::MAX))
}

/// What is in one segment.
#[derive(Clone)]
struct Walked {
    /// Whether sled erases nothing in it that was written to the log.
    is_whole: bool,
    /// Where its messages end.
    end: usize,
    /// The end of the last group of changes that belong together, if one begins here.
    promised: Option<i64>,
}

fn walk(content: &[u8], number: i64, is_last: bool) -> Walked {
    let mut promised = None;
    let end = first_unreadable(content, number, &mut promised);
    let is_whole = is_end(content, end, number, is_last);
    Walked { is_whole, end: end.unwrap_or(SEGMENT_BYTES), promised }
}

/// Returns where the first message begins that is not whole, or `None` if all of a segment is. `promised` becomes the
/// end of the last group of changes that belong together.
fn first_unreadable(content: &[u8], number: i64, promised: &mut Option<i64>) -> Option<usize> {
    let segment = number.unsigned_abs() / SEGMENT_BYTES as u64;
    let mut at = SEGMENT_HEADER;
    while at + MESSAGE_HEADER_MAX <= content.len() {
        let Some(message) = Message::read(&content[at..], segment) else { return Some(at) };
        match message.kind {
            CAP => return None,
            BATCH => *promised = Some(message.last_of_batch().unwrap_or(i64::MAX)),
            _ => {}
        }
        at += message.header + message.content.len();
    }
    None
}

/// Returns whether the log ends at `walked`, so that sled erases nothing there but remains of an earlier use of the
/// segment.
fn is_end(content: &[u8], walked: Option<usize>, number: i64, is_last: bool) -> bool {
    let Some(at) = walked else { return true };
    // sled fills a segment before it begins the next one.
    let Some(length) = content[at..].iter().rposition(|&byte| byte != 0) else { return is_last };
    let segment = number.unsigned_abs() / SEGMENT_BYTES as u64;
    let is_damaged = || Header::read(&content[at..]).is_some_and(|it| it.segment == segment);
    let is_followed = || {
        // Nearly all places are excluded by their kind.
        let may_begin =
            |at: &usize| content.get(at + 4).is_some_and(|kind| (1..=LAST_KIND).contains(kind));
        let mut places = (at..at + length).filter(may_begin);
        places.any(|at| Message::read(&content[at..], segment).is_some())
    };
    is_last && length > MESSAGE_MAX && !is_damaged() && !is_followed()
}

struct Header {
    checksum: u32,
    kind: u8,
    content: usize,
    segment: u64,
    /// The length of the header itself.
    bytes: usize,
}

impl Header {
    fn read(bytes: &[u8]) -> Option<Self> {
        let kind = *bytes.get(4)?;
        if kind == 0 || kind > LAST_KIND {
            return None;
        }
        let checksum = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?);
        let mut at = 5;
        let content = usize::try_from(number(bytes, &mut at)?).ok()?;
        let segment = number(bytes, &mut at)?;
        number(bytes, &mut at)?;
        Some(Self { checksum, kind, content, segment, bytes: at })
    }
}

/// Reads a number of one to nine bytes.
fn number(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let byte = |at: usize| bytes.get(at).map(|byte| u64::from(*byte));
    let first = byte(*at)?;
    let (number, length) = match first {
        0..=240 => (first, 1),
        241..=248 => (240 + 256 * (first - 241) + byte(*at + 1)?, 2),
        249 => (2288 + 256 * byte(*at + 1)? + byte(*at + 2)?, 3),
        // The first byte is 250 to 255.
        _ => {
            let length = bytes[*at] as usize - 247;
            let mut number = [0; 8];
            number[..length].copy_from_slice(bytes.get(*at + 1..*at + 1 + length)?);
            (u64::from_le_bytes(number), length + 1)
        }
    };
    *at += length;
    Some(number)
}

struct Message<'a> {
    kind: u8,
    /// The length of its header.
    header: usize,
    content: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads a message that is whole, and belongs to the segment.
    fn read(bytes: &'a [u8], segment: u64) -> Option<Self> {
        let header = Header::read(bytes).filter(|header| header.segment == segment)?;
        let content = bytes.get(header.bytes..header.bytes.checked_add(header.content)?)?;
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(content);
        checksum.update(&bytes[4..header.bytes]);
        let is_whole = checksum.finalize() == !header.checksum;
        is_whole.then_some(Self { kind: header.kind, header: header.bytes, content })
    }

    fn last_of_batch(&self) -> Option<i64> {
        self.content.try_into().ok().map(i64::from_le_bytes)
    }
}
