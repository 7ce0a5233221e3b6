//! The upkeep of the index, a part with each group: flushes the frozen tail, compacts runs, and removes
//! replaced runs. Each of them is paced by commits, so that it keeps up at any load and costs a single
//! commit almost nothing.

use std::sync::Arc;

use super::compaction::Compaction;
use super::flush::Flush;
use super::manifest::{self, Manifest};
use super::memtable::{self, Index, Run, RunsPin};
use super::pace::{self, Pace};
use crate::engine::{Engine, Group};
use crate::keys;

/// How many runs of a level are merged into one of the next. A read of a stream searches at most seven
/// runs per level: of 5 million commits 4 in the lowest, 1 and 1.
const COMPACTED_RUNS: usize = 8;

/// Runs whose keys are being removed. Sweeps run one by one in the order of their compactions, so that a
/// pin also protects its holder from later compactions.
struct Sweep {
    runs: Vec<u32>,
    bucket: u16,
    pin: RunsPin,
    pace: Pace,
}

/// A change in memory that follows when the group is durable.
enum AfterSync {
    Flushed(Run),
    Compacted(Vec<Run>, Run),
}

/// The upkeep of the index of an open store.
pub(crate) struct Upkeep {
    manifest: Manifest,
    changed: bool,
    run_commits: u64,
    flush: Option<Flush>,
    compactions: Vec<Compaction>,
    sweeps: Vec<Sweep>,
    after_sync: Vec<AfterSync>,
    /// Levels with damaged runs, which are not compacted. Reads of them report the damage.
    damaged_levels: Vec<u8>,
}

impl Upkeep {
    /// Resumes the upkeep recorded in `manifest`. Runs that were being written when the store was closed are
    /// removed and written again.
    pub(crate) fn new(mut manifest: Manifest, run_commits: u64, buckets: u16) -> Self {
        let interrupted = std::mem::take(&mut manifest.building);
        manifest.garbage.extend(interrupted);
        let sweep = Sweep::new(manifest.garbage.clone(), RunsPin::default(), run_commits, buckets);
        Self {
            sweeps: if manifest.garbage.is_empty() { vec![] } else { vec![sweep] },
            manifest,
            changed: false,
            run_commits,
            flush: None,
            compactions: vec![],
            after_sync: vec![],
            damaged_levels: vec![],
        }
    }

    /// Freezes the tail, which ends at `head`, if it is full and the previous one is flushed.
    pub(crate) fn freeze_if_full(&mut self, index: &Index, head: u64) {
        let (waiting, flushing) = index.waiting();
        if waiting < self.run_commits || flushing {
            return;
        }
        let run = Run {
            number: self.manifest.begin_run(),
            level: 0,
            first: self.manifest.indexed + 1,
            last: head,
            entries: waiting,
        };
        self.changed = true;
        self.flush = Some(Flush::new(index.freeze(), run));
    }

    /// Returns whether groups were so full that the upkeep is late. Then it needs groups of its own.
    pub(crate) fn is_behind(&self, index: &Index) -> bool {
        let (waiting, flushing) = index.waiting();
        flushing && waiting >= 2 * self.run_commits
    }

    /// Puts as much work into the group as `commits` more commits pay for.
    pub(crate) fn work(&mut self, engine: &Engine, index: &Index, group: &mut Group, commits: u64) {
        self.flush(engine, group, commits);
        self.compact(engine, index.buckets(), group, commits);
        self.sweep(engine, index.buckets(), group, commits);
        if std::mem::take(&mut self.changed) {
            manifest::put(&mut self.manifest, engine.db(), group);
        }
    }

    /// Fills the group with work that is late.
    pub(crate) fn catch_up(&mut self, engine: &Engine, index: &Index, group: &mut Group) {
        self.work(engine, index, group, self.run_commits);
    }

    fn flush(&mut self, engine: &Engine, group: &mut Group, commits: u64) {
        let Some(run) =
            self.flush.as_mut().and_then(|flush| flush.advance(engine.db(), group, commits))
        else {
            return;
        };
        self.flush = None;
        self.manifest.building.retain(|&number| number != run.number);
        self.manifest.runs.push(run);
        self.manifest.indexed = run.last;
        self.changed = true;
        self.after_sync.push(AfterSync::Flushed(run));
    }

    fn compact(&mut self, engine: &Engine, buckets: u16, group: &mut Group, commits: u64) {
        self.begin_compactions(buckets);
        for mut compaction in std::mem::take(&mut self.compactions) {
            match compaction.advance(engine, group, commits) {
                Ok(false) => self.compactions.push(compaction),
                Ok(true) => self.finish_compaction(compaction),
                Err(error) => self.abandon_compaction(&compaction, &error.to_string()),
            }
        }
    }

