//! [`RecoveryPool`]: recovers aggregates on threads of its own, a bounded number at a time.
//!
//! One thread for each recovery would spend more time on waking threads than on reading, because most
//! recoveries take microseconds. So two threads work on one queue. A watcher thread observes them while jobs wait:
//! when a recovery turns out to be long, it puts another thread in its place, so that the short recoveries in
//! the queue do not wait.
//!
//! The first worker and the watcher are started with the pool, so recoveries continue while the system refuses
//! further threads. No recovery depends on tokio's blocking threads, which callers may have taken up.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::base::panics::guarded;

/// How many threads work on short recoveries. More would only compete for the same cores.
const QUICK_THREADS: usize = 2;

/// The time from which on a recovery counts as long, and how often the watcher looks.
const LONG: Duration = Duration::from_millis(2);

/// How long the watcher waits before it asks again for a thread that the system refused.
const REFUSED: Duration = Duration::from_millis(20);

/// How long a thread without work is kept.
const IDLE: Duration = Duration::from_secs(10);

/// The threads and their queue.
pub(crate) struct RecoveryPool {
    shared: Arc<Shared>,
}

struct Shared {
    limit: usize,
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
    /// Bounded by admission: an aggregate waits here once, and only with a request waiting for it.
    waiting: VecDeque<Job>,
    /// All workers.
    workers: usize,
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

impl RecoveryPool {
    /// Starts a pool that runs at most `limit` recoveries at once.
    ///
    /// # Errors
    /// The system refuses the first threads.
    pub(crate) fn start(limit: usize) -> std::io::Result<Self> {
        Self::start_with(limit, Box::new(spawn_thread))
    }

    fn start_with(limit: usize, spawn: Box<Spawn>) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            limit,
            jobs: Mutex::default(),
            work: Condvar::new(),
            watcher: Condvar::new(),
            spawn,
        });
        let pool = Self { shared: shared.clone() };
        shared.start_worker(&mut shared.jobs())?;
        let watcher = shared.clone();
        (shared.spawn)("actuarius-recovery-watcher", Box::new(move || watcher.oversee()))?;
        Ok(pool)
    }

    /// Queues a recovery. If the pool is closed before it runs, the job is dropped.
    pub(crate) fn submit(&self, job: impl FnOnce() + Send + 'static) {
        let mut jobs = self.shared.jobs();
        if jobs.closed {
            // Dropping a job notifies its waiter, which may take the lock.
            drop(jobs);
            return drop(job);
        }
        jobs.waiting.push_back(Box::new(job));
        if jobs.idle > 0 && jobs.quick() < QUICK_THREADS {
            self.shared.work.notify_one();
        } else if jobs.watcher_sleeps {
            self.shared.watcher.notify_one();
        }
    }

    /// Drops what waits. Running recoveries end by themselves.
    pub(crate) fn close(&self) {
        let mut jobs = self.shared.jobs();
        jobs.closed = true;
        let dropped = std::mem::take(&mut jobs.waiting);
        drop(jobs);
        self.shared.work.notify_all();
        self.shared.watcher.notify_all();
        drop(dropped);
    }
}

impl Drop for RecoveryPool {
    fn drop(&mut self) {
        self.close();
    }
}

impl Jobs {
    /// Returns how many workers are not in a long recovery.
    fn quick(&self) -> usize {
        self.running.iter().filter(|it| !it.is_long).count()
    }

    fn mark_long(&mut self) {
        for running in &mut self.running {
            running.is_long |= running.since.elapsed() >= LONG;
        }
    }

    fn take(&mut self, worker: u64) -> Option<Job> {
        if self.quick() >= QUICK_THREADS {
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
        (self.spawn)("actuarius-recovery", Box::new(move || shared.work(number)))?;
        jobs.next_worker += 1;
        jobs.workers += 1;
        Ok(())
    }

    /// Runs jobs until the pool is closed, or there was none for a while. The first worker stays.
    fn work(&self, number: u64) {
        let mut jobs = self.jobs();
        while !jobs.closed {
            if let Some(job) = jobs.take(number) {
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
                        warn(&error);
                    }
                    REFUSED
                }
            };
            jobs = self.watcher.wait_timeout(jobs, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Wakes or starts a worker if one more quick one is allowed.
    fn relieve(self: &Arc<Self>, jobs: &mut Jobs) -> std::io::Result<()> {
        if jobs.quick() >= QUICK_THREADS {
            return Ok(());
        }
        if jobs.idle > 0 {
            self.work.notify_one();
            Ok(())
        } else if jobs.workers < self.limit {
            self.start_worker(jobs)
        } else {
            Ok(())
        }
    }

    fn jobs(&self) -> MutexGuard<'_, Jobs> {
        // No user code runs under the lock, so a panic cannot leave the queue half changed.
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn spawn_thread(name: &str, run: Box<dyn FnOnce() + Send>) -> std::io::Result<()> {
    std::thread::Builder::new().name(name.to_owned()).spawn(run).map(drop)
}

fn warn(error: &std::io::Error) {
    // A tracing layer may panic; the watcher must not.
    let _ = guarded(|| {
        tracing::warn!(
            target: "actuarius::recovery",
            %error,
            "the system refuses a thread; aggregates are recovered more slowly until it grants one"
        );
    });
}

#[cfg(test)]
mod tests;
