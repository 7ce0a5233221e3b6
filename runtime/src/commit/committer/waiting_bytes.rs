//! [`WaitingBytes`]: bounds the bytes of the appends that wait for the writer.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Counts the bytes that wait. A turn that adds some waits for room first.
pub(super) struct WaitingBytes {
    waiting: AtomicUsize,
    limit: usize,
    /// The committer has ended: it refuses each append at once, so none waits.
    is_closed: AtomicBool,
    room: Notify,
}

impl WaitingBytes {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            waiting: AtomicUsize::new(0),
            limit,
            is_closed: AtomicBool::new(false),
            room: Notify::new(),
        }
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

    /// Ends all waits for room, those that begin later as well.
    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
        self.room.notify_waiters();
    }

    pub(super) fn have_room(&self) -> bool {
        self.is_closed.load(Ordering::SeqCst) || self.waiting.load(Ordering::SeqCst) < self.limit
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

    /// Bytes that were never given back would keep aggregates waiting after the committer had ended.
    #[tokio::test]
    async fn nobody_waits_for_room_after_the_end() {
        let bytes = Arc::new(WaitingBytes::new(10));
        bytes.add(25);
        let waiting = tokio::spawn({
            let bytes = bytes.clone();
            async move { bytes.room().await }
        });
        tokio::task::yield_now().await;
        bytes.close();
        waiting.await.expect("no panic");
        bytes.room().await;
    }
}
