//! A copy of what sled erases when it opens a damaged file, until the store has turned out to be whole.
//!
//! The copy is an undo journal in `store/torn/`. If the store is refused, everything is written back, so all that
//! sled reads is as before. Only free segments may have been used. A process that ends meanwhile leaves the copy, and
//! the next one writes it back before it looks again.
//!
//! ```text
//! segments      checksum u32 | place u64 | length u32 | content, without the zeros at its end
//! headers       one such entry, with the headers of all segments
//! mark, FORMAT  those of the store when the copy was made
//! snap.*        sled's snapshots
//! ```
//!
//! The first entry of `segments` has no content, and the length of sled's file as its place.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use actuarius_persistence::OpenError;
use actuarius_persistence::files::{self, OnFile};

use crate::engine::accounting::SEGMENT_BYTES;
use crate::engine::erased::{SEGMENT_HEADER, read_up_to};
use crate::files::Files;
use crate::release::is_locked;

/// Copies the segments that begin at these places, and sled's snapshots. If that fails, nothing has changed.
pub(super) fn keep(store: &Files, segments: &[u64]) -> Result<(), OpenError> {
    let kept = write(store, segments);
    kept.inspect_err(|_| {
        // The disk may be full. What stays of it is removed the next time.
        let _ = remove_unfinished(store);
    })
}

fn write(store: &Files, segments: &[u64]) -> Result<(), OpenError> {
    let writing = store.torn_writing();
    remove_unfinished(store)?;
    fs::create_dir(&writing).on(&writing)?;
    let db = store.log().join("db");
    copy_segments(&db, &writing.join("segments"), segments).on(&writing)?;
    copy_headers(&db, &writing.join("headers")).on(&writing)?;
    for path in owner(store) {
        // What a killed process wrote last may be in the system's cache only. Then the copy would look newer than the
        // store after a power cut.
        files::sync(&path)?;
        fs::copy(&path, named(&writing, &path)).on(&path)?;
    }
    copy_snapshots(&store.log(), &writing)?;
    // The name promises that all of it is there.
    files::sync_tree(&writing)?;
    fs::rename(&writing, store.torn()).on(&store.torn())?;
    files::sync(&store.root)
}

/// Removes the copy, because the store is whole without it.
pub(super) fn discard(store: &Files) -> Result<(), OpenError> {
    let torn = store.torn();
    // Half a copy must not be written back after a power cut.
    fs::rename(&torn, store.torn_writing()).on(&torn)?;
    files::sync(&store.root)?;
    remove_unfinished(store)
}

/// Writes the copy back, if there is one, and removes it. If the copy is damaged, or sled still uses its file, nothing
/// is written.
pub(super) fn write_back(store: &Files) -> Result<(), OpenError> {
    remove_unfinished(store)?;
    let (torn, log) = (store.torn(), store.log());
    if !torn.exists() {
        return Ok(());
    }
    if !is_of(store, &torn)? {
        tracing::warn!(
            target: "actuarius::store",
            path = %torn.display(),
            "a copy of what sled would have erased is removed, because the store was written to since it was made"
        );
        return discard(store);
    }
    let (db, segments) = (log.join("db"), torn.join("segments"));
    if is_locked(&db) {
        return Err(OpenError::Locked { path: log });
    }
    of_copy(each_segment(&segments, |_, _| Ok(())), &torn)?;
    let headers = of_copy(read_headers(&torn.join("headers")), &torn)?;
    paste_segments(&segments, &db).on(&torn)?;
    free_started(&headers, &db).on(&torn)?;
    remove_snapshots(&log)?;
    copy_snapshots(&torn, &log)?;
    files::sync_tree(&log)?;
    discard(store)
}

/// Removes a copy that was not finished, or not removed completely.
fn remove_unfinished(store: &Files) -> Result<(), OpenError> {
    let writing = store.torn_writing();
    if writing.exists() { fs::remove_dir_all(&writing).on(&writing) } else { Ok(()) }
}

