use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use actuarius::{BoxError, Envelope, Handler, Position};

use crate::Journal;

const END: &str = " .\n";

/// One in so many events is refused at the first attempt, before its effect is there.
const REFUSED: u64 = 61;

/// One in so many events has its effect at the first attempt, and fails all the same.
const REPEATED: u64 = 67;

/// A handler whose effects can be counted afterwards: each is a line `POSITION JOURNAL .` in a file,
/// there before the handler returns. The point shows that the line is whole.
pub(crate) struct Effects {
    file: Arc<File>,
    /// Whether the line is synced, so that it survives a power cut.
    synced: bool,
    /// The positions that have failed in this process; each does so once.
    failed: Mutex<HashSet<u64>>,
}

impl Effects {
    pub(crate) fn open(directory: &Path, synced: bool) -> io::Result<Self> {
        let path = path(directory);
        let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
        if synced {
            // The file's name is to survive as well.
            File::open(directory)?.sync_all()?;
        }
        if !std::fs::read(&path)?.ends_with(b"\n") {
            // What a kill or a power cut left of a line becomes a line nobody counts.
            file.write_all(b"\n")?;
        }
        Ok(Self { file: Arc::new(file), synced, failed: Mutex::default() })
    }

    fn fails(&self, position: u64, one_in: u64) -> Result<(), BoxError> {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if position.is_multiple_of(one_in) && failed.insert(position) {
            return Err(format!("position {position} fails once").into());
        }
        Ok(())
    }
}

impl Handler<Journal> for Effects {
    async fn handle(&self, event: Envelope<Journal>) -> Result<(), BoxError> {
        let position = event.header.position.get();
        self.fails(position, REFUSED)?;
        let line = format!("{position} {}{END}", event.id);
        let (file, synced) = (self.file.clone(), self.synced);
        tokio::task::spawn_blocking(move || append(&file, synced, &line)).await??;
        self.fails(position, REPEATED)
    }
}

/// One line, one write, at the end of the file: handlers at work at once do not mix theirs.
fn append(mut file: &File, synced: bool, line: &str) -> io::Result<()> {
    let written = file.write(line.as_bytes())?;
    if written != line.len() {
        return Err(io::Error::other("half a line was written"));
    }
    if synced { file.sync_data() } else { Ok(()) }
}

/// All effects there are, in the order in which they came. A line that is not whole is no effect.
pub(crate) fn read(directory: &Path) -> io::Result<Vec<(Position, String)>> {
    let bytes = match std::fs::read(path(directory)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read?,
    };
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    Ok(lines.filter_map(parse).collect())
}

fn parse(line: &[u8]) -> Option<(Position, String)> {
    let (position, journal) = std::str::from_utf8(line).ok()?.strip_suffix(END)?.split_once(' ')?;
    Some((Position::new(position.parse().ok()?), journal.to_owned()))
}

fn path(directory: &Path) -> std::path::PathBuf {
    directory.join("effects")
}
