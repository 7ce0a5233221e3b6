//! Tests of the pools: long jobs, refused threads, panics, closing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;

/// Long enough that only a job that never runs fails the test.
const NEVER: Duration = Duration::from_secs(60);

/// The same as the pool of recoveries.
fn pool(limit: usize) -> Pool {
    let kind = Kind { name: "test", quick: QUICK_RECOVERIES, limit };
    Pool::start_with(kind, Box::new(spawn_thread)).unwrap()
}

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
    let pool = pool(QUICK_RECOVERIES + 1);
    let (ends, jobs): (Vec<_>, Vec<_>) = (0..QUICK_RECOVERIES).map(|_| endless()).unzip();
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
    let kind = Kind { name: "test", quick: QUICK_RECOVERIES, limit: 8 };
    let pool = Pool::start_with(kind, Box::new(spawn)).unwrap();
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
    let pool = pool(1);
    let (end, slow) = endless();
    pool.submit(slow);
    let (job, is_done) = report();
    pool.submit(job);
    drop(end);
    assert_eq!(is_done.recv_timeout(NEVER), Ok(()));
}

#[test]
fn a_panicking_recovery_does_not_affect_the_next() {
    let pool = pool(1);
    pool.submit(|| std::panic::resume_unwind(Box::new("a defect")));
    let (job, is_done) = report();
    pool.submit(job);
    assert_eq!(is_done.recv_timeout(NEVER), Ok(()));
}

#[test]
fn a_closed_pool_drops_waiting_jobs() {
    let pool = pool(1);
    pool.close();
    let (job, is_done) = report();
    pool.submit(job);
    assert!(is_done.recv().is_err());
}

/// Views wait for each other's events, and databases for anything. One that waits must not hold up the others.
#[tokio::test]
async fn work_that_waits_for_other_work_does_not_hold_it_up() {
    const TOGETHER: usize = 100;
    let pool = Pool::for_work(&HomeRuntime::current().unwrap()).unwrap();
    let all = Arc::new(std::sync::Barrier::new(TOGETHER));
    let meets: Vec<_> = (0..TOGETHER)
        .map(|_| {
            let all = all.clone();
            pool.run(move || all.wait().is_leader())
        })
        .collect();
    let mut leaders = 0;
    for meeting in meets {
        leaders += usize::from(meeting.await.unwrap());
    }
    assert_eq!(leaders, 1);
}

/// Callers with a timeout ask again and again while a disk does not answer. What they no longer wait for must not
/// be read once it does.
#[tokio::test]
async fn a_read_that_nobody_waits_for_is_skipped_and_other_work_is_not() {
    let pool = pool(1);
    let (end, slow) = endless();
    pool.submit(slow);
    let (read, was_read) = report();
    drop(pool.run_if_awaited(read));
    let (work, was_done) = report();
    drop(pool.run(work));
    let last = pool.run_if_awaited(|| "last");
    drop(end);
    assert_eq!(last.await, Ok("last"));
    assert!(was_read.try_recv().is_err());
    assert_eq!(was_done.try_recv(), Ok(()));
}

#[tokio::test]
async fn a_job_that_panics_or_never_runs_is_reported() {
    let pool = pool(1);
    let panicked = pool.run(|| std::panic::resume_unwind(Box::new("no such view")));
    let panicked: Result<(), _> = panicked.await;
    assert_eq!(panicked, Err(NotDone::Panicked("no such view".to_owned())));
    pool.close();
    assert_eq!(pool.run(|| ()).await, Err(NotDone::Closed));
}
