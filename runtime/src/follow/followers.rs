//! The named followers of the log: subscriptions, projections and sagas, and what they have in common. A follower
//! depends on the log; the log does not depend on its followers.

mod actor;
mod finished;
mod retry;
mod shared;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::sleep;

use crate::base::timer::Timer;
use crate::commit::tail::Tail;

pub(crate) use actor::{Runs, start};
pub use retry::Retry;
pub(crate) use shared::{DesiredState, FollowerShared};

pub(crate) use crate::base::follower_status::{
    BoxError, FollowerHealth, FollowerKind, FollowerStatus, LaggingFollower, StartError, WaitError,
};

/// The longest name of a follower, which also names its files.
const NAME_BYTES_MAX: usize = 128;

/// How often the lag of each follower is reported. A follower that advances reports it, too, but a lag grows when it
/// does not advance.
const LAG_REPORT_EVERY: Duration = Duration::from_secs(1);

/// All followers of a runtime, by name.
pub(crate) struct Followers {
    tail: Arc<Tail>,
    timer: Timer,
    names: Mutex<Names>,
}

/// Stopped followers are removed: names made for a single task would accumulate.
#[derive(Default)]
struct Names {
    followers: BTreeMap<Arc<str>, Arc<FollowerShared>>,
    /// Why no more followers are accepted, if they are not.
    closed: Option<Closed>,
}

/// Why no more followers are accepted.
#[derive(Clone, Copy, PartialEq)]
enum Closed {
    ShuttingDown,
    TokioRuntimeEnded,
}

impl Followers {
    pub(crate) fn of(tail: &Arc<Tail>, timer: &Timer) -> Self {
        Self { tail: tail.clone(), timer: timer.clone(), names: Mutex::default() }
    }

    /// Registers the name. It is free again if the guard is dropped without [`Registration::keep`].
    pub(crate) fn register(
        &self,
        name: &str,
        kind: FollowerKind,
    ) -> Result<Registration, StartError> {
        check_name(name)?;
        let mut names = self.names();
        match names.closed {
            Some(Closed::ShuttingDown) => return Err(StartError::ShuttingDown),
            Some(Closed::TokioRuntimeEnded) => return Err(StartError::TokioRuntimeEnded),
            None => {}
        }
        if names.followers.contains_key(name) {
            return Err(StartError::NameTaken(name.to_owned()));
        }
        let name: Arc<str> = name.into();
        let (tail, timer) = (self.tail.clone(), self.timer.clone());
        let shared = Arc::new(FollowerShared::new(name.clone(), kind, tail, timer));
        names.followers.insert(name, shared.clone());
        Ok(Registration { shared, kept: false })
    }

    /// Returns the followers that have not stopped.
    pub(crate) fn all(&self) -> Vec<Arc<FollowerShared>> {
        self.names().followers.values().cloned().collect()
    }

    /// Accepts no new followers from now on, and returns those that have not stopped.
    pub(crate) fn close(&self) -> Vec<Arc<FollowerShared>> {
        self.names().closed.get_or_insert(Closed::ShuttingDown);
        self.all()
    }

    /// Accepts no new followers from now on, and reports that all have stopped: the tokio runtime that ran
    /// them has ended. Called also for one that is about to start, whose task will never run.
    pub(crate) fn end(&self) {
        self.names().closed.get_or_insert(Closed::TokioRuntimeEnded);
        for follower in self.all() {
            follower.want(DesiredState::Stop);
            follower.now(FollowerStatus::Stopped);
        }
    }

    /// Reports the lag of each follower regularly, as long as there may be any.
    pub(crate) async fn report_lags(followers: Weak<Self>) {
        loop {
            sleep(LAG_REPORT_EVERY).await;
            let Some(followers) = followers.upgrade() else { return };
            for shared in followers.all() {
                shared.report_lag();
            }
            let names = followers.names();
            if names.closed.is_some() && names.followers.is_empty() {
                return;
            }
        }
    }

    fn names(&self) -> MutexGuard<'_, Names> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.followers.retain(|_, shared| !shared.has_stopped());
        names
    }
}

/// A registered name of a follower that is about to start.
pub(crate) struct Registration {
    shared: Arc<FollowerShared>,
    kept: bool,
}

impl Registration {
    pub(crate) fn shared(&self) -> &Arc<FollowerShared> {
        &self.shared
    }

    /// Keeps the name until the follower stops. Called when it runs.
    pub(crate) fn keep(mut self) -> Arc<FollowerShared> {
        self.kept = true;
        self.shared.clone()
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if !self.kept {
            self.shared.now(FollowerStatus::Stopped);
        }
    }
}

fn check_name(name: &str) -> Result<(), StartError> {
    let fits = (1..=NAME_BYTES_MAX).contains(&name.len());
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if fits && name.bytes().all(allowed) && !name.starts_with('.') {
        return Ok(());
    }
    Err(StartError::InvalidName(name.to_owned()))
}
