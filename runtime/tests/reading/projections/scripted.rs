//! A view in memory that its test can make panic, wait or be slow.

use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use actuarius::projection::{InMemory, Projection, ProjectionBuilder};
use actuarius::subscription::Retry;
use actuarius::{Envelope, Position, Runtime};
use serde::de::Deserializer;
use serde::ser::{Error, Serializer};
use serde::{Deserialize, Serialize};

use crate::common::{Bell, Command, Ledger};

/// The positions of all events, in the order of their arrival. Each test has a view of its own,
/// which it controls by [`levers`].
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Scripted<const TEST: usize> {
    pub(crate) positions: Vec<u64>,
    /// The number of events since it was created, loaded or saved.
    pub(crate) here: u64,
}

pub(crate) struct Levers {
    /// Panics at this position, in the middle of a change.
    pub(crate) panics_at: AtomicU64,
    /// How often it has panicked.
    pub(crate) panicked: AtomicU64,
    /// Waits at the gate before it adds this position.
    pub(crate) waits_at: AtomicU64,
    /// Takes two milliseconds per event from this position on.
    pub(crate) slow_from: AtomicU64,
    pub(crate) cannot_be_saved: AtomicBool,
    pub(crate) waits_when_saved: AtomicBool,
    pub(crate) gate: Gate,
}

static LEVERS: [Levers; 24] = [const { Levers::new() }; 24];

pub(crate) fn levers(test: usize) -> &'static Levers {
    &LEVERS[test]
}

const NEVER: u64 = u64::MAX;

impl Levers {
    const fn new() -> Self {
        Self {
            panics_at: AtomicU64::new(NEVER),
            panicked: AtomicU64::new(0),
            waits_at: AtomicU64::new(NEVER),
            slow_from: AtomicU64::new(NEVER),
            cannot_be_saved: AtomicBool::new(false),
            waits_when_saved: AtomicBool::new(false),
            gate: Gate::new(),
        }
    }
}

/// Blocks callers until it is opened. Each opening releases all that wait.
pub(crate) struct Gate {
    waiting: Mutex<(u64, u64)>,
    opened: Condvar,
}

impl Gate {
    const fn new() -> Self {
        Self { waiting: Mutex::new((0, 0)), opened: Condvar::new() }
    }

    pub(crate) fn pass(&self) {
        let mut state = self.waiting.lock().unwrap();
        let opening = state.1;
        state.0 += 1;
        while state.1 == opening {
            state = self.opened.wait(state).unwrap();
        }
        state.0 -= 1;
    }

    pub(crate) fn is_waited_at(&self) -> bool {
        self.waiting.lock().unwrap().0 > 0
    }

    pub(crate) fn open(&self) {
        self.waiting.lock().unwrap().1 += 1;
        self.opened.notify_all();
    }
}

impl<const TEST: usize> Scripted<TEST> {
    fn take(&mut self, position: Position) {
        let (levers, position) = (levers(TEST), position.get());
        if position == levers.waits_at.load(Ordering::SeqCst) {
            levers.gate.pass();
        }
        if position >= levers.slow_from.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(2));
        }
        self.positions.push(position);
        self.here += 1;
        if position == levers.panics_at.load(Ordering::SeqCst) {
            levers.panicked.fetch_add(1, Ordering::SeqCst);
            // Unwinding without the hook: the panic is expected, its report would only be noise.
            std::panic::resume_unwind(Box::new("scripted panic"));
        }
    }

    /// Returns whether the view has all events up to `count`, once each.
    pub(crate) fn is_whole(&self, count: u64) -> bool {
        self.positions.iter().copied().eq(1..=count)
    }
}

impl<const TEST: usize> Projection<Ledger> for Scripted<TEST> {
    fn project(&mut self, envelope: &Envelope<Ledger>) {
        self.take(envelope.header.position);
    }
}

impl<const TEST: usize> Projection<Bell> for Scripted<TEST> {
    fn project(&mut self, envelope: &Envelope<Bell>) {
        self.take(envelope.header.position);
    }
}

impl<const TEST: usize> Serialize for Scripted<TEST> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let levers = levers(TEST);
        if levers.waits_when_saved.load(Ordering::SeqCst) {
            levers.gate.pass();
        }
        if levers.cannot_be_saved.load(Ordering::SeqCst) {
            return Err(S::Error::custom("scripted failure"));
        }
        self.positions.serialize(serializer)
    }
}

impl<'de, const TEST: usize> Deserialize<'de> for Scripted<TEST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self { positions: Vec::deserialize(deserializer)?, here: 0 })
    }
}

/// Longer than any test takes.
pub(crate) const LONG: Duration = Duration::from_secs(3_600);

/// Two attempts without a delay.
pub(crate) fn twice() -> Retry {
    Retry::default().attempts(2).waits(Duration::ZERO, Duration::ZERO)
}

/// Describes the view, which is saved only when it is stopped.
pub(crate) fn scripted<const TEST: usize>(
    runtime: &Runtime,
) -> ProjectionBuilder<InMemory<Scripted<TEST>>> {
    let view = runtime.projection::<Scripted<TEST>>("scripted").on::<Ledger>();
    view.save_every(LONG).retry(twice())
}

/// Starts the view, and waits until it has all events.
pub(crate) async fn caught_up<const TEST: usize>(runtime: &Runtime) -> InMemory<Scripted<TEST>> {
    let view = scripted::<TEST>(runtime).start().await.unwrap();
    view.wait_for(runtime.head()).await.unwrap();
    view
}

/// Adds `count` events.
pub(crate) async fn add(runtime: &Runtime, events: Range<i64>) {
    let ledgers = runtime.host::<Ledger>();
    for amount in events {
        ledgers.execute("a", Command::Add(amount)).await.unwrap();
    }
}

/// Copies a directory as a process that is killed now leaves it.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (from, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            std::fs::copy(from, to).unwrap();
        }
    }
}