/// Returns whether the copy is of this store, and the store was not written to since. A file that the store has lost
/// proves nothing.
fn is_of(store: &Files, torn: &Path) -> Result<bool, OpenError> {
    for path in owner(store).into_iter().filter(|path| path.exists()) {
        if of_copy(fs::read(named(torn, &path)), torn)? != fs::read(&path).on(&path)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Returns what was read in a copy, or says what to do if the copy is not whole.
fn of_copy<T>(read: io::Result<T>, torn: &Path) -> Result<T, OpenError> {
    use io::ErrorKind::{InvalidData, NotFound, UnexpectedEof};
    read.or_else(|error| match error.kind() {
        InvalidData | NotFound | UnexpectedEof => {
            let what = "this copy of what sled has erased is not whole, and is not written back; copy the directory \
                        of the store away, and remove this one to open the store without it";
            Err(OpenError::Damaged { path: torn.to_owned(), what: what.to_owned() })
        }
        _ => Err(error).on(torn),
    })
}

/// Returns the files that say which store a copy belongs to, and how far it was written.
fn owner(store: &Files) -> [PathBuf; 2] {
    [store.high_water_mark(), store.format()]
}

fn named(directory: &Path, path: &Path) -> PathBuf {
    directory.join(path.file_name().unwrap_or_default())
}

/// Removes sled's snapshots.
pub(super) fn remove_snapshots(log: &Path) -> Result<(), OpenError> {
    snapshots(log)?.iter().try_for_each(|path| fs::remove_file(path).on(path))
}

fn copy_segments(from: &Path, to: &Path, segments: &[u64]) -> io::Result<()> {
    let (mut from, mut to) = (File::open(from)?, File::create(to)?);
    write_entry(&mut to, from.metadata()?.len(), &[])?;
    for &at in segments {
        from.seek(SeekFrom::Start(at))?;
        let mut content = Vec::with_capacity(SEGMENT_BYTES);
        Read::by_ref(&mut from).take(SEGMENT_BYTES as u64).read_to_end(&mut content)?;
        content.truncate(content.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1));
        write_entry(&mut to, at, &content)?;
    }
    Ok(())
}

fn copy_headers(from: &Path, to: &Path) -> io::Result<()> {
    let (headers, mut to) = (headers(&mut File::open(from)?)?, File::create(to)?);
    write_entry(&mut to, 0, &headers.concat())
}

fn read_headers(from: &Path) -> io::Result<Vec<u8>> {
    read_entry(&mut BufReader::new(File::open(from)?)).map(|(_, headers)| headers)
}

/// Returns the headers of all segments in sled's file.
fn headers(file: &mut File) -> io::Result<Vec<[u8; SEGMENT_HEADER]>> {
    let length = file.metadata()?.len();
    let header = |at| {
        let mut header = [0; SEGMENT_HEADER];
        read_up_to(file, at, &mut header).map(|()| header)
    };
    (0..length).step_by(SEGMENT_BYTES).map(header).collect()
}

/// Marks the segments as free that sled has started or freed since the copy was made. They may have the number of a
/// segment that was written back, and sled does not open a file with two segments of one number.
fn free_started(before: &[u8], db: &Path) -> io::Result<()> {
    let mut file = File::options().read(true).write(true).open(db)?;
    let now = headers(&mut file)?;
    for (segment, (before, now)) in before.chunks(SEGMENT_HEADER).zip(now).enumerate() {
        if before != now {
            file.seek(SeekFrom::Start((segment * SEGMENT_BYTES) as u64))?;
            file.write_all(&[0; SEGMENT_HEADER])?;
        }
    }
    file.sync_all()
}

fn write_entry(to: &mut File, at: u64, content: &[u8]) -> io::Result<()> {
    let mut header = at.to_le_bytes().to_vec();
    // A segment is smaller than 4 GiB.
    header.extend_from_slice(&(content.len() as u32).to_le_bytes());
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&header), content);
    [&checksum.to_le_bytes(), &header[..], content].iter().try_for_each(|part| to.write_all(part))
}

fn paste_segments(from: &Path, to: &Path) -> io::Result<()> {
    let (mut to, mut length) = (File::options().write(true).open(to)?, None);
    each_segment(from, |at, mut content| {
        let Some(length) = length else {
            length = Some(at);
            return to.set_len(at);
        };
        content.resize(length.saturating_sub(at).min(SEGMENT_BYTES as u64) as usize, 0);
        to.seek(SeekFrom::Start(at))?;
        to.write_all(&content)
    })?;
    to.sync_all()
}

fn each_segment(
    from: &Path,
    mut each: impl FnMut(u64, Vec<u8>) -> io::Result<()>,
) -> io::Result<()> {
    let mut from = BufReader::new(File::open(from)?);
    while !is_at_end(&mut from)? {
        let (at, content) = read_entry(&mut from)?;
        each(at, content)?;
    }
    Ok(())
}

fn is_at_end(from: &mut BufReader<File>) -> io::Result<bool> {
    io::BufRead::fill_buf(from).map(<[u8]>::is_empty)
}

fn read_entry(from: &mut impl Read) -> io::Result<(u64, Vec<u8>)> {
    let (mut checksum, mut at, mut length) = ([0; 4], [0; 8], [0; 4]);
    from.read_exact(&mut checksum)?;
    from.read_exact(&mut at)?;
    from.read_exact(&mut length)?;
    let mut content = Vec::new();
    from.take(u32::from_le_bytes(length).into()).read_to_end(&mut content)?;
    let found = crc32c::crc32c_append(crc32c::crc32c(&[&at[..], &length].concat()), &content);
    if found != u32::from_le_bytes(checksum) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok((u64::from_le_bytes(at), content))
}

fn copy_snapshots(from: &Path, to: &Path) -> Result<(), OpenError> {
    for path in snapshots(from)? {
        fs::copy(&path, named(to, &path)).on(&path)?;
    }
    Ok(())
}

fn snapshots(directory: &Path) -> Result<Vec<PathBuf>, OpenError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).on(directory)? {
        let path = entry.on(directory)?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("snap.")) {
            found.push(path);
        }
    }
    Ok(found)
}
