//! The `Saga` trait, the commands it sends, and the effects it returns: workflows across aggregates.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Aggregate, Answer, Ending, Id, Sending, Timestamp, Upcasters, When};

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

    /// The version of the meaning of the state, as
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

/// The effects of a reaction, as data: they are dispatched once they are durable.
///
/// ```
/// # mod actuarius { pub use actuarius_domain::*; pub mod saga { pub use actuarius_domain::*; } }
/// # use std::convert::Infallible;
/// # use std::time::Duration;
/// # use actuarius::{Aggregate, Context, Id};
/// # use actuarius::saga::{Answer, Effects, Saga, Sends};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Default, Serialize, Deserialize)]
/// # struct Account;
/// # #[derive(Serialize, Deserialize)]
/// # enum AccountCommand { Withdraw(i64), Deposit(i64) }
/// # impl Aggregate for Account {
/// #     const TYPE: &'static str = "account";
/// #     type Command = AccountCommand;
/// #     type Event = ();
/// #     type Error = Infallible;
/// #     fn decide(&self, _: AccountCommand, _: &Context) -> Result<Vec<()>, Infallible> { Ok(vec![]) }
/// #     fn apply(&mut self, _: &()) {}
/// # }
/// # use AccountCommand::{Deposit, Withdraw};
/// # #[derive(Clone, Default, Serialize, Deserialize)]
/// # struct Transfer;
/// # impl Saga for Transfer { const TYPE: &'static str = "transfer"; type Deadline = (); }
/// # impl Sends<Account> for Transfer {
/// #     fn answered(&mut self, _: Answer<Account>) -> Effects<Self> { Effects::none() }
/// # }
/// # fn effects(alice: &Id<Account>) -> Effects<Transfer> {
/// Effects::none()
///     .send_with_undo(alice, Withdraw(500), Deposit(500))
///     .schedule_in(Duration::from_secs(60), ())
/// # }
/// ```
#[must_use = "effects are data: return them"]
pub struct Effects<S: Saga> {
    list: Vec<Effect<S>>,
    ending: Option<Ending>,
}

/// One effect.
pub enum Effect<S: Saga> {
    /// A command to an aggregate.
    Send(Sending),
    /// A command to an aggregate at a moment, or at once if the moment has passed.
    SendAt(Timestamp, Sending),
    /// A deadline, which replaces one of the same name.
    Schedule(When, S::Deadline),
    /// Removes the deadline of this name. It is no error if there is none.
    Cancel(S::Deadline),
}

impl<S: Saga> Effects<S> {
    /// Returns no effects.
    pub fn none() -> Self {
        Self { list: Vec::new(), ending: None }
    }

    /// Ends the instance successfully. See [`and_complete`](Self::and_complete).
    pub fn complete() -> Self {
        Self::none().and_complete()
    }

    /// Ends the instance as failed, without undoing anything.
    pub fn fail(why: impl Into<String>) -> Self {
        Self::none().and_ending(Ending::Fail(why.into()))
    }

    /// Undoes the accepted commands, and ends the instance.
    ///
    /// First waits for the answers to commands in flight; commands not yet sent are dropped. Then sends
    /// the undo commands of all accepted commands one after the other, the last one first. The instance
    /// reacts to no further events; [`compensated`](Saga::compensated) is called at the end.
    ///
    /// A command without an undo that is in flight may still be accepted, and is then not undone. So
    /// make the step that cannot be undone the last one (in the literature the *pivot*), and once it
    /// was sent, let its answer decide how the saga continues, and not a deadline.
    pub fn compensate(why: impl Into<String>) -> Self {
        Self::none().and_ending(Ending::Compensate(why.into()))
    }

    /// Sends a command. Its result is passed to [`Sends::answered`].
    pub fn send<A: Aggregate>(self, id: &Id<A>, command: A::Command) -> Self
    where
        S: Sends<A>,
    {
        self.and(Effect::Send(Sending::new(id, command, None)))
    }

    /// Sends a command with a command that undoes it. `undo` is sent to the same aggregate if the
    /// command was accepted and the saga [compensates](Self::compensate) later.
    pub fn send_with_undo<A: Aggregate>(
        self,
        id: &Id<A>,
        command: A::Command,
        undo: A::Command,
    ) -> Self
    where
        S: Sends<A>,
    {
        self.and(Effect::Send(Sending::new(id, command, Some(undo))))
    }

    /// Sends a command at a moment, unless the instance has ended or compensates by then. If the moment
    /// has passed, it is sent at once.
    pub fn send_at<A: Aggregate>(self, moment: Timestamp, id: &Id<A>, command: A::Command) -> Self
    where
        S: Sends<A>,
    {
        self.and(Effect::SendAt(moment, Sending::new(id, command, None)))
    }

    /// Sets a deadline, which replaces one of the same name.
    pub fn schedule_at(self, moment: Timestamp, deadline: S::Deadline) -> Self {
        self.and(Effect::Schedule(When::At(moment), deadline))
    }

    /// Sets a deadline this long after the reaction, which replaces one of the same name.
    pub fn schedule_in(self, time: Duration, deadline: S::Deadline) -> Self {
        self.and(Effect::Schedule(When::In(time), deadline))
    }

    /// Cancels a deadline. It does not come due any more, even if its moment has passed.
    pub fn cancel(self, deadline: S::Deadline) -> Self {
        self.and(Effect::Cancel(deadline))
    }

    /// Ends the instance after these effects. Its deadlines do not come due any more; commands in
    /// flight are still dispatched, and their answers recorded.
    pub fn and_complete(self) -> Self {
        self.and_ending(Ending::Complete)
    }

    /// Returns the effects in order, and how the instance ends, or `None` if it continues.
    #[must_use]
    pub fn into_parts(self) -> (Vec<Effect<S>>, Option<Ending>) {
        (self.list, self.ending)
    }

    fn and(mut self, effect: Effect<S>) -> Self {
        self.list.push(effect);
        self
    }

    fn and_ending(mut self, ending: Ending) -> Self {
        self.ending = Some(ending);
        self
    }
}
