//! `FollowerShared`: the status and position of a follower, and the requests to it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actuarius_domain::Position;
use tokio::sync::watch;

use super::super::building::Building;
use super::super::progress::Progress;
use super::{FollowerHealth, FollowerKind, FollowerStatus, WaitError};
use crate::base::deadline::Deadline;
use crate::base::panics::guarded;
use crate::base::telemetry::FollowerMeters;
use crate::base::timer::Timer;
use crate::commit::tail::Tail;

/// From how many events on a follower counts as lagging: about a second of work, which only one has that is slower than
/// the commands, or has just started.
const LAGGING_FROM: u64 = 100_000;

/// What a follower is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DesiredState {
    Run,
    Pause,
    Stop,
}

/// What a follower shares with its handles: its status, its position and the requests to it.
pub(crate) struct FollowerShared {
    pub(crate) name: Arc<str>,
    pub(crate) kind: FollowerKind,
    /// The position it has finished, and the waits for it.
    pub(crate) progress: Progress,
    pub(crate) meters: FollowerMeters,
    /// The progress of a view that it builds to replace the one that is read.
    pub(crate) building: Building,
    /// The aggregate types whose events it receives, once they are known.
    pub(super) types: OnceLock<Vec<Box<str>>>,
    tail: Arc<Tail>,
    timer: Timer,
    status: watch::Sender<FollowerStatus>,
    parked_keys: AtomicU64,
    parked_events: AtomicU64,
    /// How many instances of a saga wait for an operator.
    in_trouble: AtomicU64,
    /// Whether it was reported as lagging.
    lags: AtomicBool,
    /// What it stores holds no clear text of the first so many subjects that were forgotten.
    erased: watch::Sender<u64>,
    /// Counts the requests, so that a second `resume` is noticed, too.
    wanted: watch::Sender<(DesiredState, u64)>,
}

impl FollowerShared {
    pub(super) fn new(name: Arc<str>, kind: FollowerKind, tail: Arc<Tail>, timer: Timer) -> Self {
        Self {
            meters: FollowerMeters::of(&name),
            building: Building::default(),
            types: OnceLock::new(),
            name,
            kind,
            progress: Progress::at(Position::NONE),
            tail,
            timer,
            status: watch::Sender::new(FollowerStatus::CatchingUp),
            parked_keys: AtomicU64::new(0),
            parked_events: AtomicU64::new(0),
            in_trouble: AtomicU64::new(0),
            lags: AtomicBool::new(false),
            // A follower without a view has nothing to erase.
            erased: watch::Sender::new(u64::MAX),
            wanted: watch::Sender::new((DesiredState::Run, 0)),
        }
    }

    pub(crate) fn health(&self) -> FollowerHealth {
        let lag = self.lag();
        FollowerHealth {
            name: self.name.clone(),
            kind: self.kind,
            status: self.status(),
            position: self.progress.position(),
            lag,
            is_lagging: self.is_large(lag),
            parked_keys: self.parked_keys.load(Ordering::Relaxed),
            parked_events: self.parked_events.load(Ordering::Relaxed),
            in_trouble: self.in_trouble.load(Ordering::Relaxed),
        }
    }

    /// Returns the distance from its position to the end of the log, in events.
    pub(crate) fn lag(&self) -> u64 {
        self.tail.head().get().saturating_sub(self.progress.position().get())
    }

    pub(super) fn report_lag(&self) {
        // Borrowed during the report, so that nothing is reported after the stop.
        let status = self.status.borrow();
        if *status != FollowerStatus::Stopped {
            let lag = self.lag();
            self.meters.lag(lag);
            // What receives a log line may ask for the status.
            drop(status);
            self.report_lagging(lag);
        }
    }

    /// Returns whether this lag is large. It is until it has become half as large, so that a lag near the limit is not
    /// reported again and again.
    fn is_large(&self, lag: u64) -> bool {
        let lags = self.lags.load(Ordering::Relaxed);
        lag >= if lags { LAGGING_FROM / 2 } else { LAGGING_FROM }
    }

