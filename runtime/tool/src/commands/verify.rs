//! The command `verify`, for stores and backups.

mod decoding;
mod replaying;

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use actuarius::Position;
use actuarius::erasure::keys::{Keys, MasterKeys};
use actuarius::error::ReadError;
use actuarius::store::backup;
use actuarius::store::verify::{Finding, Verified, Verify as What};
use serde::Serialize;

use super::backup::{RUN_COLUMNS, RunShown};
use super::{Session, Settings};
use crate::arguments::Verify;
use crate::error::{Outcome, ToolError};
use crate::forensics::Notice;
use crate::open_store::Contents;
use crate::output::Output;
use crate::progress::Progress;
use crate::text;

/// Checks a store, or the files of a backup. With further checks requested, a backup is restored and checked as a
/// store.
pub(super) fn run(
    settings: &Settings<'_>,
    output: &mut Output<'_>,
    args: &Verify,
) -> Result<Outcome, ToolError> {
    let (directory, types) = (settings.directory()?, settings.types);
    match Contents::of(directory)? {
        Contents::Backup(_) if args.expect.is_empty() && !args.full => backup(directory, output),
        _ => {
            let master = settings.master()?;
            let store = settings.open()?;
            let end = settings.forensics.as_ref().and_then(Notice::problem);
            checked(&mut Session { store, types, output }, master, args, end)
        }
    }
}

fn backup(directory: &Path, output: &mut Output<'_>) -> Result<Outcome, ToolError> {
    let bar = Progress::of("checking", 0, false);
    let runs = backup::verify(directory, &mut |progress| {
        bar.at_of(progress.position.get(), progress.end.get());
        ControlFlow::Continue(())
    })?;
    drop(bar);
    let mut table = output.list(&RUN_COLUMNS);
    for run in &runs {
        table.row(&RunShown::of(run), RunShown::cells)?;
    }
    table.end()?;
    output.remark("The backup is whole.")?;
    Ok(Outcome::Success)
}

/// The most findings that are listed, as many as the check of a store lists. Further ones are only counted.
const FINDINGS_MAX: usize = 1_000;

#[derive(Serialize)]
struct VerifiedShown {
    whole: bool,
    events: u64,
    commits: u64,
    streams: u64,
    archived: u64,
    archived_elsewhere: u64,
    removed: u64,
    index_entries: u64,
    snapshots: u64,
    /// Events of registered types that were decoded. `None` without `--full`.
    events_decoded: Option<u64>,
    /// Snapshots that were compared with the state that their events produce. `None` without `--full`.
    snapshots_replayed: Option<u64>,
    notes: u64,
    /// Keys of subjects that were opened. `None` if there are no keys or no master keys.
    keys: Option<u64>,
    chain: String,
    findings: Vec<FindingShown>,
    more_findings: u64,
}

#[derive(Serialize)]
struct FindingShown {
    place: String,
    what: String,
}

/// Checks a store. `end` is what is wrong with the end of its log, as far as opening it has shown.
fn checked(
    session: &mut Session<'_, '_>,
    master: Option<Arc<dyn MasterKeys>>,
    args: &Verify,
    end: Option<(Position, String)>,
) -> Result<Outcome, ToolError> {
    let bar = Progress::of("checking", 0, false);
    let watch = |position, head| bar.at_of(position, head);
    let mut what =
        args.expect.iter().fold(What::default().watch(watch), |what, end| what.expect(*end));
    let verified = session.store.reader.maintenance().verify(&mut what)?;
    drop(what);
    drop(bar);
    let mut shown = VerifiedShown::of(&verified);
    let at = |(position, what)| FindingShown { place: format!("log, position {position}"), what };
    if let Some(end) = end.map(at) {
        shown.find(end);
    }
    let has_keys = session.store.has_keys();
    if let Some(master) = master {
        // The key file is closed again before the store is unlocked.
        let keys = session.store.keys(master.clone())?;
        keys.map_or(Ok(()), |keys| shown.look_at(&keys))?;
        session.store.unlock(master)?;
    }
    if args.full {
        full(session, &mut shown)?;
    }
    shown.whole = shown.findings.is_empty();
    session.output.document(&shown, &shown.fields())?;
    if has_keys && shown.keys.is_none() {
        let more =
            if args.full { ", and events and states with personal data were not read" } else { "" };
        let text = format!("The keys were not checked{more}: use --master-keys FILE.");
        session.output.remark(&text)?;
    }
    if args.full && !session.types.has_aggregates() {
        session.output.remark("No type is registered, so --full decoded no event.")?;
    }
    for finding in &shown.findings {
        let (place, what) = (text::Name(&finding.place), text::Name(&finding.what));
        session.output.remark(&format!("{place}: {what}"))?;
    }
    Ok(if shown.whole { Outcome::Success } else { Outcome::Findings })
}

