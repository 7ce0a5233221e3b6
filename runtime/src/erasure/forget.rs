//! Forgets a data subject: destroys its key first, then removes everything derived from its clear text.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use actuarius_persistence::keys::{KeyError, Keys};
use actuarius_persistence::personal::Fingerprint;
use thiserror::Error;
use tokio::time::{Instant, sleep};

use crate::base::telemetry::facade::counter;
use crate::engine::handed_out;
use crate::engine::pool::NotDone;
use crate::follow::followers::FollowerShared;
use crate::inner::Inner;
use crate::projection::{Swept, sweep};
use crate::runtime::Runtime;

/// How often completion is checked.
const CHECK_EVERY: Duration = Duration::from_millis(1);

/// After how many checks the projections are notified again: a file may have been held open.
const NOTIFY_EVERY: u32 = 100;

/// How long handlers that are at work with the subject's clear text are waited for.
const HANDLERS_AWAITED: Duration = Duration::from_secs(10);

/// What forgetting a subject has removed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub struct Forgotten {
    /// Whether the subject had a key. If not, nothing was ever sealed for it, or it had been forgotten
    /// before.
    pub had_key: bool,
    /// How many aggregates in memory may have held its clear text and were rebuilt from what is stored.
    pub aggregates: usize,
    /// Views of projections that are not running and that may have held its clear text. They were removed,
    /// and are rebuilt when the projections are started.
    pub removed_views: Vec<String>,
    /// Views that could not be read, because they are damaged, or because their projection has stopped and
    /// they are still open. Repair or close them, then forget the subject again.
    pub unseen_views: Vec<String>,
    /// Subscriptions and sagas with a handler that was given its clear text before, and was still at work with it
    /// ten seconds later. Forget the subject again to wait for them. A handler that calls
    /// [`forget`](Runtime::forget) itself is not waited for.
    pub at_work: Vec<String>,
}

impl Forgotten {
    /// Returns whether nothing that the runtime keeps holds its clear text any more, and no handler is at work with
    /// it.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.unseen_views.is_empty() && self.at_work.is_empty()
    }
}

/// Why a subject was not forgotten, or not everywhere. Forget it again; what has been removed stays removed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ForgetError {
    /// There are no keys: the runtime was opened without
    /// [`RuntimeBuilder::personal_data`](crate::RuntimeBuilder::personal_data).
    #[error("there are no keys to destroy: open the runtime with `RuntimeBuilder::personal_data`")]
    NoKeys,
    /// The key could not be destroyed. After [`KeyError::Failed`] it may or may not be destroyed.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The key is destroyed, but the views of projections that are not running could not be listed.
    #[error("the key is destroyed, but the views could not be listed: {0}")]
    Views(String),
    /// The runtime was closed before it was done, or the tokio runtime that opened it has ended. The key may
    /// or may not be destroyed.
    #[error("the runtime is shutting down")]
    ShuttingDown,
    /// Its work panicked, which is a defect of this library, of a tracing layer or of a metrics recorder. The
    /// key may or may not be destroyed.
    #[error("the work panicked: {0}")]
    Panicked(String),
}

impl From<NotDone> for ForgetError {
    fn from(why: NotDone) -> Self {
        match why {
            NotDone::Panicked(message) => Self::Panicked(message),
            NotDone::Closed => Self::ShuttingDown,
        }
    }
}

impl Runtime {
    /// Forgets a data subject: destroys its key durably, then removes its clear text from everything that the
    /// runtime has derived from it.
    ///
    /// When this returns, [`Personal`](crate::Personal) values of the subject are read as erased wherever
    /// they are stored, also in backups of the log, and no new ones are written. Aggregates that held its
    /// clear text were rebuilt from what is stored. Snapshots with its clear text can no longer be decrypted.
    /// Projections that may have held it were rebuilt, and their old files removed. Views without a running
    /// projection were removed if they may have held it. So it takes as long as those rebuilds take.
    ///
    /// No handler of a subscription, and no saga, is given its clear text afterwards, even of events that were read
    /// before: they are decoded again. Handlers that are at work with it are waited for, ten seconds at most;
    /// [`Forgotten::at_work`] lists the others.
    ///
    /// It continues if the future is dropped. If the process ends before it is done, the key stays
    /// destroyed, and each view that holds the subject is rebuilt at its next start; forget the subject
    /// again to remove the other views.
    ///
    /// Data outside of the runtime is not removed: rows in a [`Database`](crate::projection::Database) of
    /// your own, what handlers have sent, and copies of the key file.
    ///
    /// # Errors
    /// [`ForgetError`]; it documents whether the key may be destroyed. Forget the subject again.
    pub async fn forget(&self, subject: impl Into<String>) -> Result<Forgotten, ForgetError> {
        forget(self.inner.clone(), subject.into()).await
    }

