//! Exports events of a store as lines.

use std::io::{self, Write};
use std::sync::Arc;

use super::super::copy::{Cursor, Selection};
use super::super::key_file;
use super::super::progress::{OnProgress, Progress};
use super::line::{End, Head, Line};
use super::{ExportError, FORMAT};
use crate::record::chain::ChainEnd;
use crate::store::Reader;

/// The result of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exported {
    /// The number of commits.
    pub commits: u64,
    /// The end of the chain, if the whole log up to it was exported.
    pub end: Option<ChainEnd>,
}

/// Writes the selected events as lines of JSON. Pass a buffered writer.
///
/// Archived events are read from the archive.
///
/// # Errors
/// Returns [`ExportError`] if the export is incomplete. The end line is then missing.
pub fn write(
    from: &dyn Reader,
    to: impl Write,
    selection: &Selection<'_>,
    progress: OnProgress<'_>,
) -> Result<Exported, ExportError> {
    let end = selection.end(from);
    let mut lines = Lines { to, line: 0 };
    let head = Head { format: FORMAT, store: from.identity(), keys: key_file::of(from)? };
    lines.put(&Line::first(head))?;
    let mut so_far = Progress { end, ..Progress::default() };
    let (mut place, mut chain) = (Cursor::default(), ChainEnd::default());
    while so_far.position < end {
        let page = selection.page(from, place)?;
        for commit in page.commits.iter().take_while(|it| it.last_position() <= end) {
            chain = chain.then(commit);
            if selection.has(commit) {
                lines.put(&Line::of(commit))?;
                so_far.commits += 1;
                so_far.bytes += commit.bytes() as u64;
            }
        }
        let Some(last) = page.commits.last() else { break };
        (place, so_far.position) = (Cursor::of(last), last.last_position().min(end));
        if progress(&so_far).is_break() {
            return Err(ExportError::Stopped);
        }
        if !page.more {
            break;
        }
    }
    let (commits, end) = (so_far.commits, selection.is_all().then_some(chain));
    let last = End { commits, chain: end.map(|end| end.to_string()) };
    lines.put(&Line::last(last))?;
    lines.flush()?;
    Ok(Exported { commits, end })
}

struct Lines<W> {
    to: W,
    line: u64,
}

impl<W: Write> Lines<W> {
    fn put(&mut self, line: &Line<'_>) -> Result<(), ExportError> {
        self.line += 1;
        let written = serde_json::to_writer(&mut self.to, line).map_err(io::Error::from);
        let written = written.and_then(|()| self.to.write_all(b"\n"));
        self.check(written)
    }

    fn flush(&mut self) -> Result<(), ExportError> {
        let flushed = self.to.flush();
        self.check(flushed)
    }

    fn check(&self, done: io::Result<()>) -> Result<(), ExportError> {
        done.map_err(|source| ExportError::Io { line: self.line, source: Arc::new(source) })
    }
}
