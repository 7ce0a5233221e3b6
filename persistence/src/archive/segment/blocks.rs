//! The file of a segment: a head, compressed blocks, and a footer.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use actuarius_domain::Position;
use zstd::bulk::{Compressor, Decompressor};

use super::super::segment_error::{OnSegment, SegmentError};
use super::layout::{
    self, BLOCK_HEAD_BYTES, BlockHead, BlockPlace, FORMAT, Footer, HEAD_BYTES, NoHead, TAIL_BYTES,
};
use super::{SegmentHead, Summary};
use crate::crash_points;
use crate::record::COMMIT_BYTES_MAX;

/// The size of a full block: large enough to compress well, small enough to be read for one commit.
pub(crate) const BLOCK_BYTES: usize = 128 * 1024;

/// The largest block: one that is almost full, the largest commit, and the number before it.
const BLOCK_BYTES_MAX: usize = BLOCK_BYTES + COMMIT_BYTES_MAX + 64;

/// The compression level: fast enough for a disk, and a third smaller than with faster ones.
const LEVEL: i32 = 3;

/// A segment that is being written to a temporary file.
pub(crate) struct Writer {
    path: PathBuf,
    temporary: PathBuf,
    head: SegmentHead,
    file: Option<BufWriter<File>>,
    compressor: Compressor<'static>,
    hash: blake3::Hasher,
    offset: u64,
    blocks: Vec<BlockPlace>,
}

/// The size and the hash of a segment that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sealed {
    pub(crate) bytes: u64,
    pub(crate) hash: [u8; 32],
}

impl Writer {
    pub(crate) fn create(path: &Path, head: SegmentHead) -> Result<Self, SegmentError> {
        if path.exists() {
            return Err(SegmentError::Exists { path: path.to_owned() });
        }
        let mut temporary = path.to_owned().into_os_string();
        temporary.push(".writing");
        let temporary = PathBuf::from(temporary);
        crash_points::here().on(&temporary)?;
        let file =
            Some(BufWriter::with_capacity(BLOCK_BYTES, File::create(&temporary).on(&temporary)?));
        let compressor = Compressor::new(LEVEL).on(&temporary)?;
        let (hash, path) = (blake3::Hasher::new(), path.to_owned());
        let mut writer =
            Self { path, temporary, head, file, compressor, hash, offset: 0, blocks: vec![] };
        writer.write(&layout::head(&head))?;
        Ok(writer)
    }

    /// Adds a block of `entries` entries, the first of which is at `first`.
    pub(crate) fn put(&mut self, first: u64, entries: u32, raw: &[u8]) -> Result<(), SegmentError> {
        let stored = self.compressor.compress(raw).on(&self.temporary)?;
        let head = BlockHead { first, entries, stored: stored.len() as u32, raw: raw.len() as u32 };
        self.blocks.push(BlockPlace { offset: self.offset, first });
        self.write(&head.encode(self.head.id, self.offset, &stored))?;
        self.write(&stored)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), SegmentError> {
        self.hash.update(bytes);
        self.offset += bytes.len() as u64;
        match &mut self.file {
            Some(file) => file.write_all(bytes).on(&self.temporary),
            None => Ok(()),
        }
    }

