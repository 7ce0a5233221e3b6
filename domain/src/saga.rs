use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Aggregate, Answer, Correlation, Effects, Envelope, Upcasters};

/// The event type of the steps of all sagas.
pub const STEPPED: &str = "Stepped";

/// Long-running work across aggregates, in the literature also called a process manager: it reacts to
/// events, sends commands, hears how they ended, and undoes what was done when it cannot go on.
///
/// Like an aggregate a saga is pure. A reaction changes the state and returns its [`Effects`] as data;
/// they are carried out only once both are durable, and each exactly once, through crashes.
///
/// The state is `Clone`, because a reaction works on a copy until it is known that it ends well.
///
/// ```
/// use actuarius_domain::{Effects, Saga};
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
    /// The category of the instances' streams, and of their names: letters, digits, `-`, `_` and `.`.
    /// It must differ from every aggregate's, and never change once there are instances.
    const TYPE: &'static str;

    /// The version of the state's serialized shape, as
    /// [`Aggregate::STATE_VERSION`](crate::Aggregate::STATE_VERSION).
    const STATE_VERSION: u32 = 1;

    /// The schema version of the steps, each of which holds the state behind it. Raise it together with
    /// a change of the state's fields that serde does not bridge, and say in
    /// [`upcasters`](Self::upcasters) how older states are read.
    const SCHEMA_VERSION: u32 = 1;

    /// How states that older releases have stored are read today: upcasters for the event type
    /// [`STEPPED`], whose content is the state, and which make one state of one.
    ///
    /// ```
    /// use actuarius_domain::{Recast, STEPPED, Upcasters};
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

    /// What its deadlines are called. `()` if it has one, or none.
    type Deadline: Serialize + DeserializeOwned + Send + Sync + 'static;

    /// A deadline has come.
    fn due(&mut self, deadline: Self::Deadline) -> Effects<Self> {
        let _ = deadline;
        Effects::none()
    }

    /// Somebody outside asks the instance to give up. It compensates, unless this says otherwise: a saga
    /// that is past its point of no return answers [`Effects::none`], and goes on.
    ///
    /// Say so if you send anything without an undo: while it is on its way, compensating would undo
    /// everything before it, and leave it done.
    fn cancelled(&mut self, why: &str) -> Effects<Self> {
        Effects::compensate(why)
    }

    /// Everything that was done is undone. What is sent here is the last word: the answers are noted,
    /// and the instance ends.
    fn compensated(&mut self, why: &str) -> Effects<Self> {
        let _ = why;
        Effects::none()
    }
}

/// What a saga does when an aggregate of the type `A` has an event. Implement it once for each type
/// that it reacts to.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say how it reacts to the events of `{A}`",
    note = "implement `ReactsTo<{A}>` for it"
)]
pub trait ReactsTo<A: Aggregate>: Saga {
    /// Which instance an event concerns.
    ///
    /// It must give the same event the same answer each time, also in a later release, and must not
    /// panic: an event of which it cannot be told whom it concerns waits by itself, and later events of
    /// the same instance go past it.
    fn correlate(event: &Envelope<A>) -> Correlation;

    /// What follows. An instance hears of its events in the order of their positions, each once.
    ///
    /// # Panics
    /// It must not. If it does, it is tried again; then this instance is quarantined with all its later
    /// events, and the others go on.
    fn react(&mut self, event: &Envelope<A>) -> Effects<Self>;
}

/// What a saga makes of the answers to the commands it has sent to aggregates of the type `A`.
/// Implement it once for each type that it sends to, which makes sending to other types an error of
/// compilation.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not send commands to `{A}`",
    note = "implement `Sends<{A}>` for it"
)]
pub trait Sends<A: Aggregate>: Saga {
    /// A command was accepted or rejected; both are durable. Failures of another kind do not come
    /// here: after those it is sent again.
    fn answered(&mut self, answer: Answer<A>) -> Effects<Self>;
}
