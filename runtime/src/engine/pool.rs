//! [`Pool`]: threads of this library for work that waits for a disk or computes for long.
//!
//! Nothing here uses tokio's blocking threads: callers may have taken up all of them, waiting for answers. There
//! are three pools, so that no kind of work waits for another:
//!
//! - *Recoveries* and *reads* of callers and followers take microseconds most of the time, and there may be
//!   thousands at once. One thread for each would spend more time on waking threads than on reading. So a few
//!   threads work on one queue. When a job turns out to be long, another thread takes its place, so that
//!   the short jobs in the queue do not wait.
//! - *Work* (opening, folding and closing views, backups, archiving) may take long, and user code in it may wait
//!   for anything. So each gets a thread at once. There is no more of it than followers and operations.
//!
//! A watcher thread starts the threads that are missing. The first worker and the watcher are started with the
//! pool, so jobs are run while the system refuses further threads.

mod run;

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::base::home_runtime::HomeRuntime;
use crate::base::panics::{discard, guarded};

pub(crate) use run::{NotDone, Run};

/// How many threads work on short recoveries. More would only compete for the same cores.
const QUICK_RECOVERIES: usize = 2;

/// How many threads work on short reads at least, if there are fewer cores.
const QUICK_READS_MIN: usize = 2;

/// How many reads run at once. Each holds a thread and a page.
const READS_AT_ONCE: usize = 64;

/// The time from which on a job counts as long, and how often the watcher looks.
const LONG: Duration = Duration::from_millis(2);

/// How long the watcher waits before it asks again for a thread that the system refused.
const REFUSED: Duration = Duration::from_millis(20);

/// How long a thread without work is kept.
const IDLE: Duration = Duration::from_secs(10);

/// The threads and their queue.
pub(crate) struct Pool {
    shared: Arc<Shared>,
}

/// What distinguishes the pools.
#[derive(Clone, Copy)]
struct Kind {
    /// The name of the threads.
    name: &'static str,
    /// How many threads work at once on jobs that are not long.
    quick: usize,
    /// How many threads there are at most.
    limit: usize,
}

struct Shared {
    kind: Kind,
    jobs: Mutex<Jobs>,
    /// Notified when a worker may take a job.
    work: Condvar,
    /// Notified when a job waits that no worker was there for.
    watcher: Condvar,
    spawn: Box<Spawn>,
}

/// Starts a named thread.
type Spawn = dyn Fn(&str, Box<dyn FnOnce() + Send>) -> std::io::Result<()> + Send + Sync;

#[derive(Default)]
struct Jobs {
    /// Bounded by what submits: an aggregate waits here once, and only with a request waiting for it; a caller,
    /// a follower and an operation have one job each.
    waiting: VecDeque<Job>,
    /// All workers.
    workers: usize,
    /// Workers that were started and do not run yet.
    starting: usize,
    /// Workers without a job.
    idle: usize,
    /// The jobs that are running, by the number of their worker.
    running: Vec<Running>,
    next_worker: u64,
    /// The watcher waits to be notified.
    watcher_sleeps: bool,
    closed: bool,
}

struct Running {
    worker: u64,
    since: Instant,
    is_long: bool,
}

type Job = Box<dyn FnOnce() + Send>;

impl Pool {
    /// Starts a pool that runs at most `limit` recoveries at once.
    ///
    /// # Errors
    /// The system refuses the first threads.
    pub(crate) fn for_recoveries(home: &HomeRuntime, limit: usize) -> std::io::Result<Self> {
        let kind = Kind { name: "actuarius-recovery", quick: QUICK_RECOVERIES, limit };
        Self::start_in(home, kind)
    }

    /// Starts a pool for reads of callers and followers: a page at a time.
    ///
    /// # Errors
    /// The system refuses the first threads.
    pub(crate) fn for_reads(home: &HomeRuntime) -> std::io::Result<Self> {
        let cores = std::thread::available_parallelism().map_or(QUICK_READS_MIN, usize::from);
        let quick = cores.max(QUICK_READS_MIN);
        Self::start_in(home, Kind { name: "actuarius-read", quick, limit: READS_AT_ONCE })
    }

    /// Starts a pool in which each job gets a thread at once.
    ///
    /// # Errors
    /// The system refuses the first threads.
    pub(crate) fn for_work(home: &HomeRuntime) -> std::io::Result<Self> {
        Self::start_in(home, Kind { name: "actuarius-work", quick: usize::MAX, limit: usize::MAX })
    }

    /// User code in the jobs may use the tokio runtime, as in tasks.
    fn start_in(home: &HomeRuntime, kind: Kind) -> std::io::Result<Self> {
        let tokio = home.handle().clone();
        let spawn = move |name: &str, run: Box<dyn FnOnce() + Send>| {
            let tokio = tokio.clone();
            let run = move || {
                let _entered = tokio.enter();
                run();
            };
            spawn_thread(name, Box::new(run))
        };
        Self::start_with(kind, Box::new(spawn))
    }

