//! Timers of aggregates: a command at a time that the state of an aggregate says, such as 30 days after the last use.
//!
//! A timer is a function of the state, declared with [`Hosting::timer`](crate::Hosting::timer): it returns a time, or
//! `None`. A time sets the timer, another time replaces it, and `None` cancels it. So a timer never contradicts the
//! state, and needs no event of its own. When the time has come, by the runtime's [`Clock`](crate::Clock), the
//! aggregate receives the command. If the state says another time by then, it receives none.
//!
//! # What is promised
//!
//! - **Durable.** A timer is durable with the events that set it. After a restart or a crash, what was due in the
//!   meantime is delivered at once.
//! - **Once.** A time is delivered once, however long the state says it, and whether the command is accepted, rejected or
//!   has no events, and not before that time. Each delivery has a command id that is derived from the timer and the time:
//!   a command that stored events is never carried out again for the same time, not even if the state says another time,
//!   or `None`, and then that time again. A command that stored nothing may be decided again then, or after a crash.
//! - **Never lost.** An aggregate that cannot be loaded, or whose `decide` panics, is tried again, at most every
//!   minute. [`Health`](crate::Health) counts such timers.
//! - **Cheap.** A time that is replaced by a later one writes nothing. A new or an earlier time writes a small note,
//!   with the sync of the events.
//!
//! The command is on time to about a second, later if many are due at once: 64 of a type are delivered at a time. Its
//! causation id is the command id of the aggregate's last commit; its correlation id is the one of that commit.
//!
//! # Aggregates that exist already
//!
//! The state is asked after each command with events. A new timer, or a function that returns other times than before,
//! is known to aggregates from their next command on.
//! [`Aggregates::arm_timers`](crate::Aggregates::arm_timers) asks all aggregates of a type at once; call it after such
//! a change, and in a store that was copied, migrated or restored from a backup: a backup has the timers as they were when
//! its run began.
//!
//! ```no_run
//! # use std::convert::Infallible;
//! # use actuarius::{Aggregate, Aggregates, Context};
//! # use serde::{Deserialize, Serialize};
//! # async fn arm<A: Aggregate>(sessions: Aggregates<A>) -> Result<(), actuarius::Failure> {
//! let mut page = sessions.arm_timers().await?;
//! while let Some(position) = page.next {
//!     page = sessions.arm_timers().after(position).await?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Declare the timers where the type is hosted first: a later [`host_with`](crate::Runtime::host_with) refuses timers that
//! the first one lacks. A timer that its type no longer declares is dropped when the type is hosted with other timers,
//! which is logged.
//!
//! # Timers or sagas
//!
//! Use a timer if one aggregate reminds itself. Use a saga if the time matters to several
//! aggregates, or if what is sent depends on more than one of them.

mod arming;
mod deliverer;
mod delivery;
mod history;
mod loading;

pub use crate::aggregate::timed_hosting::TimedHosting;
pub use arming::{ArmTimers, ArmedTimers};
pub(crate) use deliverer::run;
