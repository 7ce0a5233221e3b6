//! Saves a copy of a view on a thread of its own, while events still change the view.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use actuarius_domain::{Position, ReadModel};
use tokio::time::Instant;

use super::shared_view::ViewState;
use crate::projection::saved::States;

/// How often it is checked whether a copy is saved.
const CHECK_EVERY: Duration = Duration::from_millis(200);

/// A copy of a view that is being saved.
pub(super) struct SavingCopy {
    /// `None` once it was waited for.
    thread: Option<JoinHandle<Result<(), String>>>,
    position: Position,
    started: Instant,
    check_at: Instant,
}

/// How it ended to save a copy.
pub(super) struct SavedCopy {
    pub(super) position: Position,
    pub(super) took: Duration,
    pub(super) result: Result<(), String>,
}

impl SavingCopy {
    /// Starts to save a copy as the state of its generation. Returns `None` if no thread can be started.
    pub(super) fn start<P: ReadModel>(
        states: &Arc<States>,
        (generation, is_current): (u64, bool),
        copy: ViewState<P>,
    ) -> Option<Self> {
        let (states, position) = (states.clone(), copy.position);
        let before = *states.replacements();
        let save = move || {
            let ViewState { view, position, taint } = copy;
            let encoded = states.encode(&view, position, taint);
            drop(view);
            let (bytes, decoded) = encoded.map_err(|error| error.to_string())?;
            drop(decoded);
            let saved = states.place.save_state(generation, &bytes);
            saved.map_err(|error| error.to_string())?;
            match is_current {
                true => Ok(()),
                false => states.make_current_unless_replaced(generation, before),
            }
        };
        let thread = thread::Builder::new().name("actuarius-save".to_owned()).spawn(save).ok()?;
        let started = Instant::now();
        Some(Self { thread: Some(thread), position, started, check_at: started + CHECK_EVERY })
    }

    /// Returns whether it has ended. If not, it is to be asked again after a while.
    pub(super) fn has_ended(&mut self) -> bool {
        self.check_at = Instant::now() + CHECK_EVERY;
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    pub(super) fn check_at(&self) -> Instant {
        self.check_at
    }

    /// Waits for its end.
    pub(super) fn end(mut self) -> SavedCopy {
        let ended = self.thread.take().map(JoinHandle::join);
        let result = ended.unwrap_or(Ok(Ok(())));
        let result = result.unwrap_or_else(|_| Err("saving it panicked".to_owned()));
        SavedCopy { position: self.position, took: self.started.elapsed(), result }
    }
}

impl Drop for SavingCopy {
    /// Nothing is written to a place that another projection may open next.
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            // What it could not save is computed from the log.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
