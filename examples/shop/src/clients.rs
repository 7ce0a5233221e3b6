use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::JoinSet;

use crate::Trouble;

/// Lets `clients` tasks do pieces `0..pieces` of some work. Each does one piece at a time and takes
/// the next that nobody has taken. The first trouble ends the work.
pub(crate) async fn share_out<R, W, F>(
    clients: usize,
    pieces: usize,
    work: W,
) -> Result<Vec<R>, Trouble>
where
    W: Fn(usize) -> F + Clone + Send + 'static,
    F: Future<Output = Result<R, Trouble>> + Send,
    R: Send + 'static,
{
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..clients.clamp(1, pieces.max(1)) {
        let (next, work) = (next.clone(), work.clone());
        tasks.spawn(async move {
            let mut done = Vec::new();
            loop {
                let piece = next.fetch_add(1, Ordering::Relaxed);
                if piece >= pieces {
                    return Ok::<_, Trouble>(done);
                }
                done.push(work(piece).await?);
            }
        });
    }
    let mut all = Vec::with_capacity(pieces);
    while let Some(done) = tasks.join_next().await {
        all.extend(done.map_err(|panic| Trouble::Client(panic.to_string()))??);
    }
    Ok(all)
}
