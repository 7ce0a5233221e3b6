//! Sagas: long-running work across aggregates that is finished or undone, through crashes.
//!
//! An instance of a saga is an aggregate of its own: each input is a command, and what follows from it is
//! one event, so that state, outbox and deadlines are one atomic commit. `stored` is what that event says,
//! `book` what it adds up to, `instance` and `draft` decide it, `targets` knows the types it is sent to.
//! `host` takes steps; `triggers` brings events, `conductor` deadlines and what was left, `carrying` sends
//! what is durable and brings the answers. `board` shows all that live. `builder` and `handle` are the
//! user's side, `schedules` commands for later; `inspecting` reads all this where nothing is started.

mod builder;
mod claims;
mod coordinator;
mod dispatch;
mod draft;
mod error;
mod handle;
mod history;
mod host;
mod inspecting;
mod instance;
mod instance_index;
mod instance_state;
mod rehearsal;
mod schedules;
mod stage;
mod status;
mod stored;
mod targets;
mod tasks;
mod triggers;

pub use builder::Conduct;
pub use error::SagaError;
pub use handle::Sagas;
pub use history::SagaStep;
pub use inspecting::{SagaBoards, saga_steps};
pub use instance_index::SagaCounts;
pub(crate) use rehearsal::Rehearsal;
pub use schedules::{PlanSchedules, Schedule, Schedules};
pub use stage::Stage;
pub use status::{InstanceStatus, SagaInstance};
