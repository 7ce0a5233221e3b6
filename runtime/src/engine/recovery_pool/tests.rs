//! Tests of the recovery pool: slow recoveries, refused threads, panics, closing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;

/// Long enough that only a job that never runs fails the test.
const NEVER: Duration = Duration::from_secs(60);

/// A job that lasts until the sender is dropped.
fn endless() -> (Sender<()>, impl FnOnce() + Send) {
    let (end, ended) = channel::<()>();
    (end, move || ended.recv().unwrap_or_default())
}

fn report() -> (impl FnOnce() + Send, Receiver<()>) {
    let (done, is_done) = channel();
    (move || done.send(()).unwrap_or_default(), is_done)
}

/// Two recoveries that waited for their first page once held both quick threads, and no aggregate of any
/// type was recovered until they ended.
#[test]
fn slow_recoveries_do_not_delay_others() {
    let pool = RecoveryPool::start(QUICK_THREADS + 1).unwrap();
    let (ends, jobs): (Vec<_>, Vec<_>) = (0..QUICK_THREADS).map(|_| endless()).unzip();
    jobs.into_iter().for_each(|job| pool.submit(job));
    let (job, is_done) = report();
    pool.submit(job);
    assert_eq!(is_done.recv_timeout(NEVER), Ok(()));
    drop(ends);
}

/// A thread that the system refused once counted as running, and after two of them nothing was recovered any
/// more, also when there were threads again.
#[test]
fn recoveries_continue_while_the_system_refuses_threads_and_after() {
    let refuses = Arc::new(AtomicBool::new(false));
    let spawning = refuses.clone();
    let spawn =
        move |name: &str, run: Box<dyn FnOnce() + Send>| match spawning.load(Ordering::SeqCst) {
            true => Err(std::io::Error::from(std::io::ErrorKind::WouldBlock)),
            false => spawn_thread(name, run),
        };
    let pool = RecoveryPool::start_with(8, Box::new(spawn)).unwrap();
    refuses.store(true, Ordering::SeqCst);
    let (job, is_done) = report();
    pool.submit(job);
    assert_eq!(is_done.recv_timeout(NEVER), Ok(()), "the first worker is there");
    let (end, slow) = endless();
    pool.submit(slow);
    let (job, is_done) = report();
    pool.submit(job);
    refuses.store(false, Ordering::SeqCst);
    assert_eq!(is_done.recv_timeout(NEVER), Ok(()), "the watcher asks again");
    drop(end);
}

#[test]
fn a_job_queued_after_a_long_recovery_runs_next_if_no_further_thread_is_allowed() {
    let pool = RecoveryPool::start(1).unwrap();
    let (end, slow) = endless();
    pool.submit(slow);
    let (job, is_done) = report();
    pool.submit(job);
    drop(end);
    assert_eq!(is_done.recv_timeout(NEVER), Ok(()));
}

#[test]
fn a_panicking_recovery_does_not_affect_the_next() {
    let pool = RecoveryPool::start(1).unwrap();
    pool.submit(|| std::panic::resume_unwind(Box::new("a defect")));
    let (job, is_done) = report();
    pool.submit(job);
    assert_eq!(is_done.recv_timeout(NEVER), Ok(()));
}

#[test]
fn a_closed_pool_drops_waiting_jobs() {
    let pool = RecoveryPool::start(1).unwrap();
    pool.close();
    let (job, is_done) = report();
    pool.submit(job);
    assert!(is_done.recv().is_err());
}
