//! [`RecoveryPool`]: recovers aggregates on blocking threads, a bounded number at a time.
//!
//! One thread for each recovery would spend more time on waking threads than on reading, because most
//! recoveries take microseconds. So a few threads work on one queue. A thread whose recovery turns out to
//! be long starts a replacement, so that the short recoveries in the queue do not wait.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::base::panics::guarded;

/// How many threads work on short recoveries. More would only compete for the same cores.
const QUICK_THREADS: usize = 2;

/// The time from which on a recovery counts as long.
const LONG: Duration = Duration::from_millis(2);

/// The threads and their queue.
pub(crate) struct RecoveryPool {
    tokio: Handle,
    limit: usize,
    jobs: Mutex<Jobs>,
}

#[derive(Default)]
struct Jobs {
    /// Bounded by admission: an aggregate waits here once, and only with a request waiting for it.
    waiting: VecDeque<Job>,
    /// Running threads that are not in a long recovery.
    quick: usize,
    /// All running threads.
    threads: usize,
    closed: bool,
}

/// One recovery. It calls [`Stopwatch::check`] between pages.
type Job = Box<dyn FnOnce(&mut Stopwatch<'_>) + Send>;

/// Measures a recovery, and starts a replacement thread once it is long.
pub(crate) struct Stopwatch<'a> {
    pool: &'a Arc<RecoveryPool>,
    since: Instant,
    replaced: bool,
}

impl RecoveryPool {
    /// Creates a pool that runs at most `limit` recoveries at once.
    pub(crate) fn new(tokio: Handle, limit: usize) -> Arc<Self> {
        Arc::new(Self { tokio, limit, jobs: Mutex::default() })
    }

    /// Queues a recovery. If the runtime closes before it runs, the job is dropped.
    pub(crate) fn submit(self: &Arc<Self>, job: impl FnOnce(&mut Stopwatch<'_>) + Send + 'static) {
        let mut jobs = self.jobs();
        if !jobs.closed {
            jobs.waiting.push_back(Box::new(job));
            self.start_thread(&mut jobs);
        }
    }

    pub(crate) fn close(&self) {
        let mut jobs = self.jobs();
        jobs.closed = true;
        let dropped = std::mem::take(&mut jobs.waiting);
        // Dropping a job notifies its waiter, which may take the lock.
        drop(jobs);
        drop(dropped);
    }

    /// Starts one more thread if jobs wait and the limits allow it.
    fn start_thread(self: &Arc<Self>, jobs: &mut Jobs) {
        if !jobs.waiting.is_empty() && jobs.quick < QUICK_THREADS && jobs.threads < self.limit {
            jobs.quick += 1;
            jobs.threads += 1;
            let pool = self.clone();
            self.tokio.spawn_blocking(move || pool.work());
        }
    }

    /// Runs jobs until the queue is empty or a replacement thread has taken over.
    fn work(self: &Arc<Self>) {
        loop {
            let Some(job) = self.next() else { return };
            let mut stopwatch = Stopwatch { pool: self, since: Instant::now(), replaced: false };
            // A panic drops the job, which notifies its waiter.
            let _ = guarded(|| job(&mut stopwatch));
            if stopwatch.replaced {
                let mut jobs = self.jobs();
                jobs.threads -= 1;
                // A job may have waited because of the limit on threads.
                self.start_thread(&mut jobs);
                return;
            }
        }
    }

    fn next(&self) -> Option<Job> {
        let mut jobs = self.jobs();
        let job = jobs.waiting.pop_front();
        if job.is_none() {
            jobs.quick -= 1;
            jobs.threads -= 1;
        }
        job
    }

    fn jobs(&self) -> MutexGuard<'_, Jobs> {
        // Only counters and the queue change under the lock, each in one step.
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stopwatch<'_> {
    /// Starts a replacement thread if the recovery has become long.
    pub(crate) fn check(&mut self) {
        if !self.replaced && self.since.elapsed() >= LONG {
            self.replaced = true;
            let mut jobs = self.pool.jobs();
            jobs.quick -= 1;
            self.pool.start_thread(&mut jobs);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn become_long(stopwatch: &mut Stopwatch<'_>) {
        stopwatch.since = Instant::now().checked_sub(LONG).unwrap_or(stopwatch.since);
        stopwatch.check();
    }

    #[tokio::test]
    async fn short_recoveries_overtake_long_ones() {
        let pool = RecoveryPool::new(Handle::current(), QUICK_THREADS + 1);
        let (finish, finished) = (mpsc::channel::<()>(), mpsc::channel());
        let wait = Arc::new(Mutex::new(finish.1));
        for _ in 0..QUICK_THREADS {
            let wait = wait.clone();
            pool.submit(move |stopwatch| {
                become_long(stopwatch);
                let _ = wait.lock().map(|wait| wait.recv());
            });
        }
        let done = finished.0.clone();
        pool.submit(move |_| done.send("short").expect("the test waits"));
        let first = tokio::task::spawn_blocking(move || finished.1.recv()).await;
        assert_eq!(first.expect("no panic"), Ok("short"));
        drop(finish.0);
    }

    /// With a limit of one thread, no replacement could start for the long recovery, and the jobs queued
    /// after it once waited until a later recovery was submitted.
    #[tokio::test]
    async fn a_job_queued_after_a_long_recovery_runs_next() {
        let pool = RecoveryPool::new(Handle::current(), 1);
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let (finish, finished) = mpsc::channel::<()>();
        pool.submit(move |stopwatch| {
            become_long(stopwatch);
            let _ = finished.recv();
        });
        pool.submit(move |_| sender.send(()).expect("the test waits"));
        drop(finish);
        assert!(receiver.await.is_ok());
    }

    #[tokio::test]
    async fn a_panicking_recovery_does_not_affect_the_next() {
        let pool = RecoveryPool::new(Handle::current(), 1);
        pool.submit(|_| std::panic::resume_unwind(Box::new("a defect")));
        let (sender, receiver) = tokio::sync::oneshot::channel();
        pool.submit(move |_| sender.send(()).expect("the test waits"));
        assert!(receiver.await.is_ok());
    }

    #[tokio::test]
    async fn a_closed_pool_drops_waiting_jobs() {
        let pool = RecoveryPool::new(Handle::current(), 1);
        pool.close();
        let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
        pool.submit(move |_| drop(sender));
        assert!(receiver.await.is_err());
    }
}
