//! The work on the index that rides along with each group: draining the frozen tail, merging runs,
//! removing what merging left behind. Each kind is paced by the commits that come in, so that it
//! keeps up at any load and costs a single commit next to nothing.

use std::sync::Arc;

use actuarius_persistence::StoreFailure;

use super::compaction::Merge;
use super::flush::Drain;
use super::manifest::Meta;
use super::memtable::{self, Index, Lease, Run};
use super::pace::{Pace, STEP_BYTES};
use crate::engine::{Engine, Group};
use crate::error::engine_io;
use crate::keys;

/// How many runs of a level are merged into one of the next. A stream's read looks into at most
/// seven runs per level: of 5 million commits 4 in the lowest, 1 and 1.
const MERGE_RUNS: usize = 8;

/// Runs whose keys are being removed. Sweeps are done one by one, in the order of their merges, so
/// that a lease also protects its holder from the merges after its own.
struct Sweep {
    runs: Vec<u32>,
    bucket: u16,
    lease: Lease,
    pace: Pace,
}

/// What happens in memory once the group is durable.
enum Then {
    Drained(Run),
    Merged(Vec<Run>, Run),
}

pub(crate) struct Upkeep {
    meta: Meta,
    changed: bool,
    run_commits: u64,
    drain: Option<Drain>,
    merges: Vec<Merge>,
    sweeps: Vec<Sweep>,
    then: Vec<Then>,
    /// Levels whose runs are damaged: they stay as they are, and reads of them tell.
    stuck: Vec<u8>,
}

impl Upkeep {
    /// Takes up what `meta` says. Runs that were being written when the store was closed are
    /// removed, and written anew.
    pub(crate) fn new(mut meta: Meta, run_commits: u64, buckets: u16) -> Self {
        let interrupted = std::mem::take(&mut meta.building);
        meta.garbage.extend(interrupted);
        let sweep = Sweep::new(meta.garbage.clone(), Lease::default(), run_commits, buckets);
        Self {
            sweeps: if meta.garbage.is_empty() { vec![] } else { vec![sweep] },
            meta,
            changed: false,
            run_commits,
            drain: None,
            merges: vec![],
            then: vec![],
            stuck: vec![],
        }
    }

    /// Freezes the tail, which ends at `head`, when it is full and the one before it is drained.
    pub(crate) fn freeze_if_full(&mut self, index: &Index, head: u64) {
        let (waiting, draining) = index.waiting();
        if waiting < self.run_commits || draining {
            return;
        }
        let run = Run {
            number: self.meta.begin_run(),
            level: 0,
            first: self.meta.indexed + 1,
            last: head,
            entries: waiting,
        };
        self.changed = true;
        self.drain = Some(Drain::new(index.freeze(), run));
    }

    /// Whether groups were so full that the index fell behind: then it gets groups of its own.
    pub(crate) fn is_behind(&self, index: &Index) -> bool {
        let (waiting, draining) = index.waiting();
        draining && waiting >= 2 * self.run_commits
    }

    /// Puts into the group what `commits` more commits call for.
    pub(crate) fn work(
        &mut self,
        engine: &Engine,
        index: &Index,
        group: &mut Group,
        commits: u64,
    ) -> Result<(), StoreFailure> {
        self.drain(group, commits);
        self.merge(engine, index.buckets(), group, commits);
        self.sweep(engine, index.buckets(), group, commits)
            .map_err(|error| StoreFailure::new("removing old index parts", engine_io(error)))?;
        if std::mem::take(&mut self.changed) {
            group.put(keys::META, self.meta.to_value());
        }
        Ok(())
    }

    /// Fills the group with work that should have been done by now.
    pub(crate) fn catch_up(
        &mut self,
        engine: &Engine,
        index: &Index,
        group: &mut Group,
    ) -> Result<(), StoreFailure> {
        self.work(engine, index, group, self.run_commits)
    }

    fn drain(&mut self, group: &mut Group, commits: u64) {
        let Some(run) = self.drain.as_mut().and_then(|drain| drain.advance(group, commits)) else {
            return;
        };
        self.drain = None;
        self.meta.building.retain(|&number| number != run.number);
        self.meta.runs.push(run);
        self.meta.indexed = run.last;
        self.changed = true;
        self.then.push(Then::Drained(run));
    }

