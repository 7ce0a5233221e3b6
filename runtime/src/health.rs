//! [`Health`]: the state of a running runtime.

use std::fmt;
use std::sync::Arc;

use actuarius_domain::Position;
use actuarius_persistence::StoreFailure;
#[cfg(feature = "erasure")]
use actuarius_persistence::keys::KeyFigures;

pub use crate::aggregate::timers::TimersHealth;
pub use crate::base::clock_watch::ClockJump;
use crate::base::error::Quarantine;
pub use crate::base::follower_status::{FollowerHealth, FollowerKind, FollowerStatus};
#[cfg(feature = "metrics")]
pub use crate::base::telemetry::METRICS;
pub use crate::follow::handle::FollowerHandle;

/// The state of the runtime. Returned by [`Runtime::health`](crate::Runtime::health).
///
/// [`is_ready`](Self::is_ready) is for a readiness probe, [`is_alive`](Self::is_alive) for a liveness probe.
/// [`troubles`](Self::troubles) lists what needs an operator, while everything else continues. None of it makes a
/// service unready: with one parked event all instances of the service would refuse all requests.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use actuarius::{Health, Runtime};
///
/// // `/ready`: 200 if requests may be sent here.
/// fn readiness(health: &Health) -> u16 {
///     if health.is_ready() { 200 } else { 503 }
/// }
///
/// // `/live`: anything else than 200 restarts the process.
/// fn liveness(health: &Health) -> u16 {
///     if health.is_alive() { 200 } else { 500 }
/// }
///
/// # let runtime = Runtime::in_memory().await?;
/// let health = runtime.health();
/// assert_eq!((readiness(&health), liveness(&health)), (200, 200));
/// for trouble in health.troubles() {
///     println!("needs an operator: {trouble}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Health {
    /// Whether it accepts commands.
    pub status: Status,
    /// The last durable position.
    pub head: Position,
    /// The number of requests that are inside and not yet answered.
    pub pending: usize,
    /// The number of aggregates in memory, of all types.
    pub resident: usize,
    /// The quarantined aggregates, at most 1,000 of each type.
    pub quarantined: Vec<Arc<Quarantine>>,
    /// The number of quarantined aggregates that are not listed there.
    pub more_quarantined: usize,
    /// Figures about the keys of data subjects; `None` if personal data is not allowed.
    #[cfg(feature = "erasure")]
    pub keys: Option<KeyFigures>,
    /// The state of each subscription, projection and saga.
    pub followers: Vec<FollowerHealth>,
    /// The timers of each hosted type that has any.
    pub timers: Vec<TimersHealth>,
    /// The last jump of the system's clock in this process, if there was one. Times of events before and after
    /// it may be out of order.
    pub clock_jump: Option<ClockJump>,
}

impl Health {
    /// Returns whether everything is in order: it is [ready](Self::is_ready), and nothing needs an operator.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.is_ready() && self.troubles().is_empty()
    }

    /// Returns whether it accepts commands. A service should be sent no requests otherwise.
    ///
    /// Views may lag. A service that must not show old ones also compares [`FollowerHealth::lag`] with a limit.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        matches!(self.status, Status::Running)
    }

    /// Returns whether the runtime still works. Otherwise only opening the store again helps: the store has failed, the
    /// tokio runtime that opened it has ended, or the runtime was shut down. A runtime that is shutting down is alive,
    /// so that a probe does not end a process that finishes its work.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        matches!(self.status, Status::Running | Status::ShuttingDown)
    }

    /// Returns what needs an operator while everything else continues. Quarantined aggregates and troubles of followers
    /// are as bounded as the lists they come from.
    #[must_use]
    pub fn troubles(&self) -> Vec<Trouble> {
        let quarantined = self.quarantined.iter().cloned().map(Trouble::Quarantined);
        let followers = self.followers.iter().flat_map(FollowerHealth::troubles);
        let timers = self.timers.iter().filter_map(TimersHealth::trouble);
        let mut troubles: Vec<_> = quarantined.chain(followers).chain(timers).collect();
        if let Some(keys) = self.keys_damaged().filter(|keys| *keys > 0) {
            troubles.push(Trouble::DamagedKeys { keys });
        }
        troubles
    }

    #[cfg(feature = "erasure")]
    fn keys_damaged(&self) -> Option<u64> {
        self.keys.map(|keys| keys.damaged)
    }

    #[cfg(not(feature = "erasure"))]
    fn keys_damaged(&self) -> Option<u64> {
        None
    }
}

