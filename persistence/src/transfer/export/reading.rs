use std::io::{BufRead, Read};
use std::sync::Arc;

use super::super::copy::{Copied, Copying};
use super::line::{End, Line};
use super::{FORMAT, ImportError};
use crate::record::chain::ChainEnd;
use crate::{COMMIT_BYTES_MAX, OnProgress, Store};

/// The longest line: that of the largest commit, every byte of it written as six, and its frame around it.
const LINE_BYTES_MAX: u64 = 7 * COMMIT_BYTES_MAX as u64;

/// After how many lines progress is reported.
const REPORT_EVERY: u64 = 1_000;

/// What was imported.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Imported {
    /// What was written, and what was there.
    pub copied: Copied,
    /// The end of the chain, proved to be that of the store the lines come from, when they had the whole log.
    pub end: Option<ChainEnd>,
}

/// Stores the commits of exported lines. What the store has already is compared and passed.
///
/// # Errors
/// [`ImportError`].
pub fn read(
    from: impl BufRead,
    to: &mut Store,
    progress: OnProgress<'_>,
) -> Result<Imported, ImportError> {
    let mut lines = Lines { from, line: 0, text: Vec::new() };
    let mut copying = Copying::to(to);
    lines.head()?;
    let end = loop {
        match lines.next(&mut copying)? {
            Some(end) => break end,
            None if lines.line % REPORT_EVERY > 0 => {}
            None if progress(&copying.progress).is_break() => return Err(ImportError::Stopped),
            None => {}
        }
    };
    let store = |source| ImportError::Store { line: lines.line, source };
    let copied = copying.finish().map_err(store)?;
    if copied.commits + copied.found != end.commits {
        let what = format!("{} commits are told, {} were there", end.commits, copied.commits);
        return Err(lines.wrong(what));
    }
    let Some(wanted) = end.chain else { return Ok(Imported { copied, end: None }) };
    let wanted: ChainEnd = wanted.parse().map_err(|error| lines.wrong(error))?;
    let found = to.reader.maintenance().chain().map_err(|error| store(error.into()))?;
    if found != wanted {
        return Err(ImportError::Differs { wanted, found });
    }
    Ok(Imported { copied, end: Some(found) })
}

struct Lines<R> {
    from: R,
    line: u64,
    text: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    fn head(&mut self) -> Result<(), ImportError> {
        self.fill()?;
        let line = parse(&self.text).map_err(|what| self.wrong(what))?;
        match line.export {
            Some(head) if head.format > FORMAT => {
                Err(ImportError::NewerFormat { found: head.format, supported: FORMAT })
            }
            Some(_) => Ok(()),
            None => Err(self.wrong("an export begins otherwise")),
        }
    }

    /// Stores the commit of the next line; or tells what the last line says.
    fn next(&mut self, to: &mut Copying<'_>) -> Result<Option<End>, ImportError> {
        self.fill()?;
        let line = parse(&self.text).map_err(|what| self.wrong(what))?;
        if line.end.is_some() {
            return Ok(line.end);
        }
        let commit = line.commit().map_err(|what| self.wrong(what))?;
        to.progress.position = commit.last_position();
        to.put(&commit).map_err(|source| ImportError::Store { line: self.line, source })?;
        Ok(None)
    }

    fn fill(&mut self) -> Result<(), ImportError> {
        let before = self.line;
        self.line += 1;
        self.text.clear();
        // One that was much longer than usual is not kept.
        self.text.shrink_to(1024 * 1024);
        let read = (&mut self.from).take(LINE_BYTES_MAX).read_until(b'\n', &mut self.text);
        read.map_err(|source| ImportError::Io { line: self.line, source: Arc::new(source) })?;
        if self.text.pop_if(|last| *last == b'\n').is_some() {
            return Ok(());
        }
        if self.text.len() as u64 == LINE_BYTES_MAX {
            return Err(self.wrong("it is too long"));
        }
        Err(ImportError::CutShort { line: before })
    }

    fn wrong(&self, what: impl ToString) -> ImportError {
        ImportError::Line { line: self.line, what: what.to_string() }
    }
}

fn parse(text: &[u8]) -> Result<Line<'_>, String> {
    serde_json::from_slice(text).map_err(|error| error.to_string())
}