    /// Begins the compactions that are due, at most one per level at a time, so that a large one does not
    /// delay small ones.
    fn begin_compactions(&mut self, buckets: u16) {
        let mut level = 0;
        while let Some(highest) = self.manifest.runs.iter().map(|run| run.level).max()
            && level <= highest
        {
            let compacting =
                self.compactions.iter().any(|compaction| compaction.run.level == level + 1);
            let of_level = self.manifest.runs.iter().filter(|run| run.level == level);
            let sources: Vec<_> = of_level.take(COMPACTED_RUNS).copied().collect();
            if sources.len() == COMPACTED_RUNS
                && !compacting
                && !self.damaged_levels.contains(&level)
            {
                let number = self.manifest.begin_run();
                self.compactions.push(Compaction::new(sources, number, buckets));
                self.changed = true;
            }
            level += 1;
        }
    }

    fn finish_compaction(&mut self, compaction: Compaction) {
        let (sources, run) = (compaction.sources, compaction.run);
        self.manifest.runs = memtable::replace(&self.manifest.runs, &sources, run);
        self.manifest.building.retain(|&number| number != run.number);
        self.manifest.garbage.extend(sources.iter().map(|source| source.number));
        self.changed = true;
        self.after_sync.push(AfterSync::Compacted(sources, run));
    }

    /// Gives up a compaction of damaged runs. Nothing is lost, because its sources stay.
    fn abandon_compaction(&mut self, compaction: &Compaction, error: &str) {
        tracing::error!(
            target: "actuarius::store",
            error,
            level = compaction.run.level,
            "the index is damaged; its runs are not compacted"
        );
        self.damaged_levels.push(compaction.run.level - 1);
    }

    fn sweep(&mut self, engine: &Engine, buckets: u16, group: &mut Group, commits: u64) {
        let Some(sweep) = self.sweeps.first_mut() else { return };
        if sweep.advance(engine, buckets, group, commits) {
            let done = self.sweeps.remove(0);
            self.manifest.garbage.retain(|number| !done.runs.contains(number));
            self.changed = true;
        }
    }

    /// Shows readers the runs of a group that is durable.
    pub(crate) fn synced(&mut self, index: &Index) {
        for after_sync in std::mem::take(&mut self.after_sync) {
            match after_sync {
                AfterSync::Flushed(run) => index.flushed(run),
                AfterSync::Compacted(sources, run) => {
                    let pin = index.compacted(&sources, run);
                    let runs = sources.iter().map(|run| run.number).collect();
                    self.sweeps.push(Sweep::new(runs, pin, self.run_commits, index.buckets()));
                }
            }
        }
    }
}

impl Sweep {
    /// Begins a sweep. Eight runs of one part per bucket, the usual case, are removed within half of the
    /// commits that make eight more.
    fn new(runs: Vec<u32>, pin: RunsPin, run_commits: u64, buckets: u16) -> Self {
        let pace = Pace::to_finish_within(run_commits / 2, 0, usize::from(buckets));
        Self { runs, bucket: 0, pin, pace }
    }

    /// Removes as many keys as `commits` more commits pay for. Returns whether all are removed.
    fn advance(&mut self, engine: &Engine, buckets: u16, group: &mut Group, commits: u64) -> bool {
        if Arc::get_mut(&mut self.pin).is_none() {
            return false;
        }
        self.pace.earn(commits);
        while self.pace.has_credit() && self.bucket < buckets {
            if !self.remove_bucket(engine, group) {
                return false;
            }
        }
        self.bucket == buckets
    }

    /// Removes the parts of a bucket. Returns false if the group has no room for all of them: the others are
    /// found again by the next group.
    fn remove_bucket(&mut self, engine: &Engine, group: &mut Group) -> bool {
        for &run in &self.runs {
            let prefix = keys::index_prefix(self.bucket, run);
            for prefix in [prefix, keys::spare(prefix)] {
                for key in engine.keys(&prefix) {
                    let Some(key) = key.ok().filter(|key| engine.is_removable(key)) else {
                        report_unremoved();
                        break;
                    };
                    if !pace::has_room(group, engine.db(), &key) {
                        return false;
                    }
                    group.remove(engine.db(), &key);
                    self.pace.spend(0);
                }
            }
        }
        self.bucket += 1;
        true
    }
}

/// Reports parts that stay where they are, because a page is damaged. They are never read.
fn report_unremoved() {
    tracing::error!(
        target: "actuarius::store",
        "old parts of the index cannot be removed; they take space until the store is compacted"
    );
}
