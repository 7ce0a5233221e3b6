//! The effects that a saga returns: commands, deadlines, and the end of the instance.

use std::any::Any;
use std::fmt;
use std::time::Duration;

use crate::{Aggregate, Id, Saga, Sends, Timestamp};

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

/// When a deadline is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// At a moment, or at once if the moment has passed.
    At(Timestamp),
    /// This long after the reaction, by the runtime's clock.
    In(Duration),
}

/// A command to an aggregate, with its type erased.
pub struct Sending {
    /// The type of the aggregate.
    pub aggregate: &'static str,
    /// Its id.
    pub id: std::sync::Arc<str>,
    /// The command: an `A::Command`.
    pub command: Box<dyn Any + Send>,
    /// The command that undoes it. It has the same type and goes to the same aggregate.
    pub undo: Option<Box<dyn Any + Send>>,
}

/// How an instance ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// It has finished its work.
    Complete,
    /// It has failed, and accepted commands stay in effect.
    Fail(String),
    /// It has failed, and accepted commands are undone.
    Compensate(String),
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

impl Sending {
    fn new<A: Aggregate>(id: &Id<A>, command: A::Command, undo: Option<A::Command>) -> Self {
        Self {
            aggregate: A::TYPE,
            id: id.shared().clone(),
            command: Box::new(command),
            undo: undo.map(|undo| Box::new(undo) as Box<dyn Any + Send>),
        }
    }
}

impl fmt::Debug for Sending {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a command to {}/{}", self.aggregate, self.id)
    }
}