    fn start_with(kind: Kind, spawn: Box<Spawn>) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            kind,
            jobs: Mutex::default(),
            work: Condvar::new(),
            watcher: Condvar::new(),
            spawn,
        });
        let pool = Self { shared: shared.clone() };
        shared.start_worker(&mut shared.jobs())?;
        let watcher = shared.clone();
        (shared.spawn)(&format!("{}-watcher", kind.name), Box::new(move || watcher.oversee()))?;
        Ok(pool)
    }

    /// Queues a job. If the pool is closed before it runs, the job is dropped.
    pub(crate) fn submit(&self, job: impl FnOnce() + Send + 'static) {
        let mut jobs = self.shared.jobs();
        if jobs.closed {
            // Dropping a job notifies its waiter, which may take the lock.
            drop(jobs);
            return discard(job);
        }
        jobs.waiting.push_back(Box::new(job));
        if jobs.idle > 0 && jobs.quick() < self.shared.kind.quick {
            self.shared.work.notify_one();
        } else if jobs.watcher_sleeps {
            self.shared.watcher.notify_one();
        }
    }

    /// Drops what waits. Running jobs end by themselves.
    pub(crate) fn close(&self) {
        let mut jobs = self.shared.jobs();
        jobs.closed = true;
        let dropped = std::mem::take(&mut jobs.waiting);
        drop(jobs);
        self.shared.work.notify_all();
        self.shared.watcher.notify_all();
        dropped.into_iter().for_each(discard);
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.close();
    }
}

impl Jobs {
    /// Returns how many workers are not in a long job.
    fn quick(&self) -> usize {
        self.running.iter().filter(|it| !it.is_long).count()
    }

    fn mark_long(&mut self) {
        for running in &mut self.running {
            running.is_long |= running.since.elapsed() >= LONG;
        }
    }

    fn take(&mut self, worker: u64, quick: usize) -> Option<Job> {
        if self.quick() >= quick {
            return None;
        }
        let job = self.waiting.pop_front()?;
        self.running.push(Running { worker, since: Instant::now(), is_long: false });
        Some(job)
    }

    fn finished(&mut self, worker: u64) {
        self.running.retain(|it| it.worker != worker);
    }
}

impl Shared {
    fn start_worker(self: &Arc<Self>, jobs: &mut Jobs) -> std::io::Result<()> {
        let (shared, number) = (self.clone(), jobs.next_worker);
        (self.spawn)(self.kind.name, Box::new(move || shared.work(number)))?;
        jobs.next_worker += 1;
        jobs.workers += 1;
        jobs.starting += 1;
        Ok(())
    }

    /// Runs jobs until the pool is closed, or there was none for a while. The first worker stays.
    fn work(&self, number: u64) {
        let mut jobs = self.jobs();
        jobs.starting -= 1;
        while !jobs.closed {
            if let Some(job) = jobs.take(number, self.kind.quick) {
                // A job may have been queued while this worker counted as idle.
                if !jobs.waiting.is_empty() && jobs.watcher_sleeps {
                    self.watcher.notify_one();
                }
                drop(jobs);
                // A job guards the user's code; a panic here would be a defect, and drops the job.
                let _ = guarded(job);
                jobs = self.jobs();
                jobs.finished(number);
                continue;
            }
            jobs.idle += 1;
            let (woken, waited) =
                self.work.wait_timeout(jobs, IDLE).unwrap_or_else(PoisonError::into_inner);
            jobs = woken;
            jobs.idle -= 1;
            if waited.timed_out() && number != 0 && jobs.waiting.is_empty() {
                break;
            }
        }
        jobs.workers -= 1;
    }

    /// Provides workers while jobs wait that no quick worker takes.
    fn oversee(self: Arc<Self>) {
        let mut jobs = self.jobs();
        let mut warned = false;
        while !jobs.closed {
            if jobs.waiting.is_empty() {
                jobs.watcher_sleeps = true;
                jobs = self.watcher.wait(jobs).unwrap_or_else(PoisonError::into_inner);
                jobs.watcher_sleeps = false;
                continue;
            }
            jobs.mark_long();
            let wait = match self.relieve(&mut jobs) {
                Ok(()) => LONG,
                Err(error) => {
                    if !std::mem::replace(&mut warned, true) {
                        self.warn(&error);
                    }
                    REFUSED
                }
            };
            jobs = self.watcher.wait_timeout(jobs, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Wakes or starts workers for what waits, as many as may work at once.
    fn relieve(self: &Arc<Self>, jobs: &mut Jobs) -> std::io::Result<()> {
        let allowed = self.kind.quick.saturating_sub(jobs.quick());
        let wanted = jobs.waiting.len().min(allowed);
        for _ in 0..wanted.min(jobs.idle) {
            self.work.notify_one();
        }
        let missing = wanted.saturating_sub(jobs.idle + jobs.starting);
        for _ in 0..missing.min(self.kind.limit.saturating_sub(jobs.workers)) {
            self.start_worker(jobs)?;
        }
        Ok(())
    }

    fn warn(&self, error: &std::io::Error) {
        // A tracing layer may panic; the watcher must not.
        let _ = guarded(|| {
            tracing::warn!(
                target: "actuarius::threads",
                %error,
                threads = self.kind.name,
                "the system refuses a thread; what waits for it is delayed until the system grants one"
            );
        });
    }

    fn jobs(&self) -> MutexGuard<'_, Jobs> {
        // No user code runs under the lock, so a panic cannot leave the queue half changed.
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn spawn_thread(name: &str, run: Box<dyn FnOnce() + Send>) -> std::io::Result<()> {
    std::thread::Builder::new().name(name.to_owned()).spawn(run).map(drop)
}

#[cfg(test)]
mod tests;
