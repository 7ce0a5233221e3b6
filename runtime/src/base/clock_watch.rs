//! Notices jumps of the system's clock: it is compared with the time that has passed.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use actuarius_domain::Timestamp;

use super::telemetry;

/// How far the clock may move against the time that has passed: more than a time service corrects, less than an
/// hour set wrong.
const JUMP_MIN: Duration = Duration::from_secs(60);

/// Of the time between two readings, how much a bad clock gains or loses.
const DRIFT: u32 = 1_000;

/// How often the clock is compared, by its own time: a reading in between costs one load.
const COMPARED_EVERY: Duration = Duration::from_secs(1);

/// A jump of the system's clock: it moved otherwise than the time that passed, because it was set, or because
/// the machine was suspended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClockJump {
    /// What the clock showed after it.
    pub to: Timestamp,
    /// How far it moved forward in microseconds; negative if it was set back.
    pub micros: i64,
}

/// What is known about a clock.
struct ClockWatch {
    /// When the clock was last compared, by its own time in microseconds.
    compared: AtomicI64,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    last: Option<(Timestamp, Instant)>,
    jump: Option<ClockJump>,
}

/// The system has one clock, so all runtimes of the process share what is known about it.
static SYSTEM: ClockWatch = ClockWatch::new();

/// Takes a reading of the system's clock. If the clock jumped since the last one, it is logged and counted.
pub(super) fn system_shows(now: Timestamp) {
    if SYSTEM.is_due(now)
        && let Some(jump) = SYSTEM.compare(now, Instant::now())
    {
        report(jump);
    }
}

/// Reads the system's clock, and returns its last jump since the process first read it.
pub(crate) fn last_jump() -> Option<ClockJump> {
    system_shows(SystemTime::now().into());
    SYSTEM.seen().jump
}

fn report(ClockJump { to, micros }: ClockJump) {
    telemetry::clock_jumped();
    tracing::warn!(
        target: "actuarius::clock",
        seconds = micros / 1_000_000,
        now = %to,
        "the system's clock jumped; events from here on have times that are out of order with those before, or \
         far from them"
    );
}

impl ClockWatch {
    const fn new() -> Self {
        let seen = Mutex::new(Seen { last: None, jump: None });
        Self { compared: AtomicI64::new(i64::MIN), seen }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        // Nothing panics under the lock.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether the clock moved by a second, or backwards, since it was compared.
    fn is_due(&self, now: Timestamp) -> bool {
        let since = now.as_micros().saturating_sub(self.compared.load(Ordering::Relaxed));
        let is_due = since < 0 || since.unsigned_abs() >= COMPARED_EVERY.as_micros() as u64;
        if is_due {
            self.compared.store(now.as_micros(), Ordering::Relaxed);
        }
        is_due
    }

    /// Compares the clock with the time that passed since the last comparison.
    fn compare(&self, now: Timestamp, at: Instant) -> Option<ClockJump> {
        let mut seen = self.seen();
        let (before, since) = seen.last.replace((now, at))?;
        // Another thread may have compared a later reading.
        let passed = at.saturating_duration_since(since);
        let micros = now.as_micros().saturating_sub(before.plus(passed).as_micros());
        let usual = JUMP_MIN.max(passed / DRIFT);
        let jump = ClockJump { to: now, micros };
        let is_jump = Duration::from_micros(micros.unsigned_abs()) > usual;
        seen.jump = if is_jump { Some(jump) } else { seen.jump };
        is_jump.then_some(jump)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    /// A clock that was set to the year 2099 for a moment was noticed by nobody, until a restore to a time left
    /// out everything that was written afterwards.
    #[test]
    fn a_clock_that_is_set_is_noticed_in_both_directions() {
        let (watch, start) = (ClockWatch::new(), Instant::now());
        let compare =
            |clock: i64, passed: u64| watch.compare(at(clock), start + Duration::from_secs(passed));
        assert_eq!(compare(1_000, 0), None, "the first reading");
        assert_eq!(compare(1_010, 10), None);
        assert_eq!(compare(1_050, 20), None, "half a minute is what time services correct");
        let ahead = compare(2_000_001_060, 30).expect("noticed");
        assert_eq!((ahead.to, ahead.micros), (at(2_000_001_060), 2_000_000_000_000_000));
        assert_eq!(compare(2_000_001_070, 40), None, "it is reported once");
        let back = compare(1_090, 50).expect("noticed");
        assert_eq!(back.micros, -1_999_999_990_000_000);
        assert_eq!(watch.seen().jump, Some(back));
        assert_eq!(compare(1_090 + 864_500, 864_450), None, "a slow clock over ten days");
    }

    #[test]
    fn the_clock_is_compared_once_a_second_and_when_it_goes_back() {
        let watch = ClockWatch::new();
        let due = |micros| watch.is_due(Timestamp::from_micros(micros));
        assert!(due(5_000_000) && !due(5_000_001) && !due(5_999_999) && due(6_000_000));
        assert!(due(5_999_999), "it went back");
        assert!(due(i64::MAX) && due(i64::MIN) && due(0));
    }
}
