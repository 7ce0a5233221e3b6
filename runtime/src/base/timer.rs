//! [`Timer`]: waits in real time, in any async runtime.
//!
//! Callers wait for threads of their own: the committer's and those that read. tokio's clock does not know
//! them. Paused, as in tests, it jumps to the next alarm as soon as no task is ready, while the disk is
//! written; and a caller's tokio runtime may have no timers, or there may be none.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::panics::guarded;

/// Wakes the callers whose time is over. Cheap to clone; its thread ends when the last clone and the last
/// alarm are dropped.
#[derive(Clone)]
pub(crate) struct Timer(Arc<Running>);

/// Ends the thread when it is dropped.
struct Running(Arc<Shared>);

struct Shared {
    alarms: Mutex<Alarms>,
    changed: Condvar,
}

/// There are never more alarms than callers that wait.
#[derive(Default)]
struct Alarms {
    /// By moment and ticket.
    waiting: BTreeMap<(Instant, u64), Waker>,
    tickets: u64,
    /// Until when the thread sleeps; `None` if it waits for an alarm.
    sleeps_until: Option<Instant>,
    is_over: bool,
}

impl Timer {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub(crate) fn start() -> std::io::Result<Self> {
        let shared = Arc::new(Shared { alarms: Mutex::default(), changed: Condvar::new() });
        let ringing = shared.clone();
        let thread = std::thread::Builder::new().name("actuarius-timer".to_owned());
        thread.spawn(move || ringing.run())?;
        Ok(Self(Arc::new(Running(shared))))
    }

    /// Waits until `moment`.
    pub(crate) fn at(&self, moment: Instant) -> Alarm {
        Alarm { timer: self.clone(), moment, ticket: None }
    }

    /// Waits for `time`, counted from now.
    pub(crate) fn after(&self, time: Duration) -> Alarm {
        self.at(super::deadline::after(Instant::now(), time))
    }

    /// Waits for a future until `moment`. Returns `None` if it is not ready then.
    pub(crate) async fn until<F: Future>(&self, moment: Instant, future: F) -> Option<F::Output> {
        tokio::select! {
            biased;
            output = future => Some(output),
            () = self.at(moment) => None,
        }
    }
}

/// Is ready at its moment.
pub(crate) struct Alarm {
    timer: Timer,
    moment: Instant,
    /// The entry, once it was polled.
    ticket: Option<u64>,
}

impl Future for Alarm {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if Instant::now() >= self.moment {
            return Poll::Ready(());
        }
        let shared = self.timer.0.0.clone();
        let mut alarms = shared.alarms();
        let ticket = self.ticket.unwrap_or(alarms.tickets);
        if self.ticket.replace(ticket).is_none() {
            alarms.tickets += 1;
        }
        alarms.waiting.insert((self.moment, ticket), context.waker().clone());
        if alarms.sleeps_until.is_none_or(|until| until > self.moment) {
            shared.changed.notify_one();
        }
        Poll::Pending
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            let waker = self.timer.0.0.alarms().waiting.remove(&(self.moment, ticket));
            // Dropped after the lock, because a waker may hold the last clone of the timer.
            drop(waker);
        }
    }
}

impl Shared {
    fn run(&self) {
        let mut alarms = self.alarms();
        while !alarms.is_over {
            let now = Instant::now();
            match alarms.waiting.first_entry().filter(|first| first.key().0 <= now) {
                Some(due) => {
                    let waker = due.remove();
                    drop(alarms);
                    // A waker is code of the caller's.
                    let _ = guarded(|| waker.wake());
                    alarms = self.alarms();
                }
                None => alarms = self.sleep(alarms, now),
            }
        }
    }

    /// Sleeps until the next alarm, or until there is an earlier one.
    fn sleep<'a>(
        &self,
        mut alarms: MutexGuard<'a, Alarms>,
        now: Instant,
    ) -> MutexGuard<'a, Alarms> {
        alarms.sleeps_until = alarms.waiting.keys().next().map(|(moment, _)| *moment);
        match alarms.sleeps_until {
            None => self.changed.wait(alarms).unwrap_or_else(PoisonError::into_inner),
            Some(until) => {
                let time = until.saturating_duration_since(now);
                let waited = self.changed.wait_timeout(alarms, time);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }

    fn alarms(&self) -> MutexGuard<'_, Alarms> {
        self.alarms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.alarms().is_over = true;
        self.0.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    struct Rung(mpsc::Sender<()>);

    impl std::task::Wake for Rung {
        fn wake(self: Arc<Self>) {
            let _ = self.0.send(());
        }
    }

    /// Needs no tokio runtime: a command with a timeout once panicked when another executor polled it.
    #[test]
    fn an_alarm_rings_at_its_moment_and_leaves_nothing_when_it_is_dropped() {
        let (timer, (rung, rings)) = (Timer::start().unwrap(), mpsc::channel());
        let waker = Waker::from(Arc::new(Rung(rung)));
        let poll = |alarm: &mut Alarm| Pin::new(alarm).poll(&mut Context::from_waker(&waker));
        let (mut far, mut near) = (timer.after(LONG), timer.after(Duration::from_millis(20)));
        assert_eq!(poll(&mut far), Poll::Pending);
        if poll(&mut near).is_pending() {
            // It rings although the thread sleeps until the later one.
            rings.recv_timeout(LONG).unwrap();
        }
        assert_eq!(poll(&mut near), Poll::Ready(()));
        drop(far);
        assert!(timer.0.0.alarms().waiting.is_empty() && rings.try_recv().is_err());
    }

    /// Under a paused clock, a command that was being written was once reported as indeterminate at once.
    #[tokio::test(start_paused = true)]
    async fn a_paused_clock_rings_no_alarm() {
        let (timer, (send, ready)) = (Timer::start().unwrap(), tokio::sync::oneshot::channel());
        std::thread::spawn(move || send.send("the disk is written"));
        let waiting = timer.until(Instant::now() + LONG, ready);
        let jumping = tokio::spawn(tokio::time::sleep(LONG));
        assert_eq!(waiting.await, Some(Ok("the disk is written")));
        jumping.abort();
        assert_eq!(timer.until(Instant::now(), std::future::pending::<()>()).await, None);
    }
}
