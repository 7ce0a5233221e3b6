//! Closed-loop clients: each sends a command, waits for its answer, and sends the next one.

use std::future::Future;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use fastrand::Rng;
use tokio::task::JoinSet;

use crate::Result;
use crate::distribution::Chooser;
use crate::latency::{Latencies, Latency};
use crate::workload::payload;

/// How long a client waits after an overload.
const BACK_OFF: Duration = Duration::from_millis(1);

/// The receiver of commands.
pub trait Target: Clone + Send + Sync + 'static {
    /// Sends a payload to an aggregate and waits for the answer.
    fn send(&self, aggregate: usize, payload: String) -> impl Future<Output = Answer> + Send;

    /// The number of groups made durable so far.
    fn syncs(&self) -> u64;
}

/// The answer to a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The command was executed.
    Done,
    /// Too many commands were waiting.
    Overloaded,
    /// An error, which ends the measurement.
    Failed(String),
}

/// The load that clients generate.
#[derive(Debug, Clone)]
pub struct Load {
    /// The number of clients.
    pub clients: usize,
    /// Chooses the aggregate of each command.
    pub chooser: Arc<Chooser>,
    /// The size of each payload.
    pub payload_bytes: usize,
    /// The time before anything is counted.
    pub warm_up: Duration,
    /// When they stop.
    pub extent: Extent,
    /// The seed of their random choices.
    pub seed: u64,
}

/// When clients stop.
#[derive(Debug, Clone, Copy)]
pub enum Extent {
    /// After this time. Commands in flight then are not counted.
    For(Duration),
    /// After this many commands, all of which are counted.
    Commands(u64),
}

/// The results of the clients.
#[derive(Clone, Default)]
pub struct Seen {
    /// The time measured.
    pub elapsed: Duration,
    /// The latencies of executed commands.
    pub done: Latency,
    /// The latencies of overload answers.
    pub overloaded: Latency,
    /// Groups made durable in this time.
    pub syncs: u64,
}

impl Seen {
    /// Executed commands per second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.done.count() as f64 / self.elapsed.as_secs_f64()
    }

    /// Adds the results of another time.
    pub fn add(&mut self, other: &Self) {
        self.elapsed += other.elapsed;
        self.done.add(&other.done);
        self.overloaded.add(&other.overloaded);
        self.syncs += other.syncs;
    }
}

const WARMING_UP: u8 = 0;
const MEASURING: u8 = 1;
const OVER: u8 = 2;

struct Shared {
    phase: AtomicU8,
    /// Commands not yet begun.
    left: AtomicU64,
    done: Latencies,
    overloaded: Latencies,
    failure: OnceLock<String>,
}

/// Runs clients against a target and returns their results.
///
/// # Errors
/// The first answer that is neither done nor overloaded.
pub async fn drive<T: Target>(target: &T, load: &Load) -> Result<Seen> {
    let (commands, warm_up) = match load.extent {
        Extent::For(_) => (u64::MAX, load.warm_up),
        Extent::Commands(commands) => (commands, Duration::ZERO),
    };
    let phase = if warm_up.is_zero() { MEASURING } else { WARMING_UP };
    let shared = Arc::new(Shared {
        phase: AtomicU8::new(phase),
        left: AtomicU64::new(commands),
        done: Latencies::default(),
        overloaded: Latencies::default(),
        failure: OnceLock::new(),
    });
    let mut clients = JoinSet::new();
    let mut started = Instant::now();
    for number in 0..load.clients {
        clients.spawn(client(number, target.clone(), load.clone(), shared.clone()));
    }
    if !warm_up.is_zero() {
        tokio::time::sleep(warm_up).await;
        shared.phase.store(MEASURING, Ordering::Relaxed);
        started = Instant::now();
    }
    let syncs = target.syncs();
    if let Extent::For(time) = load.extent {
        tokio::time::sleep(time).await;
        shared.phase.store(OVER, Ordering::Relaxed);
    } else {
        while clients.join_next().await.is_some() {}
    }
    let seen =
        Seen { elapsed: started.elapsed(), syncs: target.syncs() - syncs, ..Seen::default() };
    while clients.join_next().await.is_some() {}
    finish(&shared, seen)
}

fn finish(shared: &Shared, seen: Seen) -> Result<Seen> {
    if let Some(failure) = shared.failure.get() {
        return Err(failure.as_str().into());
    }
    Ok(Seen { done: shared.done.merged(), overloaded: shared.overloaded.merged(), ..seen })
}

async fn client<T: Target>(number: usize, target: T, load: Load, shared: Arc<Shared>) {
    let mut rng = Rng::with_seed(load.seed.wrapping_add(number as u64));
    while shared.phase.load(Ordering::Relaxed) != OVER && shared.take_one() {
        let aggregate = load.chooser.choose(&mut rng);
        let payload = payload(&mut rng, load.payload_bytes);
        let sent = Instant::now();
        let answer = target.send(aggregate, payload).await;
        let measuring = shared.phase.load(Ordering::Relaxed) == MEASURING;
        match answer {
            Answer::Done if measuring => shared.done.note(number, sent.elapsed()),
            Answer::Done => {}
            Answer::Overloaded => {
                if measuring {
                    shared.overloaded.note(number, sent.elapsed());
                }
                tokio::time::sleep(BACK_OFF).await;
            }
            Answer::Failed(why) => {
                let _ = shared.failure.set(why);
                shared.phase.store(OVER, Ordering::Relaxed);
            }
        }
    }
}

impl Shared {
    /// Takes one of the remaining commands, if any.
    fn take_one(&self) -> bool {
        let left = self.left.load(Ordering::Relaxed);
        left == u64::MAX
            || self
                .left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                .is_ok()
    }
}
