//! The backlog of the writer: large snapshots that wait to be stored, and parts that wait to be removed.
//! A piece of it is carried out with each batch.

use std::collections::VecDeque;

use actuarius_persistence::NewSnapshot;

use crate::keys::{self, StreamHash};
use crate::leftovers::Leftover;
use crate::snapshots::parts::Parts;

/// How many bytes of snapshots may wait beside the one that is being stored. Beyond this, a batch waits
/// until enough of them are stored.
const WAITING_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How many jobs may wait. Most are removals of parts, 40 bytes each. Beyond this, a batch waits until
/// enough of them are done.
const JOBS_MAX: usize = 4_096;

/// How often parts at the version of a snapshot are removed before it begins. Once is enough, twice if older ones
/// were waiting. More often means that they cannot be removed.
pub(super) const CLEARINGS_MAX: u8 = 3;

/// The work that is left, in order. Jobs of one stream are carried out one after the other.
#[derive(Default)]
pub(super) struct Backlog {
    jobs: VecDeque<Job>,
    bytes: usize,
}

pub(super) enum Job {
    Keep(Box<Keeping>),
    Clear(Leftover),
}

/// A snapshot that is stored in pieces.
pub(super) struct Keeping {
    pub(super) key: StreamHash,
    pub(super) new: NewSnapshot,
    pub(super) parts: Parts,
    /// Whether parts of it are or were in sled.
    pub(super) has_begun: bool,
    /// How often parts at its version were to be removed before it begins.
    pub(super) clearings: u8,
}

impl Keeping {
    pub(super) fn version(&self) -> u64 {
        self.new.version.get()
    }

    /// Returns the parts after part 0.
    pub(super) fn rest(&self) -> Leftover {
        let prefix = keys::snapshot_parts(self.key, self.version());
        Leftover { prefix, parts: 1..self.parts.count() }
    }

    /// Returns the parts that are in sled.
    fn written(&self) -> Leftover {
        let next = self.parts.next();
        let end = if next == 0 { self.parts.count() } else { next };
        Leftover { parts: 1..end, ..self.rest() }
    }
}

impl Backlog {
    pub(super) fn of(leftovers: Vec<Leftover>) -> Self {
        Self { jobs: leftovers.into_iter().map(Job::Clear).collect(), bytes: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Returns the bytes of the snapshots that wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns whether so much waits that nothing more may be added.
    pub(super) fn is_full(&self) -> bool {
        let is_alone = self.keeping().count() <= 1;
        self.jobs.len() > JOBS_MAX || (self.bytes > WAITING_BYTES_MAX && !is_alone)
    }

    /// Returns whether a job of the stream waits.
    pub(super) fn concerns(&self, key: StreamHash) -> bool {
        let prefix = &keys::snapshot(key, 0, 0)[..17];
        self.keeping().any(|keeping| keeping.key == key)
            || self.clearing().any(|leftover| leftover.prefix.starts_with(prefix))
    }

    fn keeping(&self) -> impl Iterator<Item = &Keeping> {
        self.jobs.iter().filter_map(|job| match job {
            Job::Keep(keeping) => Some(&**keeping),
            Job::Clear(_) => None,
        })
    }

    fn clearing(&self) -> impl Iterator<Item = &Leftover> {
        self.jobs.iter().filter_map(|job| match job {
            Job::Clear(leftover) => Some(leftover),
            Job::Keep(_) => None,
        })
    }

    /// Adds a snapshot. It replaces one of its version, and an older one of the stream that has not begun, if
    /// the stream keeps one only.
    pub(super) fn keep(&mut self, key: StreamHash, new: &NewSnapshot) {
        self.give_up(key, |old| {
            let is_older = old.new.version < new.version;
            old.new.version == new.version || (is_older && new.keep <= 1 && !old.has_begun)
        });
        self.bytes += new.payload.len();
        let (parts, new) = (Parts::of(new), new.clone());
        let keeping = Keeping { key, new, parts, has_begun: false, clearings: 0 };
        self.jobs.push_back(Job::Keep(Box::new(keeping)));
    }

    /// Gives up the snapshots of a stream for which `is_given_up` holds. What was written of them is removed.
    pub(super) fn give_up(&mut self, key: StreamHash, is_given_up: impl Fn(&Keeping) -> bool) {
        let jobs = std::mem::take(&mut self.jobs);
        for job in jobs {
            match job {
                Job::Keep(keeping) if keeping.key == key && is_given_up(&keeping) => {
                    self.bytes -= keeping.new.payload.len();
                    if keeping.has_begun {
                        self.jobs.push_back(Job::Clear(keeping.written()));
                    }
                }
                job => self.jobs.push_back(job),
            }
        }
    }

    /// Adds parts to remove, unless they wait already.
    pub(super) fn clear(&mut self, leftover: Leftover) {
        if !self.clearing().any(|waiting| waiting.prefix == leftover.prefix) {
            self.jobs.push_back(Job::Clear(leftover));
        }
    }

    /// Lets the removal of these parts come next, if it waits. Returns whether it does.
    pub(super) fn clear_first(&mut self, prefix: &[u8]) -> bool {
        let is_it =
            |job: &Job| matches!(job, Job::Clear(leftover) if leftover.prefix[..] == *prefix);
        let Some(job) = self.jobs.iter().position(is_it).and_then(|at| self.jobs.remove(at)) else {
            return false;
        };
        self.jobs.push_front(job);
        true
    }

    /// Takes the next job. A job that is not done is put back.
    pub(super) fn take(&mut self) -> Option<Job> {
        let job = self.jobs.pop_front()?;
        if let Job::Keep(keeping) = &job {
            self.bytes -= keeping.new.payload.len();
        }
        Some(job)
    }

    pub(super) fn put_back(&mut self, job: Job) {
        if let Job::Keep(keeping) = &job {
            self.bytes += keeping.new.payload.len();
        }
        self.jobs.push_front(job);
    }
}
