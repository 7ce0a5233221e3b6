//! Those who follow the log under a name: subscriptions and projections. Here is what they have in
//! common; a follower knows the log, and nobody knows its followers.

mod actor;
mod error;
mod retry;
mod standing;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::tail::Tail;

pub(crate) use actor::{Runs, start};
pub use error::{BoxError, StartError, WaitError};
pub use retry::Retry;
pub use standing::{FollowerHealth, FollowerKind, FollowerStatus};
pub(crate) use standing::{Standing, Wanted};

/// The longest name of a follower, which also names its files.
const NAME_BYTES_MAX: usize = 128;

/// All followers of a runtime, by name.
pub(crate) struct Followers {
    tail: Arc<Tail>,
    /// None once the runtime closes.
    standings: Mutex<Option<BTreeMap<Arc<str>, Arc<Standing>>>>,
}

impl Followers {
    pub(crate) fn of(tail: &Arc<Tail>) -> Self {
        Self { tail: tail.clone(), standings: Mutex::new(Some(BTreeMap::new())) }
    }

    /// Takes the name; it is free again when the guard is dropped without [`Enlisted::keep`].
    pub(crate) fn enlist(
        self: &Arc<Self>,
        name: &str,
        kind: FollowerKind,
    ) -> Result<Enlisted, StartError> {
        check_name(name)?;
        let mut standings = self.standings();
        let standings = standings.as_mut().ok_or(StartError::ShuttingDown)?;
        if standings.get(name).is_some_and(|standing| !standing.has_stopped()) {
            return Err(StartError::NameTaken(name.to_owned()));
        }
        let name: Arc<str> = name.into();
        let standing = Arc::new(Standing::new(name.clone(), kind, self.tail.clone()));
        standings.insert(name, standing.clone());
        Ok(Enlisted { followers: self.clone(), standing, kept: false })
    }

    pub(crate) fn all(&self) -> Vec<Arc<Standing>> {
        self.standings().iter().flat_map(BTreeMap::values).cloned().collect()
    }

    /// Takes no new ones, and returns those there are.
    pub(crate) fn close(&self) -> Vec<Arc<Standing>> {
        self.standings().take().unwrap_or_default().into_values().collect()
    }

    fn standings(&self) -> MutexGuard<'_, Option<BTreeMap<Arc<str>, Arc<Standing>>>> {
        self.standings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A name that was taken for a follower about to start.
pub(crate) struct Enlisted {
    followers: Arc<Followers>,
    standing: Arc<Standing>,
    kept: bool,
}

impl Enlisted {
    pub(crate) fn standing(&self) -> &Arc<Standing> {
        &self.standing
    }

    /// The follower runs: it keeps its name until it stops.
    pub(crate) fn keep(mut self) -> Arc<Standing> {
        self.kept = true;
        self.standing.clone()
    }
}

impl Drop for Enlisted {
    fn drop(&mut self) {
        if !self.kept
            && let Some(standings) = &mut *self.followers.standings()
        {
            standings.remove(&self.standing.name);
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
