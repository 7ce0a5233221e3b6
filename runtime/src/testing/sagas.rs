//! The test kit of sagas.

use std::fmt::Debug;
use std::time::Duration;

use actuarius_domain::{Aggregate, Effects, Id, Outcome, Position, ReactsTo, Saga, Sends, Version};
use actuarius_persistence::Codec;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::fail::fail;
use super::history::History;
use crate::saga::{InstanceStatus, Rehearsal};

/// Begins a test of an instance of a saga without any input so far. It decides as in production, and each
/// of its steps, commands and deadlines is stored and read back.
///
/// ```
/// # use std::convert::Infallible;
/// # use std::time::Duration;
/// # use actuarius::{Aggregate, Context, Envelope, Id};
/// # use actuarius::saga::{Answer, Correlation, Effects, ReactsTo, Saga, Sends};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Default, Serialize, Deserialize)]
/// # struct Order;
/// # #[derive(Serialize, Deserialize)]
/// # enum OrderEvent { Placed, Paid }
/// # #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// # enum OrderCommand { AskForPayment, Ship }
/// # impl Aggregate for Order {
/// #     const TYPE: &'static str = "order";
/// #     type Command = OrderCommand;
/// #     type Event = OrderEvent;
/// #     type Error = Infallible;
/// #     fn decide(&self, _: OrderCommand, _: &Context) -> Result<Vec<OrderEvent>, Infallible> { Ok(vec![]) }
/// #     fn apply(&mut self, _: &OrderEvent) {}
/// # }
/// # #[derive(Clone, Default, Serialize, Deserialize)]
/// # struct Fulfilment;
/// # impl Saga for Fulfilment {
/// #     const TYPE: &'static str = "fulfilment";
/// #     type Deadline = ();
/// #     fn due(&mut self, (): ()) -> Effects<Self> { Effects::compensate("not paid in time") }
/// # }
/// # impl ReactsTo<Order> for Fulfilment {
/// #     fn correlate(event: &Envelope<Order>) -> Correlation { Correlation::start_or_proceed(event.id.as_str()) }
/// #     fn react(&mut self, event: &Envelope<Order>) -> Effects<Self> {
/// #         match event.event {
/// #             OrderEvent::Placed => Effects::none()
/// #                 .send(&event.id, OrderCommand::AskForPayment)
/// #                 .schedule_in(Duration::from_secs(3600), ()),
/// #             OrderEvent::Paid => Effects::none().cancel(()).send(&event.id, OrderCommand::Ship),
/// #         }
/// #     }
/// # }
/// # impl Sends<Order> for Fulfilment {
/// #     fn answered(&mut self, _: Answer<Order>) -> Effects<Self> { Effects::none() }
/// # }
/// use actuarius::saga::InstanceStatus;
/// use actuarius::testing::saga;
///
/// let order = Id::new("order-17")?;
/// saga::<Fulfilment>("order-17")
///     .sends_to::<Order>()
///     .when_event::<Order>("order-17", OrderEvent::Placed)
///     .then_sends(&order, OrderCommand::AskForPayment)
///     .then_waits_for(Duration::from_secs(3600))
///     .when_accepted(&order)
///     .when_time_passes(Duration::from_secs(3600))
///     .then_status(&InstanceStatus::Compensated { why: "not paid in time".to_owned() });
/// # Ok::<(), actuarius::error::InvalidId>(())
/// ```
///
/// # Panics
/// If a check fails; the panic names the line of the test.
#[must_use = "a test checks nothing before `then`"]
pub fn saga<S: Saga>(id: &str) -> SagaUnderTest<S> {
    SagaUnderTest { rehearsal: Rehearsal::of(id), history: History::default(), sent: 0 }
}

/// An instance of a saga under test.
pub struct SagaUnderTest<S: Saga> {
    rehearsal: Rehearsal<S>,
    history: History,
    /// How many of the commands that the last input has sent are checked.
    sent: usize,
}

impl<S: Saga> SagaUnderTest<S> {
    /// Sets the codec that steps, commands and deadlines are checked with. Default: MessagePack, as in production.
    #[must_use = "a test checks nothing before `then`"]
    pub fn with_codec(mut self, codec: Codec) -> Self {
        self.rehearsal.use_codec(codec);
        self
    }

    /// Lets the saga send commands to the aggregates of a type, as in production.
    #[must_use = "a test checks nothing before `then`"]
    pub fn sends_to<A>(mut self) -> Self
    where
        A: Aggregate<Command: Serialize + DeserializeOwned>,
        S: Sends<A>,
    {
        self.rehearsal.add_target::<A>();
        self
    }

    /// Begins the instance without an event.
    #[must_use = "a test checks nothing before `then`"]
    #[track_caller]
    pub fn when_begun(self, reaction: impl FnOnce(&mut S) -> Effects<S> + Send + 'static) -> Self {
        self.input(|it| it.rehearsal.begin(Box::new(reaction)))
    }