/// What needs an operator while everything else continues. One of [`Health::troubles`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Trouble {
    /// An aggregate answers no requests. Fix the cause, then [release](crate::Aggregates::release) it.
    Quarantined(Arc<Quarantine>),
    /// A follower takes no events. Fix the cause, then resume it.
    Halted {
        /// The name of the follower.
        name: Arc<str>,
        /// The position of the event that it cannot process.
        position: Position,
        /// Why not.
        why: String,
    },
    /// A subscription has parked events. Fix the cause, then
    /// [retry](crate::subscription::Subscription::retry_all_parked) or skip them.
    Parked {
        /// The name of the subscription.
        name: Arc<str>,
        /// How many keys wait.
        keys: u64,
    },
    /// Instances of a saga are quarantined or stuck. Fix the cause, then retry, skip or cancel each.
    Instances {
        /// The name of the saga, `saga.TYPE`.
        name: Arc<str>,
        /// How many instances.
        instances: u64,
    },
    /// Timers of an aggregate type are due and cannot be delivered, or cannot be read. They are tried again. Fix the cause,
    /// such as a quarantined aggregate.
    Timers {
        /// The aggregate type.
        aggregate: &'static str,
        /// How many timers are due and not delivered.
        timers: usize,
        /// Why the last attempt failed.
        why: String,
    },
    /// Keys of data subjects cannot be read. Restore the key file from its backup.
    DamagedKeys {
        /// How many keys.
        keys: u64,
    },
}

impl fmt::Display for Trouble {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Quarantined(quarantine) => write!(out, "{quarantine}"),
            Self::Halted { name, position, why } => {
                write!(out, "{name} has halted at position {position}: {why}")
            }
            Self::Parked { name, keys } => write!(out, "{name} has parked events of {keys} keys"),
            Self::Instances { name, instances } => {
                write!(out, "{name} has {instances} instances in trouble")
            }
            Self::Timers { aggregate, timers, why } => {
                write!(out, "{timers} timers of {aggregate} are due and not delivered: {why}")
            }
            Self::DamagedKeys { keys } => write!(out, "{keys} keys of data subjects are damaged"),
        }
    }
}

impl TimersHealth {
    fn trouble(&self) -> Option<Trouble> {
        let (aggregate, timers) = (self.aggregate, self.failing);
        self.last_failure.clone().map(|why| Trouble::Timers { aggregate, timers, why })
    }
}

impl FollowerHealth {
    fn troubles(&self) -> impl Iterator<Item = Trouble> + use<> {
        let name = || self.name.clone();
        let halted = match &self.status {
            FollowerStatus::Halted { position, why } => {
                Some(Trouble::Halted { name: name(), position: *position, why: why.clone() })
            }
            _ => None,
        };
        let parked = (self.parked_keys > 0)
            .then(|| Trouble::Parked { name: name(), keys: self.parked_keys });
        let instances = (self.in_trouble > 0)
            .then(|| Trouble::Instances { name: name(), instances: self.in_trouble });
        [halted, parked, instances].into_iter().flatten()
    }
}

/// Whether the runtime accepts commands.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use actuarius::Runtime;
/// use actuarius::health::Status;
///
/// let runtime = Runtime::in_memory().await?;
/// assert!(matches!(runtime.health().status, Status::Running));
/// assert!(runtime.shutdown(Duration::from_secs(10)).await.is_clean());
/// assert!(matches!(runtime.health().status, Status::Closed));
/// assert!(!runtime.health().is_alive());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Status {
    /// It accepts commands.
    Running,
    /// A write or sync failed: no command is acknowledged any more. Queries still show what is durable.
    /// Shut down, repair the cause and open it again.
    Poisoned(StoreFailure),
    /// It is shutting down: it answers the requests that are inside, and refuses new ones. While a shutdown still waits
    /// for the handlers of subscriptions, which may send commands, it is [`Running`](Self::Running).
    ShuttingDown,
    /// It was shut down: nothing is processed any more, and every request fails. Open the store again. What this report
    /// lists may no longer be current. A store that has failed stays [`Poisoned`](Self::Poisoned).
    Closed,
    /// The tokio runtime that opened the store has ended: nothing is processed any more, and every request
    /// fails. Drop every handle of the store, then open it again.
    TokioRuntimeEnded,
}
