//! [`WaitingBytes`]: bounds the bytes of the appends that wait for the writer.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Counts the bytes that wait. A turn that adds some waits for room first.
pub(super) struct WaitingBytes {
    waiting: AtomicUsize,
    limit: usize,
    room: Notify,
}

impl WaitingBytes {
    pub(super) fn new(limit: usize) -> Self {
        Self { waiting: AtomicUsize::new(0), limit, room: Notify::new() }
    }

    /// Waits until fewer bytes than the limit wait.
    pub(super) async fn room(&self) {
        while !self.have_room() {
            // Enlisted before the second look, so that no notification is missed.
            let notified = self.room.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            if !self.have_room() {
                notified.await;
            }
        }
    }

    pub(super) fn add(&self, bytes: usize) {
        self.waiting.fetch_add(bytes, Ordering::SeqCst);
    }

    pub(super) fn remove(&self, bytes: usize) {
        let before = self.waiting.fetch_sub(bytes, Ordering::SeqCst);
        if before >= self.limit && before - bytes < self.limit {
            self.room.notify_waiters();
        }
    }

    pub(super) fn have_room(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) < self.limit
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn at_the_limit_the_next_one_waits_for_room() {
        let bytes = Arc::new(WaitingBytes::new(10));
        bytes.room().await;
        bytes.add(25);
        let waiting = tokio::spawn({
            let bytes = bytes.clone();
            async move { bytes.room().await }
        });
        tokio::task::yield_now().await;
        bytes.remove(10);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished(), "15 of 10 bytes still wait");
        bytes.remove(10);
        waiting.await.expect("no panic");
    }
}
