//! The crew that recovers aggregates, on blocking threads, a bounded number at a time.
//!
//! A thread of its own for each recovery would spend more time waking threads than reading: most
//! recoveries take microseconds. So a few threads work a queue off; one that finds itself in a long
//! recovery calls a relief, so that the short ones behind it do not wait.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::base::panics::guarded;

/// How many threads work on short recoveries. More would only take turns on the same cores.
const QUICK_THREADS: usize = 2;

/// From when on a recovery counts as long.
const LONG: Duration = Duration::from_millis(2);

pub(crate) struct RecoveryPool {
    tokio: Handle,
    limit: usize,
    jobs: Mutex<Jobs>,
}

#[derive(Default)]
struct Jobs {
    /// Bounded by admission: an aggregate waits here once, and only with a request behind it.
    waiting: VecDeque<Job>,
    /// Threads at work that are in no long recovery.
    quick: usize,
    /// All threads at work.
    threads: usize,
    closed: bool,
}

/// One recovery. It is handed the watch, and looks at it now and then.
type Job = Box<dyn FnOnce(&mut Watch<'_>) + Send>;

/// Tells a recovery's thread when to call a relief.
pub(crate) struct Watch<'a> {
    recovery_pool: &'a Arc<RecoveryPool>,
    since: Instant,
    relieved: bool,
}

impl RecoveryPool {
    /// At most `limit` recoveries at once.
    pub(crate) fn new(tokio: Handle, limit: usize) -> Arc<Self> {
        Arc::new(Self { tokio, limit, jobs: Mutex::default() })
    }

    /// Has a recovery done. When the runtime closes, it is dropped undone.
    pub(crate) fn take_on(self: &Arc<Self>, job: impl FnOnce(&mut Watch<'_>) + Send + 'static) {
        let mut jobs = self.jobs();
        if !jobs.closed {
            jobs.waiting.push_back(Box::new(job));
            self.start_thread(&mut jobs);
        }
    }

    pub(crate) fn close(&self) {
        let mut jobs = self.jobs();
        jobs.closed = true;
        let undone = std::mem::take(&mut jobs.waiting);
        // Dropping a job tells who waits for it, which may take the lock.
        drop(jobs);
        drop(undone);
    }

    /// Sets one more thread to work if there is need and room.
    fn start_thread(self: &Arc<Self>, jobs: &mut Jobs) {
        if !jobs.waiting.is_empty() && jobs.quick < QUICK_THREADS && jobs.threads < self.limit {
            jobs.quick += 1;
            jobs.threads += 1;
            let recovery_pool = self.clone();
            self.tokio.spawn_blocking(move || recovery_pool.work());
        }
    }

    /// Works the queue off, until it is empty or a relief has taken over.
    fn work(self: &Arc<Self>) {
        loop {
            let Some(job) = self.next() else { return };
            let mut watch = Watch { recovery_pool: self, since: Instant::now(), relieved: false };
            // Whoever waits for a recovery that panicked hears of it: the job is dropped.
            let _ = guarded(|| job(&mut watch));
            if watch.relieved {
                let mut jobs = self.jobs();
                jobs.threads -= 1;
                // What waited for room among the threads has it now.
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

impl Watch<'_> {
    /// Called between pages: calls a relief once the recovery has become a long one.
    pub(crate) fn look(&mut self) {
        if !self.relieved && self.since.elapsed() >= LONG {
            self.relieved = true;
            let mut jobs = self.recovery_pool.jobs();
            jobs.quick -= 1;
            self.recovery_pool.start_thread(&mut jobs);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn watch_long_enough(watch: &mut Watch<'_>) {
        watch.since = Instant::now().checked_sub(LONG).unwrap_or(watch.since);
        watch.look();
    }

    #[tokio::test]
    async fn short_recoveries_pass_long_ones_by() {
        let recovery_pool = RecoveryPool::new(Handle::current(), QUICK_THREADS + 1);
        let (finish, finished) = (mpsc::channel::<()>(), mpsc::channel());
        let wait = Arc::new(Mutex::new(finish.1));
        for _ in 0..QUICK_THREADS {
            let wait = wait.clone();
            recovery_pool.take_on(move |watch| {
                watch_long_enough(watch);
                let _ = wait.lock().map(|wait| wait.recv());
            });
        }
        let done = finished.0.clone();
        recovery_pool.take_on(move |_| done.send("short").expect("the test waits"));
        let first = tokio::task::spawn_blocking(move || finished.1.recv()).await;
        assert_eq!(first.expect("no panic"), Ok("short"));
        drop(finish.0);
    }

    /// With room for one thread, nobody could relieve the long recovery; what waited behind it was
    /// left waiting until some later recovery came along.
    #[tokio::test]
    async fn what_waits_behind_a_long_recovery_comes_next() {
        let recovery_pool = RecoveryPool::new(Handle::current(), 1);
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let (finish, finished) = mpsc::channel::<()>();
        recovery_pool.take_on(move |watch| {
            watch_long_enough(watch);
            let _ = finished.recv();
        });
        recovery_pool.take_on(move |_| sender.send(()).expect("the test waits"));
        drop(finish);
        assert!(receiver.await.is_ok());
    }

    #[tokio::test]
    async fn a_recovery_that_panics_takes_nobody_with_it() {
        let recovery_pool = RecoveryPool::new(Handle::current(), 1);
        recovery_pool.take_on(|_| std::panic::resume_unwind(Box::new("a defect")));
        let (sender, receiver) = tokio::sync::oneshot::channel();
        recovery_pool.take_on(move |_| sender.send(()).expect("the test waits"));
        assert!(receiver.await.is_ok());
    }

    #[tokio::test]
    async fn a_closed_crew_drops_what_waits() {
        let recovery_pool = RecoveryPool::new(Handle::current(), 1);
        recovery_pool.close();
        let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
        recovery_pool.take_on(move |_| drop(sender));
        assert!(receiver.await.is_err());
    }
}
