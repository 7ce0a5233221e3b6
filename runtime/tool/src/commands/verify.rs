mod replaying;

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use actuarius::erasure::keys::{Keys, MasterKeys};
use actuarius::store::backup;
use actuarius::store::verify::{Finding, Verified, Verify as What};
use serde::Serialize;

use super::backup::{RUN_COLUMNS, RunShown};
use super::{Desk, Means};
use crate::arguments::Verify;
use crate::output::Output;
use crate::place::{Held, Place};
use crate::progress::Progress;
use crate::text;
use crate::trouble::{Outcome, Trouble};

/// Checks a store. Of a backup, its files and what they prove; it is restored and checked as a store only
/// if more is asked for.
pub(super) fn run(
    means: &Means<'_>,
    output: &mut Output<'_>,
    asked: &Verify,
) -> Result<Outcome, Trouble> {
    let (directory, types) = (means.directory()?, means.types);
    match Held::by(directory)? {
        Held::Backup(_) if asked.expect.is_empty() && !asked.full => backup(directory, output),
        _ => {
            let master = means.master()?;
            store(&mut Desk { place: Place::open(directory)?, types, output }, master, asked)
        }
    }
}

fn backup(directory: &Path, output: &mut Output<'_>) -> Result<Outcome, Trouble> {
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
    Ok(Outcome::Fine)
}

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
    /// Snapshots that were compared with what their events come to; none if that was not asked for.
    snapshots_replayed: Option<u64>,
    notes: u64,
    /// Keys of subjects that were opened; none if there are no keys, or no master keys.
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

fn store(
    desk: &mut Desk<'_, '_>,
    master: Option<Arc<dyn MasterKeys>>,
    asked: &Verify,
) -> Result<Outcome, Trouble> {
    let bar = Progress::of("checking", 0, false);
    let watch = |position, head| bar.at_of(position, head);
    let mut what =
        asked.expect.iter().fold(What::default().watch(watch), |what, end| what.expect(*end));
    let verified = desk.place.reader.maintenance().verify(&mut what)?;
    drop(what);
    drop(bar);
    let mut shown = VerifiedShown::of(&verified);
    let has_keys = desk.place.has_keys();
    if let Some(master) = master {
        // Closed again behind it.
        let keys = desk.place.keys(master.clone())?;
        keys.map_or(Ok(()), |keys| shown.look_at(&keys))?;
        desk.place.unlock(master)?;
    }
    if asked.full {
        shown.snapshots_replayed = Some(replaying::run(desk, &mut shown.findings)?);
    }
    shown.whole = shown.findings.is_empty();
    desk.output.document(&shown, &shown.fields())?;
    if has_keys && shown.keys.is_none() {
        let more =
            if asked.full { ", and states with personal data were not compared" } else { "" };
        let said = format!("The keys were not looked at{more}: say --master-keys FILE.");
        desk.output.remark(&said)?;
    }
    for finding in &shown.findings {
        let (place, what) = (text::Name(&finding.place), text::Name(&finding.what));
        desk.output.remark(&format!("{place}: {what}"))?;
    }
    Ok(if shown.whole { Outcome::Fine } else { Outcome::Findings })
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
            archived_elsewhere: verified.elsewhere,
            removed: verified.removed,
            index_entries: verified.index_entries,
            snapshots: verified.snapshots,
            snapshots_replayed: None,
            notes: verified.notes,
            keys: None,
            chain: verified.chain.to_string(),
            findings: verified.findings.iter().map(finding).collect(),
            more_findings: verified.more_findings,
        }
    }

    fn look_at(&mut self, keys: &Keys) -> Result<(), Trouble> {
        let verified = keys.verify()?;
        self.keys = Some(verified.live());
        self.more_findings += verified.more_findings;
        let finding = |what| FindingShown { place: "keys".to_owned(), what };
        self.findings.extend(verified.findings.into_iter().map(finding));
        Ok(())
    }

    fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = vec![
            ("events", self.events.to_string()),
            ("commits", self.commits.to_string()),
            ("streams", self.streams.to_string()),
            (
                "archived",
                format!("{}, of which {} elsewhere", self.archived, self.archived_elsewhere),
            ),
            ("removed", self.removed.to_string()),
            ("index entries", self.index_entries.to_string()),
            ("snapshots", self.snapshots.to_string()),
        ];
        fields.extend(self.snapshots_replayed.map(|it| ("replayed", it.to_string())));
        let findings = self.findings.len() as u64 + self.more_findings;
        let said = if self.whole { "whole".to_owned() } else { format!("{findings} FINDINGS") };
        fields.extend(self.keys.map(|it| ("keys", it.to_string())));
        fields.extend([("notes", self.notes.to_string()), ("chain", self.chain.clone())]);
        fields.push(("the store is", said));
        fields
    }
}
