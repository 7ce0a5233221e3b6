//! Imports lines of an export into a store.

use std::io::{BufRead, Read};
use std::sync::Arc;

use super::super::copy::{Copied, Copying, check_key_file};
use super::super::key_file;
use super::super::progress::OnProgress;
use super::line::{End, Head, Line};
use super::{FORMAT, ImportError};
use crate::record::COMMIT_BYTES_MAX;
use crate::record::chain::ChainEnd;
use crate::record::codec::quiet::without_values;
use crate::store::Store;

/// The longest line: the largest commit with every byte escaped to six, and the other fields.
const LINE_BYTES_MAX: u64 = 7 * COMMIT_BYTES_MAX as u64;

/// The number of lines between two progress reports.
const REPORT_EVERY: u64 = 1_000;

/// The result of an import.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Imported {
    /// The commits written, and those that already existed.
    pub copied: Copied,
    /// The end of the chain, which was checked against the export, if the export has the whole log.
    pub end: Option<ChainEnd>,
}

/// Stores the commits of exported lines. Commits that the store already has are compared and skipped.
///
/// # Errors
/// Returns [`ImportError`] if the import was not finished.
pub fn read(
    from: impl BufRead,
    to: &mut Store,
    progress: OnProgress<'_>,
) -> Result<Imported, ImportError> {
    let mut lines = Lines { from, line: 0, text: Vec::new() };
    if let Some(identity) = lines.head()?.keys {
        let checked = check_key_file(identity, to);
        let carried = checked.and_then(|()| Ok(key_file::carry(identity, to)?));
        carried.map_err(|source| ImportError::Store { line: lines.line, source })?;
    }
    let mut copying = Copying::to(to);
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
        let what = format!("expected {} commits, found {}", end.commits, copied.commits);
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
    fn head(&mut self) -> Result<Head, ImportError> {
        self.read_line()?;
        let line = parse(&self.text).map_err(|what| self.wrong(what))?;
        match line.export {
            Some(head) if head.format > FORMAT => {
                Err(ImportError::NewerFormat { found: head.format, supported: FORMAT })
            }
            Some(head) => Ok(head),
            None => Err(self.wrong("it is not the first line of an export")),
        }
    }

    /// Stores the commit of the next line, or returns the content of the end line.
    fn next(&mut self, to: &mut Copying<'_>) -> Result<Option<End>, ImportError> {
        self.read_line()?;
        let line = parse(&self.text).map_err(|what| self.wrong(what))?;
        if line.end.is_some() {
            return Ok(line.end);
        }
        let commit = line.commit().map_err(|what| self.wrong(what))?;
        to.progress.position = commit.last_position();
        to.put(&commit).map_err(|source| ImportError::Store { line: self.line, source })?;
        Ok(None)
    }

    fn read_line(&mut self) -> Result<(), ImportError> {
        let before = self.line;
        self.line += 1;
        self.text.clear();
        // The capacity of an unusually long line is released.
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
    serde_json::from_slice(text).map_err(|error| match error.is_data() {
        true => without_values(&error.to_string()),
        false => error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutations::Mutations;

    #[test]
    fn no_mutated_line_of_an_export_panics_or_allocates_without_a_bound() {
        let samples = [
            r#"{"export":{"format":1,"store":"00000000-0000-0000-0000-000000000007"}}"#,
            r#"{"position":1,"type":"account","id":"ada","version":1,"time":5,"command":"00000000-0000-0000-0000-000000000007","events":[{"type":"Opened","schema":1,"codec":"json","payload":{"a":[1,2]}},{"type":"Put","schema":2,"codec":"bincode","base64":"AAEC"}]}"#,
            r#"{"position":1,"frame":"AAAAAA=="}"#,
            r#"{"end":{"commits":1}}"#,
        ];
        let samples = samples.map(|line| line.as_bytes().to_vec());
        Mutations::of("a line of an export", samples).run(
            |work| allocation_counter::measure(work).bytes_max,
            |bytes| {
                if let Ok(line) = parse(bytes) {
                    let _ = line.commit();
                }
            },
        );
    }
}
