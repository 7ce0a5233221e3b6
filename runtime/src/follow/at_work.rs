//! Which follower's handler the current task runs, so that a deletion in the handler does not wait for it.

use std::future::Future;
use std::sync::Arc;

use super::followers::FollowerShared;

tokio::task_local! {
    static AT_WORK: Arc<FollowerShared>;
}

/// Runs a handler of the follower.
pub(crate) async fn during<F: Future>(follower: Arc<FollowerShared>, handler: F) -> F::Output {
    AT_WORK.scope(follower, handler).await
}

/// Returns whether the current task runs a handler of the follower.
pub(crate) fn is_by(follower: &Arc<FollowerShared>) -> bool {
    AT_WORK.try_with(|at_work| Arc::ptr_eq(at_work, follower)).unwrap_or(false)
}
