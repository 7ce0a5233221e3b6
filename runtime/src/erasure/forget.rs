//! Forgetting a data subject: its key first, then everything that was derived from its clear text.

use std::sync::Arc;
use std::time::Duration;

use actuarius_persistence::keys::{KeyError, Keys};
use thiserror::Error;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::follow::followers::FollowerShared;
use crate::inner::Inner;
use crate::projection::{Swept, sweep};

/// How often is looked whether all is done.
const LOOKS_EVERY: Duration = Duration::from_millis(1);

/// How often those are told again who have not come to an end: a file may have been held open.
const TELLS_EVERY: u32 = 100;

/// What became of forgetting a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub struct Forgotten {
    /// Whether the subject had a key. Without one nothing was ever sealed for it, or it had been
    /// forgotten before.
    pub had_key: bool,
    /// How many aggregates in memory held its clear text, and were rebuilt from what is stored.
    pub aggregates: usize,
    /// Views that were not started and were removed because it may have been in them. They are built
    /// anew when they are started.
    pub removed_views: Vec<String>,
    /// Views that could not be looked at: their projection has stopped and something still has them open,
    /// or they are damaged. Once that is over, forget the subject again.
    pub unseen_views: Vec<String>,
}

impl Forgotten {
    /// Whether its clear text is nowhere in what the runtime keeps.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.unseen_views.is_empty()
    }
}

/// Why a subject was not forgotten, or not everywhere. Forget it again: what is done stays done.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ForgetError {
    /// There are no keys: the runtime was opened without
    /// [`Builder::personal_data`](crate::Builder::personal_data).
    #[error("there are no keys to destroy: open the runtime with `Builder::personal_data`")]
    NoKeys,
    /// The key could not be destroyed. After [`KeyError::Failed`] it is not known whether it was.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The key is destroyed; the views that are not started could not be looked for.
    #[error("the key is destroyed, but the views could not be listed: {0}")]
    Views(String),
    /// The runtime ended meanwhile. The key may be destroyed.
    #[error("the runtime is shutting down")]
    ShuttingDown,
}

/// Forgets a subject, whether or not someone waits for it.
pub(crate) async fn forget(inner: Arc<Inner>, subject: String) -> Result<Forgotten, ForgetError> {
    let keys = inner.engine.keyring.keys().ok_or(ForgetError::NoKeys)?.clone();
    // On its own, because once the key is gone the rest must not be left undone.
    let forgetting = tokio::spawn(forget_now(inner, keys, subject));
    forgetting.await.unwrap_or(Err(ForgetError::ShuttingDown))
}

async fn forget_now(
    inner: Arc<Inner>,
    keys: Arc<Keys>,
    subject: String,
) -> Result<Forgotten, ForgetError> {
    let fingerprint = keys.fingerprint(&subject);
    let destroying = spawn_blocking(move || keys.forget(&subject)).await;
    let destroyed = destroying.map_err(|_| ForgetError::ShuttingDown)?;
    // Also when it failed: it is not used any more, so views are not to show it either.
    inner.engine.keyring.notify();
    let destroyed = destroyed?;
    inner.engine.keyring.count(destroyed.had_key);
    let renewing: Vec<_> =
        inner.hosted().iter().map(|hosted| hosted.rebuild_holders_of(fingerprint)).collect();
    let is_renewed = || renewing.iter().all(|hosted| (hosted.are_done)());
    wait_until(&inner, || is_renewed() && have_erased(&inner, destroyed.number)).await?;
    let Swept { removed, left } = sweep_views(inner, destroyed.number).await?;
    tracing::info!(target: "actuarius::keys", "a subject was forgotten");
    Ok(Forgotten {
        had_key: destroyed.had_key,
        aggregates: renewing.iter().map(|hosted| hosted.aggregates).sum(),
        removed_views: removed,
        unseen_views: left,
    })
}

fn have_erased(inner: &Inner, number: u64) -> bool {
    inner.followers.all().iter().all(|follower| follower.has_erased(number))
}

async fn sweep_views(inner: Arc<Inner>, number: u64) -> Result<Swept, ForgetError> {
    let sweeping = spawn_blocking(move || {
        let at_work = |name: &str| {
            let is_it = |follower: &Arc<FollowerShared>| &*follower.name == name;
            inner.followers.all().iter().any(is_it)
        };
        sweep(&inner.views, number, at_work)
    });
    let swept = sweeping.await.map_err(|_| ForgetError::ShuttingDown)?;
    swept.map_err(|error| ForgetError::Views(error.to_string()))
}

async fn wait_until(inner: &Inner, done: impl Fn() -> bool) -> Result<(), ForgetError> {
    let mut looks = 0u32;
    while !done() {
        if inner.engine.store.reader().is_err() {
            return Err(ForgetError::ShuttingDown);
        }
        looks += 1;
        if looks.is_multiple_of(TELLS_EVERY) {
            inner.engine.keyring.notify();
        }
        sleep(LOOKS_EVERY).await;
    }
    Ok(())
}
