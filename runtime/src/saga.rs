//! Sagas: long-running work across aggregates that completes or is undone, despite crashes.
//!
//! An instance of a saga is an aggregate: each input is a command, and everything that follows from it is
//! one event, so that state, outbox and deadlines are one atomic commit.
//!
//! - pure: `stepped` (the event) with `in_place` and `stored`, `instance_state` (its fold), `instance`, `draft` and `beginning` (the decision),
//!   `origin` (metadata that travels), `targets` (recipients and encoding), `upcasting`, `status`, `stage`, `history`,
//!   and `instance_index` (the view of all instances) with `key_holders`, `due_set` and `shared_map`; `live_instances` and `moving` for migrations;
//! - at work: `host` (takes steps), `triggers` (events), `coordinator` (deadlines, and commands left open),
//!   `dispatch` and `delivery` (commands and their outcomes), `claims`, `tasks`, `unreadable`;
//! - for users: `builder` with `starting`, `handle`, `page`, `waiting`, `schedules`, `error`, and `inspecting` (without a runtime); `rehearsal`
//!   is for the test kit.

mod beginning;
mod builder;
mod causes;
mod claims;
mod coordinator;
mod delivery;
mod dispatch;
mod draft;
mod due_set;
mod error;
mod handle;
mod history;
mod host;
mod in_place;
pub(crate) mod inspecting;
mod instance;
mod instance_index;
mod instance_state;
mod key_holders;
#[cfg(feature = "transfer")]
pub(crate) mod live_instances;
#[cfg(feature = "transfer")]
mod moving;
mod origin;
mod page;
mod rehearsal;
mod schedules;
mod shared_map;
mod stage;
mod starting;
mod status;
pub(crate) mod stepped;
mod stored;
mod targets;
mod tasks;
mod trigger;
mod triggers;
mod unread;
mod unreadable;
mod upcasting;
mod waiting;

pub use actuarius_domain::{
    Answer, Correlation, Effect, Effects, Ending, Outcome, ReactsTo, STEPPED, Saga, Sending, Sends,
    When,
};

pub use crate::follow::followers::Retry;

pub use builder::SagaBuilder;
pub use error::SagaError;
pub use handle::Sagas;
pub use history::SagaStep;
#[cfg(feature = "transfer")]
pub(crate) use instance::Instance;
pub use instance_index::SagaCounts;
#[cfg(feature = "transfer")]
pub use live_instances::SagaNotCarried;
pub use page::InstancePage;
pub(crate) use rehearsal::Rehearsal;
pub use schedules::{Schedule, Schedules, SchedulesBuilder};
pub use stage::Stage;
pub use status::{InstanceStatus, SagaInstance};