/// Decodes the events of registered types, and compares their snapshots. Damage ends it, and is a finding.
fn full(session: &mut Session<'_, '_>, shown: &mut VerifiedShown) -> Result<(), ToolError> {
    let done = decoding::run(session, shown).and_then(|()| {
        let replayed = replaying::run(session, shown)?;
        shown.snapshots_replayed = Some(replayed);
        Ok(())
    });
    match done {
        Err(ToolError::Read(ReadError::Damaged(damage))) => {
            let place = format!("log, position {}", damage.position);
            let what = format!("what follows was not decoded and not compared: {}", damage.what);
            shown.find(FindingShown { place, what });
            Ok(())
        }
        done => done,
    }
}

impl VerifiedShown {
    fn of(verified: &Verified) -> Self {
        let finding =
            |it: &Finding| FindingShown { place: it.place.to_string(), what: it.what.clone() };
        Self {
            whole: verified.is_whole(),
            events: verified.events,
            commits: verified.commits,
            streams: verified.streams,
            archived: verified.archived,
            archived_elsewhere: verified.missing,
            removed: verified.removed,
            index_entries: verified.index_entries,
            snapshots: verified.snapshots,
            events_decoded: None,
            snapshots_replayed: None,
            notes: verified.notes,
            keys: None,
            chain: verified.chain.to_string(),
            findings: verified.findings.iter().map(finding).collect(),
            more_findings: verified.more_findings,
        }
    }

    fn look_at(&mut self, keys: &Keys) -> Result<(), ToolError> {
        let verified = keys.verify()?;
        self.keys = Some(verified.live());
        self.more_findings += verified.more_findings;
        for what in verified.findings {
            self.find(FindingShown { place: "keys".to_owned(), what });
        }
        Ok(())
    }

    fn find(&mut self, finding: FindingShown) {
        match self.findings.len() < FINDINGS_MAX {
            true => self.findings.push(finding),
            false => self.more_findings += 1,
        }
    }

    fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = vec![
            ("events", self.events.to_string()),
            ("commits", self.commits.to_string()),
            ("streams", self.streams.to_string()),
            (
                "archived",
                format!(
                    "{}, of which {} without a segment",
                    self.archived, self.archived_elsewhere
                ),
            ),
            ("removed", self.removed.to_string()),
            ("index entries", self.index_entries.to_string()),
            ("snapshots", self.snapshots.to_string()),
        ];
        fields.extend(self.events_decoded.map(|it| ("decoded", it.to_string())));
        fields.extend(self.snapshots_replayed.map(|it| ("replayed", it.to_string())));
        let findings = self.findings.len() as u64 + self.more_findings;
        let result = match self.whole {
            true => "the store is whole".to_owned(),
            false => text::count(findings, "finding").to_uppercase(),
        };
        fields.extend(self.keys.map(|it| ("keys", it.to_string())));
        fields.extend([("notes", self.notes.to_string()), ("chain", self.chain.clone())]);
        fields.push(("result", result));
        fields
    }
}