    /// Returns the number of bytes written.
    pub(crate) fn bytes(&self) -> u64 {
        self.offset
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Syncs the file, and renames it to the path of the segment.
    pub(crate) fn finish(mut self, summary: Summary) -> Result<Sealed, SegmentError> {
        let footer = Footer { blocks: std::mem::take(&mut self.blocks), summary };
        self.write(&footer.encode(self.head.id, self.offset))?;
        crash_points::here().on(&self.temporary)?;
        if let Some(file) = self.file.take() {
            let synced = file.into_inner().map_err(io::IntoInnerError::into_error);
            synced.and_then(|file| file.sync_all()).on(&self.temporary)?;
        }
        if self.path.exists() {
            return Err(SegmentError::Exists { path: self.path.clone() });
        }
        crash_points::here().on(&self.path)?;
        fs::rename(&self.temporary, &self.path).on(&self.path)?;
        let directory = self.path.parent().filter(|it| !it.as_os_str().is_empty());
        let directory = directory.unwrap_or(Path::new("."));
        crash_points::here().on(directory)?;
        File::open(directory).and_then(|directory| directory.sync_all()).on(directory)?;
        Ok(Sealed { bytes: self.offset, hash: *self.hash.finalize().as_bytes() })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // An unfinished file is useless, and harmless if it stays.
        drop(self.file.take());
        if crash_points::here().is_ok() {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// A segment that is open for reading.
pub(crate) struct Blocks {
    path: PathBuf,
    file: Mutex<File>,
    pub(crate) head: SegmentHead,
    pub(crate) summary: Summary,
    places: Vec<BlockPlace>,
    /// The offset after the last block.
    end: u64,
    /// The length of the file.
    pub(crate) bytes: u64,
}

impl Blocks {
    pub(crate) fn open(path: &Path) -> Result<Self, SegmentError> {
        let mut file = File::open(path).on(path)?;
        let length = file.metadata().on(path)?.len();
        let not_whole = |what| SegmentError::NotWhole { path: path.to_owned(), what };
        if length < HEAD_BYTES + TAIL_BYTES {
            return Err(not_whole("it is too short"));
        }
        let head = head(path, &mut file)?;
        let tail = read(&mut file, length - TAIL_BYTES, TAIL_BYTES).on(path)?;
        let (footer, checksum) =
            layout::parse_tail(&tail).map_err(|malformed| not_whole(malformed.0))?;
        let room = length - HEAD_BYTES - TAIL_BYTES;
        let footer = Some(u64::from(footer)).filter(|it| *it <= room);
        let footer = footer.ok_or_else(|| not_whole("its footer is incomplete"))?;
        let end = length - TAIL_BYTES - footer;
        let footer = read(&mut file, end, footer).on(path)?;
        let footer =
            Footer::parse(head.id, end, &footer, checksum).map_err(|it| not_whole(it.0))?;
        let (places, summary) = (footer.blocks, footer.summary);
        let (path, file) = (path.to_owned(), Mutex::new(file));
        Ok(Self { path, file, head, summary, places, end, bytes: length })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// Returns the number of the block that may contain `position`.
    pub(crate) fn holding(&self, position: u64) -> Option<usize> {
        self.places.partition_point(|place| place.first <= position).checked_sub(1)
    }

    /// Returns the number of entries of a block, the position of the first, and their bytes.
    pub(crate) fn load(&self, number: usize) -> Result<(u32, u64, Vec<u8>), SegmentError> {
        let place = self.places[number];
        let end = self.places.get(number + 1).map_or(self.end, |next| next.offset);
        let length = end.saturating_sub(place.offset);
        if end > self.end || length as usize > 2 * BLOCK_BYTES_MAX + BLOCK_HEAD_BYTES {
            return Err(self.damaged(number, "a block has an impossible offset"));
        }
        let bytes = {
            let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
            read(&mut file, place.offset, length).on(&self.path)?
        };
        let (head, stored) = BlockHead::parse(self.head.id, place.offset, &bytes)
            .map_err(|malformed| self.damaged(number, malformed.0))?;
        if head.first != place.first || head.raw as usize > BLOCK_BYTES_MAX {
            return Err(self.damaged(number, "a block differs from the footer"));
        }
        let raw = Decompressor::new().and_then(|mut it| it.decompress(stored, head.raw as usize));
        let raw = raw.ok().filter(|raw| raw.len() == head.raw as usize);
        let raw = raw.ok_or_else(|| self.damaged(number, "a block does not decompress"))?;
        Ok((head.entries, head.first, raw))
    }

    /// Returns the error about a damaged block.
    pub(crate) fn damaged(&self, number: usize, what: &'static str) -> SegmentError {
        let place = self.places.get(number).copied();
        let place = place.unwrap_or(BlockPlace { offset: self.end, first: 0 });
        let (path, position) = (self.path.clone(), Position::new(place.first));
        SegmentError::Damaged { path, offset: place.offset, position, what }
    }
}

/// Returns the head of the segment at `path`, without keeping its file open. The rest is not checked.
pub(crate) fn head_of(path: &Path) -> Result<SegmentHead, SegmentError> {
    let mut file = File::open(path).on(path)?;
    if file.metadata().on(path)?.len() < HEAD_BYTES {
        return Err(SegmentError::NotWhole { path: path.to_owned(), what: "it is too short" });
    }
    head(path, &mut file)
}

fn head(path: &Path, file: &mut File) -> Result<SegmentHead, SegmentError> {
    let head = layout::parse_head(&read(file, 0, HEAD_BYTES).on(path)?);
    head.map_err(|no| match no {
        NoHead::Newer(found) => {
            SegmentError::NewerFormat { path: path.to_owned(), found, supported: FORMAT }
        }
        NoHead::Malformed(malformed) => {
            SegmentError::NotWhole { path: path.to_owned(), what: malformed.0 }
        }
    })
}

fn read(file: &mut File, offset: u64, length: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = vec![0; length as usize];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}
