//! Many clients that work at once.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use thiserror::Error;
use tokio::task::JoinSet;

/// A client panicked before its work was done.
#[derive(Debug, Error)]
#[error("a client panicked: {0}")]
pub struct ClientPanicked(String);

/// Lets `clients` tasks do the pieces `0..pieces` of some work, one piece at a time each, and returns the results
/// in no particular order.
///
/// # Errors
/// The first error of a piece, which ends the work, or [`ClientPanicked`].
pub async fn share_out<R, E, W, F>(clients: usize, pieces: usize, work: W) -> Result<Vec<R>, E>
where
    W: Fn(usize) -> F + Clone + Send + 'static,
    F: Future<Output = Result<R, E>> + Send,
    R: Send + 'static,
    E: From<ClientPanicked> + Send + 'static,
{
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..clients.clamp(1, pieces.max(1)) {
        let (next, work) = (next.clone(), work.clone());
        tasks.spawn(async move {
            let mut results = Vec::new();
            loop {
                let piece = next.fetch_add(1, Ordering::Relaxed);
                if piece >= pieces {
                    return Ok::<_, E>(results);
                }
                results.push(work(piece).await?);
            }
        });
    }
    let mut all = Vec::new();
    while let Some(results) = tasks.join_next().await {
        all.extend(results.map_err(|panic| ClientPanicked(panic.to_string()))??);
    }
    Ok(all)
}
