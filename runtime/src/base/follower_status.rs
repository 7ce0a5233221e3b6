//! What is told of those who follow the log: how they are, and why they did not start or get there.
//! These are words only, so everyone may know them.

mod error;

use std::sync::Arc;

use actuarius_domain::Position;

pub use error::{BoxError, StartError, WaitError};

/// What kind of follower it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FollowerKind {
    /// Handles events with effects of the user's.
    Subscription,
    /// Folds events into a view.
    Projection,
    /// Works for the instances of a saga.
    Saga,
}

/// How a subscription or a projection is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FollowerStatus {
    /// It has not reached the end of the log since it started, or since it went back.
    CatchingUp,
    /// It has reached the end of the log and follows it.
    Live,
    /// It was asked to pause.
    Paused,
    /// An event failed and is tried again.
    Retrying {
        /// The event.
        position: Position,
        /// How often it has failed.
        attempts: u32,
        /// What went wrong last.
        why: String,
    },
    /// It cannot get past an event and waits for `resume`, paused or not. Nothing was skipped.
    Halted {
        /// The event.
        position: Position,
        /// What went wrong.
        why: String,
    },
    /// It was stopped, or the runtime has closed.
    Stopped,
}

/// One follower in [`Health`](crate::Health).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FollowerHealth {
    /// Its name.
    pub name: Arc<str>,
    /// What it is.
    pub kind: FollowerKind,
    /// How it is doing.
    pub status: FollowerStatus,
    /// The position it has finished.
    pub position: Position,
    /// How many events it is behind the end of the log.
    pub lag: u64,
}
