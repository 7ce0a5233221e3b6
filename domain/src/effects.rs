use std::any::Any;
use std::fmt;
use std::time::Duration;

use crate::{Aggregate, Id, Saga, Sends, Timestamp};

/// What a saga wants to be done: data, carried out once it is durable.
///
/// ```
/// # use std::convert::Infallible;
/// # use std::time::Duration;
/// # use actuarius_domain::{Aggregate, Answer, Context, Effects, Id, Saga, Sends};
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
    /// A command to an aggregate, at a moment. If that is over, at once.
    SendAt(Timestamp, Sending),
    /// A deadline, in the place of one that is called the same.
    Schedule(When, S::Deadline),
    /// No deadline of this name any more. One that does not exist is no error.
    Cancel(S::Deadline),
}

/// When a deadline comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// At a moment. If it is over, at once.
    At(Timestamp),
    /// This long after the reaction, by the runtime's clock.
    In(Duration),
}

/// A command whose type is forgotten.
pub struct Sending {
    /// The type of the aggregate.
    pub aggregate: &'static str,
    /// Its id.
    pub id: std::sync::Arc<str>,
    /// The command: an `A::Command`.
    pub command: Box<dyn Any + Send>,
    /// The command that undoes it, of the same type and to the same aggregate.
    pub undo: Option<Box<dyn Any + Send>>,
}

/// How an instance ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// It has done what it was for.
    Complete,
    /// It gives up. What was done stays.
    Fail(String),
    /// It gives up, and what was done is undone.
    Compensate(String),
}

impl<S: Saga> Effects<S> {
    /// Nothing is to be done.
    pub fn none() -> Self {
        Self { list: Vec::new(), ending: None }
    }

    /// Ends the instance, which has done what it was for. See [`and_complete`](Self::and_complete).
    pub fn complete() -> Self {
        Self::none().and_complete()
    }

    /// Ends the instance without undoing anything.
    pub fn fail(why: impl Into<String>) -> Self {
        Self::none().and_ending(Ending::Fail(why.into()))
    }

    /// Undoes what was done, and ends the instance.
    ///
    /// First it is waited for the answers to what is on its way; what could not be sent so far is not
    /// sent any more. Then the undos of all accepted commands are sent, the last one first, one after
    /// the other. The instance reacts to nothing more, but for
    /// [`compensated`](Saga::compensated) at the end.
    ///
    /// A command without an undo that is on its way may still be accepted, and then stays done. So the
    /// step that cannot be undone is best the last one (the *pivot* of the literature), and once it is
    /// on its way its answer says how it goes on, and not a deadline.
    pub fn compensate(why: impl Into<String>) -> Self {
        Self::none().and_ending(Ending::Compensate(why.into()))
    }

    /// Sends a command. How it ends comes to [`Sends::answered`].
    pub fn send<A: Aggregate>(self, id: &Id<A>, command: A::Command) -> Self
    where
        S: Sends<A>,
    {
        self.and(Effect::Send(Sending::new(id, command, None)))
    }

    /// Sends a command that `undo` undoes, which is sent to the same aggregate if the command was
    /// accepted and the saga [compensates](Self::compensate) later.
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
    /// is over, it is sent at once.
    pub fn send_at<A: Aggregate>(self, moment: Timestamp, id: &Id<A>, command: A::Command) -> Self
    where
        S: Sends<A>,
    {
        self.and(Effect::SendAt(moment, Sending::new(id, command, None)))
    }

    /// Sets a deadline. One that is called the same is replaced.
    pub fn schedule_at(self, moment: Timestamp, deadline: S::Deadline) -> Self {
        self.and(Effect::Schedule(When::At(moment), deadline))
    }

    /// Sets a deadline this long after the reaction. One that is called the same is replaced.
    pub fn schedule_in(self, time: Duration, deadline: S::Deadline) -> Self {
        self.and(Effect::Schedule(When::In(time), deadline))
    }

    /// Takes a deadline back. It does not come any more, not even if its moment is over.
    pub fn cancel(self, deadline: S::Deadline) -> Self {
        self.and(Effect::Cancel(deadline))
    }

    /// Ends the instance as well. Its deadlines do not come any more; commands on their way are still
    /// carried out, and their answers noted.
    pub fn and_complete(self) -> Self {
        self.and_ending(Ending::Complete)
    }

    /// What is to be done, in order, and how it ends, if it does.
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
