//! The `Saga` trait and its reactions: workflows across aggregates.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Aggregate, Answer, Correlation, Effects, Envelope, Upcasters};

/// The event type of the stored steps of all sagas.
pub const STEPPED: &str = "Stepped";

/// A long-running workflow across aggregates, in the literature also called a process manager: it
/// reacts to events, sends commands, receives their results, and compensates if it cannot continue.
///
/// Like an aggregate, a saga is pure. A reaction changes the state and returns its [`Effects`] as data.
/// They are dispatched only once both are durable, and each takes effect exactly once, even across
/// crashes.
///
/// The state is `Clone`, because a reaction works on a copy, which is dropped if it panics.
///
/// ```
/// # mod actuarius { pub mod saga { pub use actuarius_domain::*; } }
/// use actuarius::saga::{Effects, Saga};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Clone, Default, Serialize, Deserialize)]
/// struct Order {
///     paid: bool,
/// }
///
/// #[derive(Serialize, Deserialize)]
/// enum OrderDeadline {
///     Payment,
/// }
///
/// impl Saga for Order {
///     const TYPE: &'static str = "order-fulfilment";
///     type Deadline = OrderDeadline;
///
///     fn due(&mut self, OrderDeadline::Payment: OrderDeadline) -> Effects<Self> {
///         if self.paid { Effects::none() } else { Effects::compensate("not paid in time") }
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a saga",
    note = "implement `Saga` for it: TYPE, Deadline and due",
    note = "the state must derive `Clone`, `Default`, `serde::Serialize` and `serde::Deserialize`"
)]
pub trait Saga: Clone + Default + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The category of the instances' streams: letters, digits, `-`, `_` and `.`. It must differ from
    /// the type of every aggregate, and must never change once there are instances.
    const TYPE: &'static str;

    /// The version of the serialized shape of the state, as
    /// [`Aggregate::STATE_VERSION`](crate::Aggregate::STATE_VERSION).
    const STATE_VERSION: u32 = 1;

    /// The schema version of the stored steps, each of which contains the state after it. Raise it
    /// together with a change of the state's fields that serde does not bridge, and define in
    /// [`upcasters`](Self::upcasters) how older states are read.
    const SCHEMA_VERSION: u32 = 1;

    /// Returns how states stored by older releases are read: upcasters for the event type [`STEPPED`],
    /// whose content is the state. Each must return exactly one state.
    ///
    /// ```
    /// # mod actuarius { pub mod saga { pub use actuarius_domain::*; } pub mod schema { pub use actuarius_domain::*; } }
    /// use actuarius::saga::STEPPED;
    /// use actuarius::schema::{Recast, Upcasters};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct OrderV1 { paid: bool }
    ///
    /// #[derive(serde::Serialize)]
    /// struct OrderV2 { paid: Option<i64> }
    ///
    /// fn upcasters() -> Upcasters {
    ///     Upcasters::new().upcast(STEPPED, 1, |old: OrderV1| {
    ///         Recast::to(2, OrderV2 { paid: old.paid.then_some(0) })
    ///     })
    /// }
    /// # assert_eq!(upcasters().len(), 1);
    /// ```
    #[must_use]
    fn upcasters() -> Upcasters {
        Upcasters::new()
    }

    /// The names of its deadlines. `()` if it has at most one.
    type Deadline: Serialize + DeserializeOwned + Send + Sync + 'static;

    /// Handles a deadline that has come due.
    fn due(&mut self, deadline: Self::Deadline) -> Effects<Self> {
        let _ = deadline;
        Effects::none()
    }

    /// Handles a request from outside to cancel the instance. It compensates by default. A saga that is
    /// past its point of no return returns [`Effects::none`], and continues.
    ///
    /// Override this if the saga sends a command without an undo: while that command is in flight,
    /// compensation would undo everything before it, but not the command itself.
    fn cancelled(&mut self, why: &str) -> Effects<Self> {
        Effects::compensate(why)
    }

    /// Handles the end of a compensation. Commands returned here are the last ones: their answers are
    /// recorded, and the instance ends.
    fn compensated(&mut self, why: &str) -> Effects<Self> {
        let _ = why;
        Effects::none()
    }
}

/// How a saga reacts to the events of aggregates of the type `A`. Implement it once for each type
/// that the saga reacts to.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not react to the events of `{A}`",
    note = "implement `ReactsTo<{A}>` for it"
)]
pub trait ReactsTo<A: Aggregate>: Saga {
    /// Returns the instance that receives an event.
    ///
    /// It must return the same for the same event each time, also in a later release, and must not
    /// panic: an event that cannot be assigned to an instance is parked by itself, and later events of
    /// the same instance are delivered before it.
    fn correlate(event: &Envelope<A>) -> Correlation;

    /// Handles an event. An instance receives its events in the order of their positions, each once.
    ///
    /// # Panics
    /// It must not panic. If it does, it is retried; then this instance is quarantined with all its
    /// later events, and the other instances continue.
    fn react(&mut self, event: &Envelope<A>) -> Effects<Self>;
}

/// How a saga handles the answers to the commands that it sent to aggregates of the type `A`.
/// Implement it once for each type that the saga sends to. Sending to any other type does not compile.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not send commands to `{A}`",
    note = "implement `Sends<{A}>` for it"
)]
pub trait Sends<A: Aggregate>: Saga {
    /// Handles the answer to a command that was accepted or rejected; both are durable. Other failures
    /// are not reported here: after those the command is sent again.
    fn answered(&mut self, answer: Answer<A>) -> Effects<Self>;
}