    /// Logs a lag that has become large, and its end.
    fn report_lagging(&self, lag: u64) {
        let lags = self.lags.load(Ordering::Relaxed);
        if lags == self.is_large(lag) {
            return;
        }
        self.lags.store(!lags, Ordering::Relaxed);
        // What receives the line is code of the user's.
        let _ = guarded(|| match lags {
            false => tracing::warn!(target: "actuarius::follower", name = %self.name, lag, "lags"),
            true => {
                tracing::info!(target: "actuarius::follower", name = %self.name, lag, "no longer lags");
            }
        });
    }

    pub(crate) fn is_live(&self) -> bool {
        *self.status.borrow() == FollowerStatus::Live
    }

    pub(crate) fn status(&self) -> FollowerStatus {
        self.status.borrow().clone()
    }

    /// Reports how many keys have parked events, and how many events are parked.
    pub(crate) fn parked(&self, (keys, events): (u64, u64)) {
        self.parked_keys.store(keys, Ordering::Relaxed);
        self.parked_events.store(events, Ordering::Relaxed);
        self.meters.parked(events);
    }

    /// Reports how many instances of a saga wait for an operator.
    #[cfg(feature = "sagas")]
    pub(crate) fn in_trouble(&self, instances: u64) {
        self.in_trouble.store(instances, Ordering::Relaxed);
    }

    /// Returns whether it takes events, or is about to, and none has failed.
    pub(crate) fn is_advancing(&self) -> bool {
        let is_held_up = matches!(
            *self.status.borrow(),
            FollowerStatus::Retrying { .. }
                | FollowerStatus::Halted { .. }
                | FollowerStatus::Stopped
        );
        !is_held_up && self.wanted.borrow().0 == DesiredState::Run
    }

    /// Reports that what it stores holds no clear text of the first `forgotten` subjects that were forgotten.
    pub(crate) fn erased(&self, forgotten: u64) {
        self.erased.send_replace(forgotten);
    }

    /// Returns whether that was reported, or it has stopped, so that what it has stored can be checked.
    pub(crate) fn has_erased(&self, forgotten: u64) -> bool {
        *self.erased.borrow() >= forgotten || self.has_stopped()
    }

    pub(crate) fn has_stopped(&self) -> bool {
        *self.status.borrow() == FollowerStatus::Stopped
    }

    /// Sets the status. A pause does not hide a halt: an operator has to fix the cause all the same.
    pub(crate) fn now(&self, status: FollowerStatus) {
        self.change(|before| match (before, &status) {
            (FollowerStatus::Halted { .. }, FollowerStatus::Paused) => before.clone(),
            _ => status,
        });
    }

    /// Reports a failed attempt at the event at `position`: it is tried again after `wait`, or halts.
    pub(crate) fn failed(
        &self,
        position: Position,
        attempts: u32,
        why: String,
        wait: Option<Duration>,
    ) {
        self.now(match wait {
            Some(_) => FollowerStatus::Retrying { position, attempts, why },
            None => FollowerStatus::Halted { position, why },
        });
    }

    /// Reports that it runs and has finished everything up to `position`, which may be an earlier one.
    pub(crate) fn reached(&self, position: Position) {
        let went_back = position < self.progress.position();
        self.progress.reached(position);
        let lag = self.lag();
        self.meters.lag(lag);
        self.change(|before| {
            let is_live = lag == 0 || (*before == FollowerStatus::Live && !went_back);
            if is_live { FollowerStatus::Live } else { FollowerStatus::CatchingUp }
        });
    }