    /// Returns the keys of data subjects if the runtime was opened with
    /// [`RuntimeBuilder::personal_data`](crate::RuntimeBuilder::personal_data): to rotate the master key, for instance.
    #[must_use]
    pub fn keys(&self) -> Option<Arc<Keys>> {
        self.inner.engine.keyring.keys().cloned()
    }
}

/// Forgets a subject, also if the returned future is dropped.
async fn forget(inner: Arc<Inner>, subject: String) -> Result<Forgotten, ForgetError> {
    let keys = inner.engine.keyring.keys().ok_or(ForgetError::NoKeys)?.clone();
    // Spawned, because once the key is destroyed the rest must be done.
    let home = inner.engine.home.clone();
    let caller = handed_out::current();
    let forgetting = home.spawn(forget_now(inner, keys, subject, caller));
    forgetting.await.unwrap_or_else(|error| {
        Err(match error.is_panic() {
            true => ForgetError::Panicked(error.to_string()),
            false => ForgetError::ShuttingDown,
        })
    })
}

async fn forget_now(
    inner: Arc<Inner>,
    keys: Arc<Keys>,
    subject: String,
    caller: Option<u64>,
) -> Result<Forgotten, ForgetError> {
    let fingerprint = keys.fingerprint(&subject);
    // One at a time, because all write one file: else each would keep a thread waiting for it.
    let turn = inner.engine.keyring.forgetting.lock().await;
    let destroyed = inner.engine.work_pool.run(move || keys.forget(&subject)).await?;
    drop(turn);
    // Also if it failed: the key is not used any more, so views must not show the subject either.
    inner.engine.keyring.notify();
    let destroyed = destroyed?;
    if destroyed.had_key {
        counter!("actuarius_subjects_forgotten_total").increment(1);
    }
    let rebuilds: Vec<_> =
        inner.hosted().iter().map(|hosted| hosted.rebuild_holders_of(fingerprint)).collect();
    let are_rebuilt = || rebuilds.iter().all(|rebuild| (rebuild.are_done)());
    wait_until(&inner, || are_rebuilt() && have_erased(&inner, destroyed.number)).await?;
    let at_work = wait_for_handlers(&inner, fingerprint, caller).await;
    let Swept { removed, left } = sweep_views(inner, destroyed.number).await?;
    tracing::info!(target: "actuarius::keys", "a subject was forgotten");
    Ok(Forgotten {
        had_key: destroyed.had_key,
        aggregates: rebuilds.iter().map(|rebuild| rebuild.aggregates).sum(),
        removed_views: removed,
        unseen_views: left,
        at_work: at_work.iter().map(std::string::ToString::to_string).collect(),
    })
}

fn have_erased(inner: &Inner, number: u64) -> bool {
    inner.followers.all().iter().all(|follower| follower.has_erased(number))
}

/// Waits for the handlers that are at work with clear text of the subject, except for the one that calls. Returns the
/// names of those that are still at work after [`HANDLERS_AWAITED`].
async fn wait_for_handlers(
    inner: &Inner,
    subject: Fingerprint,
    caller: Option<u64>,
) -> BTreeSet<Arc<str>> {
    let until = Instant::now() + HANDLERS_AWAITED;
    loop {
        let at_work = inner.engine.keyring.handed_out.holders_of(subject, caller);
        if at_work.is_empty() || Instant::now() >= until {
            return at_work;
        }
        sleep(CHECK_EVERY).await;
    }
}

async fn sweep_views(inner: Arc<Inner>, number: u64) -> Result<Swept, ForgetError> {
    let engine = inner.engine.clone();
    let _turn = engine.keyring.forgetting.lock().await;
    let sweeping = engine.work_pool.run(move || {
        let is_running = |name: &str| {
            let is_it = |follower: &Arc<FollowerShared>| &*follower.name == name;
            inner.followers.all().iter().any(is_it)
        };
        sweep(&inner.views, number, is_running)
    });
    sweeping.await?.map_err(|error| ForgetError::Views(error.to_string()))
}

async fn wait_until(inner: &Inner, done: impl Fn() -> bool) -> Result<(), ForgetError> {
    let mut checks = 0u32;
    while !done() {
        if inner.engine.store.reader().is_err() {
            return Err(ForgetError::ShuttingDown);
        }
        checks += 1;
        if checks.is_multiple_of(NOTIFY_EVERY) {
            inner.engine.keyring.notify();
        }
        sleep(CHECK_EVERY).await;
    }
    Ok(())
}