    /// Gives the instance an event of an aggregate. Its saga decides whether the event concerns it; an event
    /// that is correlated by a key counts as its own.
    #[must_use = "a test checks nothing before `then`"]
    #[track_caller]
    pub fn when_event<A: Aggregate>(self, id: &str, event: A::Event) -> Self
    where
        S: ReactsTo<A>,
    {
        self.input(|it| {
            let mut envelopes = it.history.envelopes::<A>(id, [event]);
            envelopes.pop().map_or(Ok(()), |envelope| it.rehearsal.event(envelope))
        })
    }

    /// Accepts the oldest open command to this aggregate, which may be an undo.
    #[must_use = "a test checks nothing before `then`"]
    #[track_caller]
    pub fn when_accepted<A>(self, id: &Id<A>) -> Self
    where
        A: Aggregate<Command: DeserializeOwned>,
        S: Sends<A>,
    {
        let (version, position) = (Version::new(1), Position::new(1));
        self.input(|it| it.rehearsal.answer(id, Outcome::Accepted { version, position }))
    }

    /// Rejects the oldest open command to this aggregate, which may be an undo.
    #[must_use = "a test checks nothing before `then`"]
    #[track_caller]
    pub fn when_rejected<A>(self, id: &Id<A>, why: A::Error) -> Self
    where
        A: Aggregate<Command: DeserializeOwned>,
        S: Sends<A>,
    {
        self.input(|it| it.rehearsal.answer(id, Outcome::Rejected(why)))
    }

    /// Advances the clock, and delivers the deadlines that are due by then, in their order.
    #[must_use = "a test checks nothing before `then`"]
    #[track_caller]
    pub fn when_time_passes(self, time: Duration) -> Self {
        self.input(|it| it.rehearsal.advance(time))
    }

    /// Asks the instance to give up, as an operator would.
    #[must_use = "a test checks nothing before `then`"]
    #[track_caller]
    pub fn when_cancelled(self, why: &str) -> Self {
        self.input(|it| it.rehearsal.cancel(why))
    }

    #[track_caller]
    fn input(mut self, input: impl FnOnce(&mut Self) -> Result<(), String>) -> Self {
        self.sent = 0;
        match input(&mut self) {
            Ok(()) => self,
            Err(why) => fail(&why),
        }
    }

    /// Checks that the last input has sent this command, after those checked before.
    #[track_caller]
    pub fn then_sends<A>(mut self, id: &Id<A>, command: A::Command) -> Self
    where
        A: Aggregate<Command: DeserializeOwned + Debug + PartialEq>,
    {
        let expected = (id.stream().to_string(), Some(command));
        match self.rehearsal.sent::<A>().get(self.sent) {
            Some(sent) if *sent == expected => {}
            Some(sent) => fail(&format!("expected {expected:?} to be sent, not {sent:?}")),
            None => fail(&format!("expected {expected:?} to be sent, and nothing more was")),
        }
        self.sent += 1;
        self
    }

    /// Checks that the last input has sent no more commands than those checked.
    #[track_caller]
    pub fn then_sends_nothing_more<A>(self) -> Self
    where
        A: Aggregate<Command: DeserializeOwned + Debug>,
    {
        match self.rehearsal.sent::<A>().get(self.sent) {
            None => self,
            Some(more) => fail(&format!("{more:?} was sent, too")),
        }
    }

    /// Checks that a deadline is due after this time.
    #[track_caller]
    pub fn then_waits_for(self, time: Duration) -> Self {
        let waits: Vec<_> = self.rehearsal.deadlines().into_iter().map(|(wait, _)| wait).collect();
        if waits.contains(&time) {
            return self;
        }
        fail(&format!("expected a deadline in {time:?}, there are {waits:?}"))
    }

    /// Checks that no deadline is set.
    #[track_caller]
    pub fn then_waits_for_no_deadline(self) -> Self {
        let deadlines = self.rehearsal.deadlines().len();
        if deadlines == 0 { self } else { fail(&format!("there are {deadlines} deadlines")) }
    }

    /// Checks that the last input did not concern the instance.
    #[track_caller]
    pub fn then_ignored(self) -> Self {
        if self.rehearsal.was_concerned() { fail("it was not ignored") } else { self }
    }

    /// Checks the state of the saga.
    #[track_caller]
    pub fn then_state(self, expected: &S) -> Self
    where
        S: Debug + PartialEq,
    {
        let state = self.rehearsal.state();
        if state == expected {
            self
        } else {
            fail(&format!("expected {expected:?}, got {state:?}"))
        }
    }

    /// Checks the status of the instance.
    #[track_caller]
    pub fn then_status(self, expected: &InstanceStatus) -> Self {
        let status = self.rehearsal.status();
        if status == *expected {
            self
        } else {
            fail(&format!("expected {expected:?}, got {status:?}"))
        }
    }

    /// Checks that the instance has completed.
    #[track_caller]
    pub fn then_completed(self) -> Self {
        self.then_status(&InstanceStatus::Completed)
    }
}