    fn merge(&mut self, engine: &Engine, buckets: u16, group: &mut Group, commits: u64) {
        self.begin_merges(buckets);
        for mut merge in std::mem::take(&mut self.merges) {
            match merge.advance(engine, group, commits) {
                Ok(false) => self.merges.push(merge),
                Ok(true) => self.finish_merge(merge),
                Err(trouble) => self.give_up_merge(&merge, &trouble.to_string()),
            }
        }
    }

    /// One merge per level at a time: a large one must not hold up the small ones.
    fn begin_merges(&mut self, buckets: u16) {
        let mut level = 0;
        while let Some(highest) = self.meta.runs.iter().map(|run| run.level).max()
            && level <= highest
        {
            let merging = self.merges.iter().any(|merge| merge.run.level == level + 1);
            let of_level = self.meta.runs.iter().filter(|run| run.level == level);
            let sources: Vec<_> = of_level.take(MERGE_RUNS).copied().collect();
            if sources.len() == MERGE_RUNS && !merging && !self.stuck.contains(&level) {
                let number = self.meta.begin_run();
                self.merges.push(Merge::new(sources, number, buckets));
                self.changed = true;
            }
            level += 1;
        }
    }

    fn finish_merge(&mut self, merge: Merge) {
        let (sources, run) = (merge.sources, merge.run);
        self.meta.runs = memtable::replace(&self.meta.runs, &sources, run);
        self.meta.building.retain(|&number| number != run.number);
        self.meta.garbage.extend(sources.iter().map(|source| source.number));
        self.changed = true;
        self.then.push(Then::Merged(sources, run));
    }

    /// Nothing is lost: the runs that would have been merged stay.
    fn give_up_merge(&mut self, merge: &Merge, trouble: &str) {
        tracing::error!(
            target: "actuarius::store",
            trouble,
            level = merge.run.level,
            "the index is damaged and not merged"
        );
        self.stuck.push(merge.run.level - 1);
    }

    fn sweep(
        &mut self,
        engine: &Engine,
        buckets: u16,
        group: &mut Group,
        commits: u64,
    ) -> sled::Result<()> {
        let Some(sweep) = self.sweeps.first_mut() else { return Ok(()) };
        if sweep.advance(engine, buckets, group, commits)? {
            let done = self.sweeps.remove(0);
            self.meta.garbage.retain(|number| !done.runs.contains(number));
            self.changed = true;
        }
        Ok(())
    }

    /// The group is durable: readers may use what it holds.
    pub(crate) fn settle(&mut self, index: &Index) {
        for then in std::mem::take(&mut self.then) {
            match then {
                Then::Drained(run) => index.drained(run),
                Then::Merged(sources, run) => {
                    let lease = index.merged(&sources, run);
                    let runs = sources.iter().map(|run| run.number).collect();
                    self.sweeps.push(Sweep::new(runs, lease, self.run_commits, index.buckets()));
                }
            }
        }
    }
}

impl Sweep {
    /// Eight runs of one part per bucket, the usual case, are gone after half of the commits that
    /// make eight more.
    fn new(runs: Vec<u32>, lease: Lease, run_commits: u64, buckets: u16) -> Self {
        let pace = Pace::to_finish_within(run_commits / 2, 0, usize::from(buckets));
        Self { runs, bucket: 0, lease, pace }
    }

    /// Removes as many keys as `commits` more commits call for, and says whether all are gone.
    fn advance(
        &mut self,
        engine: &Engine,
        buckets: u16,
        group: &mut Group,
        commits: u64,
    ) -> sled::Result<bool> {
        if Arc::get_mut(&mut self.lease).is_none() {
            return Ok(false);
        }
        self.pace.earn(commits);
        while self.pace.has_credit() && group.has_room(STEP_BYTES) && self.bucket < buckets {
            self.remove_bucket(engine, group)?;
        }
        Ok(self.bucket == buckets)
    }

    fn remove_bucket(&mut self, engine: &Engine, group: &mut Group) -> sled::Result<()> {
        for &run in &self.runs {
            for key in engine.keys(&keys::index_prefix(self.bucket, run)) {
                group.remove(&key?);
                self.pace.spend(0);
            }
        }
        self.bucket += 1;
        Ok(())
    }
}
