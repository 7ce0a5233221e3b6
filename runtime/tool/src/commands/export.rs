use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read};
use std::ops::ControlFlow;
use std::path::Path;

use actuarius::store::copy::Selection;
use actuarius::store::{Progress as SoFar, export as lines, sled};
use serde::Serialize;

use super::Desk;
use crate::arguments::Export;
use crate::output::Output;
use crate::place::Held;
use crate::progress::Progress;
use crate::trouble::{Outcome, Trouble};

#[derive(Serialize)]
struct ExportedShown {
    commits: u64,
    /// The end of the chain, when it was the whole log up to there.
    end: Option<String>,
}

/// To a file, what was written is told; on standard output nothing stands beside the lines.
pub(super) fn export(desk: &mut Desk<'_, '_>, asked: &Export) -> Result<Outcome, Trouble> {
    let reader = desk.place.reader.clone();
    let category = asked.aggregate_type.as_deref();
    let is_all = category.is_none() && asked.prefix.is_empty();
    let is_wanted = |of: &str, id: &str| {
        category.is_none_or(|category| category == of) && id.starts_with(asked.prefix.as_str())
    };
    let selection = if is_all { Selection::all() } else { Selection::matching(is_wanted) };
    let selection = asked.at.into_iter().fold(selection, Selection::up_to);
    let bar = Progress::of("exporting", reader.head().get(), asked.to.is_none());
    let mut told = |so_far: &SoFar| {
        bar.at(so_far.position.get());
        ControlFlow::Continue(())
    };
    let Some(path) = &asked.to else {
        lines::write(&*reader, desk.output.raw(), &selection, &mut told)?;
        return Ok(Outcome::Fine);
    };
    let mut file = BufWriter::new(File::create_new(path)?);
    let exported = lines::write(&*reader, &mut file, &selection, &mut told)?;
    // Whoever moves the store this way deletes the old one next.
    file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    let shown =
        ExportedShown { commits: exported.commits, end: exported.end.map(|end| end.to_string()) };
    let end = shown.end.clone().unwrap_or_else(|| "not the whole log".to_owned());
    desk.output.document(&shown, &[("commits", shown.commits.to_string()), ("chain", end)])?;
    Ok(Outcome::Fine)
}

#[derive(Serialize)]
struct ImportedShown {
    commits: u64,
    events: u64,
    /// Commits that had been there.
    found: u64,
    /// The end of the chain, proved to be that of the store the lines come from.
    end: Option<String>,
}

pub(super) fn import(from: &Path, to: &Path, output: &mut Output<'_>) -> Result<Outcome, Trouble> {
    if let Ok(Held::Backup(_)) = Held::by(to) {
        return Err(Trouble::Backup(to.to_owned()));
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
    let end =
        shown.end.clone().unwrap_or_else(|| "not told: the lines had not the whole log".to_owned());
    let fields = [
        ("commits", shown.commits.to_string()),
        ("events", shown.events.to_string()),
        ("found", shown.found.to_string()),
        ("chain", end),
    ];
    output.document(&shown, &fields)?;
    Ok(Outcome::Fine)
}
