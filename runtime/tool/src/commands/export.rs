//! The commands `export` and `import`.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read};
use std::ops::ControlFlow;
use std::path::Path;

use actuarius::store::copy::Selection;
use actuarius::store::{Progress as CopyProgress, export as lines, sled};
use serde::Serialize;

use super::Session;
use crate::arguments::Export;
use crate::error::{Outcome, ToolError};
use crate::open_store::Contents;
use crate::output::Output;
use crate::progress::Progress;

#[derive(Serialize)]
struct ExportedShown {
    commits: u64,
    /// The end of the chain, if the whole log up to there was exported.
    end: Option<String>,
}

/// Exports to a file and reports the result, or to standard output, which then contains the lines only.
pub(super) fn export(session: &mut Session<'_, '_>, args: &Export) -> Result<Outcome, ToolError> {
    let reader = session.store.reader.clone();
    let category = args.aggregate_type.as_deref();
    let is_all = category.is_none() && args.prefix.is_empty();
    let is_wanted = |of: &str, id: &str| {
        category.is_none_or(|category| category == of) && id.starts_with(args.prefix.as_str())
    };
    let selection = if is_all { Selection::all() } else { Selection::matching(is_wanted) };
    let selection = args.at.into_iter().fold(selection, Selection::up_to);
    let bar = Progress::of("exporting", reader.head().get(), args.to.is_none());
    let mut report = |so_far: &CopyProgress| {
        bar.at(so_far.position.get());
        ControlFlow::Continue(())
    };
    let Some(path) = &args.to else {
        lines::write(&*reader, session.output.raw(), &selection, &mut report)?;
        return Ok(Outcome::Success);
    };
    let mut file = BufWriter::new(File::create_new(path)?);
    let exported = lines::write(&*reader, &mut file, &selection, &mut report)?;
    // The file is synced, because a user who moves a store this way deletes the old one next.
    file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    let shown =
        ExportedShown { commits: exported.commits, end: exported.end.map(|end| end.to_string()) };
    let end = shown.end.clone().unwrap_or_else(|| "not the whole log".to_owned());
    session.output.document(&shown, &[("commits", shown.commits.to_string()), ("chain", end)])?;
    Ok(Outcome::Success)
}

#[derive(Serialize)]
struct ImportedShown {
    commits: u64,
    events: u64,
    /// Commits that the store already contained.
    found: u64,
    /// The end of the chain, proved to equal that of the exported store.
    end: Option<String>,
}

pub(super) fn import(
    from: &Path,
    to: &Path,
    output: &mut Output<'_>,
) -> Result<Outcome, ToolError> {
    if let Ok(Contents::Backup(_)) = Contents::of(to) {
        return Err(ToolError::Backup(to.to_owned()));
    }
    let source: Box<dyn Read> =
        if from == Path::new("-") { Box::new(io::stdin()) } else { Box::new(File::open(from)?) };
    let mut store = sled::open(to)?;
    let bar = Progress::lines("importing");
    let imported = lines::read(BufReader::new(source), &mut store, &mut |so_far| {
        bar.at(so_far.commits);
        ControlFlow::Continue(())
    })?;
    drop(bar);
    let shown = ImportedShown {
        commits: imported.copied.commits,
        events: imported.copied.events,
        found: imported.copied.found,
        end: imported.end.map(|end| end.to_string()),
    };
    let end = shown
        .end
        .clone()
        .unwrap_or_else(|| "unknown: the file does not contain the whole log".to_owned());
    let fields = [
        ("commits", shown.commits.to_string()),
        ("events", shown.events.to_string()),
        ("already present", shown.found.to_string()),
        ("chain", end),
    ];
    output.document(&shown, &fields)?;
    Ok(Outcome::Success)
}
