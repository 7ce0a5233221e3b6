//! Those who follow the log under a name: subscriptions, projections and sagas. Here is what they have in
//! common; a follower knows the log, and nobody knows its followers.

mod actor;
mod retry;
mod shared;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::sleep;

use crate::commit::tail::Tail;

pub(crate) use actor::{Runs, start};
pub use retry::Retry;
pub(crate) use shared::{DesiredState, FollowerShared};

pub(crate) use crate::base::follower_status::{
    BoxError, FollowerHealth, FollowerKind, FollowerStatus, StartError, WaitError,
};

/// The longest name of a follower, which also names its files.
const NAME_BYTES_MAX: usize = 128;

/// How often each follower's lag is told. Whoever comes further tells it, too, but a lag grows just
/// when nobody does.
const LAGS_TOLD_EVERY: Duration = Duration::from_secs(1);

/// All followers of a runtime, by name.
pub(crate) struct Followers {
    tail: Arc<Tail>,
    names: Mutex<Names>,
}

/// Who has stopped is in nobody's way, and goes: names made for a single task would pile up.
#[derive(Default)]
struct Names {
    standings: BTreeMap<Arc<str>, Arc<FollowerShared>>,
    is_closed: bool,
}

impl Followers {
    pub(crate) fn of(tail: &Arc<Tail>) -> Self {
        Self { tail: tail.clone(), names: Mutex::default() }
    }

    /// Takes the name; it is free again when the guard is dropped without [`Registration::keep`].
    pub(crate) fn register(
        &self,
        name: &str,
        kind: FollowerKind,
    ) -> Result<Registration, StartError> {
        check_name(name)?;
        let mut names = self.names();
        if names.is_closed {
            return Err(StartError::ShuttingDown);
        }
        if names.standings.contains_key(name) {
            return Err(StartError::NameTaken(name.to_owned()));
        }
        let name: Arc<str> = name.into();
        let shared = Arc::new(FollowerShared::new(name.clone(), kind, self.tail.clone()));
        names.standings.insert(name, shared.clone());
        Ok(Registration { shared, kept: false })
    }

    /// Those that have not stopped.
    pub(crate) fn all(&self) -> Vec<Arc<FollowerShared>> {
        self.names().standings.values().cloned().collect()
    }

    /// Takes no new ones from here on, and returns those that have not stopped, whoever asks.
    pub(crate) fn close(&self) -> Vec<Arc<FollowerShared>> {
        self.names().is_closed = true;
        self.all()
    }

    /// Tells how far each is behind, now and then, as long as there may be any.
    pub(crate) async fn tell_lags(followers: Weak<Self>) {
        loop {
            sleep(LAGS_TOLD_EVERY).await;
            let Some(followers) = followers.upgrade() else { return };
            for shared in followers.all() {
                shared.tell_lag();
            }
            let names = followers.names();
            if names.is_closed && names.standings.is_empty() {
                return;
            }
        }
    }

    fn names(&self) -> MutexGuard<'_, Names> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.standings.retain(|_, shared| !shared.has_stopped());
        names
    }
}

/// A name that was taken for a follower about to start.
pub(crate) struct Registration {
    shared: Arc<FollowerShared>,
    kept: bool,
}

impl Registration {
    pub(crate) fn shared(&self) -> &Arc<FollowerShared> {
        &self.shared
    }

    /// The follower runs: it keeps its name until it stops.
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