    /// Requests a state. The follower is notified immediately.
    pub(crate) fn want(&self, wanted: DesiredState) {
        if wanted == DesiredState::Run {
            // First, so that a later wait does not see the halt before, and the next halt is not overwritten.
            self.change(|before| match before {
                FollowerStatus::Halted { .. } => FollowerStatus::CatchingUp,
                other => other.clone(),
            });
        }
        self.wanted.send_modify(|before| {
            // A stop is final.
            if before.0 != DesiredState::Stop {
                *before = (wanted, before.1 + 1);
            }
        });
    }

    fn change(&self, next: impl FnOnce(&FollowerStatus) -> FollowerStatus) {
        let mut changed = None;
        self.status.send_if_modified(|status| {
            // A stop is final: the next follower of the name has its own status and figures.
            if *status == FollowerStatus::Stopped {
                return false;
            }
            let next = next(status);
            if next == *status {
                return false;
            }
            status.clone_from(&next);
            changed = Some(next);
            true
        });
        if let Some(status) = changed {
            self.report(&status);
        }
    }

    fn report(&self, status: &FollowerStatus) {
        self.meters.halted(matches!(status, FollowerStatus::Halted { .. }));
        if *status == FollowerStatus::Stopped {
            // A stopped follower has no lag.
            self.meters.lag(0);
        }
        if let FollowerStatus::Halted { position, why } = status {
            // What receives the line is code of the user's, and a follower reports while it ends.
            let _ = guarded(|| {
                tracing::error!(
                    target: "actuarius::follower", name = %self.name, %position, why, "halted"
                );
            });
        }
    }

    /// Returns a receiver of the requested state.
    pub(crate) fn wanted(&self) -> watch::Receiver<(DesiredState, u64)> {
        self.wanted.subscribe()
    }

    /// Waits until the status is one of those wanted. May be dropped at any time.
    pub(crate) async fn until(
        &self,
        wanted: impl FnMut(&FollowerStatus) -> bool,
    ) -> FollowerStatus {
        let mut statuses = self.status.subscribe();
        // `self` holds the sender.
        statuses.wait_for(wanted).await.map_or(FollowerStatus::Stopped, |status| status.clone())
    }

    /// Waits until everything up to `position` is finished, or until the follower halts at or before it
    /// or stops. A halt at a later event does not end the wait.
    pub(crate) async fn wait_for(&self, position: Position) -> Result<(), WaitError> {
        let ends_the_wait = |status: &FollowerStatus| match status {
            FollowerStatus::Halted { position: at, .. } => *at <= position,
            other => *other == FollowerStatus::Stopped,
        };
        tokio::select! {
            biased;
            () = self.progress.wait_for(position) => Ok(()),
            status = self.until(ends_the_wait) => Err(self.ended(status)),
        }
    }

    /// Waits like [`wait_for`](Self::wait_for), but not longer than `time`.
    pub(crate) async fn wait_for_within(
        &self,
        position: Position,
        time: Duration,
    ) -> Result<(), WaitError> {
        let until = Deadline::within(time).at();
        let waited = self.timer.until(until, self.wait_for(position)).await;
        waited.unwrap_or_else(|| {
            let (name, reached) = (self.name.to_string(), self.progress.position());
            Err(WaitError::TimedOut { name, wanted: position, reached })
        })
    }

    /// Waits until it takes no events, or is no longer asked to pause.
    pub(crate) async fn until_paused(&self) {
        let is_at_rest = |status: &FollowerStatus| {
            matches!(
                status,
                FollowerStatus::Paused | FollowerStatus::Halted { .. } | FollowerStatus::Stopped
            )
        };
        let mut wanted = self.wanted();
        tokio::select! {
            _ = self.until(is_at_rest) => {}
            _ = wanted.wait_for(|(wanted, _)| *wanted != DesiredState::Pause) => {}
        }
    }

    pub(super) fn ended(&self, status: FollowerStatus) -> WaitError {
        let name = self.name.to_string();
        match status {
            FollowerStatus::Halted { position, why } => {
                WaitError::Halted { name, at: position, why }
            }
            _ => WaitError::Stopped { name },
        }
    }
}

#[cfg(test)]
mod tests;
