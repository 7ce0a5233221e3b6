//! The medium of a key file: a file, memory, or a test double that fails on demand.

use std::fs::File;
use std::io;

pub(super) trait Medium: Send {
    fn length(&self) -> io::Result<u64>;
    /// Fills `into` completely.
    fn read(&self, offset: u64, into: &mut [u8]) -> io::Result<()>;
    fn write(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Makes content and length durable.
    fn sync(&mut self) -> io::Result<()>;
    /// Returns a reader that works while this is written or synced, if there can be one.
    fn reader(&self) -> Option<Box<dyn ReadAt>> {
        None
    }
}

/// Reads a medium that is written at the same time. What it returns may be half old and half new.
pub(super) trait ReadAt: Send + Sync {
    /// Fills `into` completely.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()>;
}

#[cfg(unix)]
impl ReadAt for File {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(self, into, offset)
    }
}

impl Medium for File {
    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    #[cfg(unix)]
    fn read(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        self.read_at(offset, into)
    }

    // On other systems the handles of a file share its position.
    #[cfg(unix)]
    fn reader(&self) -> Option<Box<dyn ReadAt>> {
        Some(Box::new(self.try_clone().ok()?))
    }

    #[cfg(not(unix))]
    fn read(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        use std::io::{Read, Seek, SeekFrom};
        let mut file = self;
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(into)
    }

    #[cfg(unix)]
    fn write(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(self, bytes, offset)
    }

    #[cfg(not(unix))]
    fn write(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        use std::io::{Seek, SeekFrom, Write};
        self.seek(SeekFrom::Start(offset))?;
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }
}

impl Medium for Vec<u8> {
    fn length(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        let found =
            usize::try_from(offset).ok().and_then(|start| self.get(start..start + into.len()));
        into.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let end = start + bytes.len();
        if self.len() < end {
            self.resize(end, 0);
        }
        self[start..end].copy_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}
