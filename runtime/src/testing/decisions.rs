//! The test kit of decisions: given events, when a command, then events, a rejection or a state.

use std::fmt::Debug;

use actuarius_domain::{Aggregate, CommandId, Context, Metadata, Timestamp, Version};
use actuarius_persistence::Codec;
use actuarius_persistence::personal::in_clear;

use super::fail::fail;

/// Begins a test of an aggregate that has the events `events`.
///
/// ```
/// # use std::convert::Infallible;
/// # use actuarius::{Aggregate, Context};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
/// # struct Counter(i64);
/// # #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// # enum Counted { Added(i64) }
/// # impl Aggregate for Counter {
/// #     const TYPE: &'static str = "counter";
/// #     type Command = i64;
/// #     type Event = Counted;
/// #     type Error = Infallible;
/// #     fn decide(&self, amount: i64, _: &Context) -> Result<Vec<Counted>, Infallible> {
/// #         Ok(vec![Counted::Added(amount)])
/// #     }
/// #     fn apply(&mut self, Counted::Added(amount): &Counted) { self.0 += amount; }
/// # }
/// use actuarius::testing::given;
///
/// given::<Counter>([Counted::Added(1)])
///     .when(2)
///     .then([Counted::Added(2)])
///     .then_state(&Counter(3));
/// ```
///
/// # Panics
/// If a check fails; the panic names the line of the test.
#[must_use = "a test checks nothing before `when` and `then`"]
pub fn given<A: Aggregate>(events: impl IntoIterator<Item = A::Event>) -> Given<A> {
    Given {
        events: events.into_iter().collect(),
        codec: Codec::default(),
        id: "test".into(),
        now: Timestamp::default(),
        metadata: Metadata::default(),
    }
}

/// An aggregate before the command under test.
#[must_use = "a test checks nothing before `when` and `then`"]
pub struct Given<A: Aggregate> {
    events: Vec<A::Event>,
    codec: Codec,
    id: std::sync::Arc<str>,
    now: Timestamp,
    metadata: Metadata,
}

impl<A: Aggregate> Given<A> {
    /// Sets the id of the aggregate. Default: `test`.
    pub fn with_id(mut self, id: &str) -> Self {
        self.id = id.into();
        self
    }

    /// Sets the time of the decision. Default: the start of 1970.
    pub fn at(mut self, now: Timestamp) -> Self {
        self.now = now;
        self
    }

    /// Sets the metadata of the command.
    pub fn with_metadata(mut self, metadata: Metadata) -> Self {
        self.metadata = metadata;
        self
    }

    /// Sets the codec that the events are checked with. Default: the default codec.
    pub fn with_codec(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self
    }

    /// Decides the command under test. Every event, given or new, must be the same after it was stored and read.
    #[must_use = "a test checks nothing before `then`"]
    #[track_caller]
    pub fn when(self, command: A::Command) -> Outcome<A> {
        let mut state = A::default();
        for event in &self.events {
            state.apply(&through_codec(self.codec, event));
        }
        let version = Version::new(self.events.len() as u64);
        let id = CommandId::from("the command under test");
        let context = Context::new(self.id, version, self.now, id).with_metadata(self.metadata);
        let decided = state.decide(command, &context);
        for event in decided.iter().flatten() {
            // Recovery applies events that were read back from their bytes.
            state.apply(&through_codec(self.codec, event));
        }
        Outcome { decided, state }
    }
}

#[track_caller]
pub(super) fn through_codec<E: actuarius_domain::Event>(codec: Codec, event: &E) -> E {
    in_clear(|| through_bytes(codec, event))
}

#[track_caller]
fn through_bytes<E: actuarius_domain::Event>(codec: Codec, event: &E) -> E {
    match codec.encode_event_checked(event, &mut Vec::new()) {
        Ok((_, back)) => back,
        Err(error) => fail(&format!("an event cannot be stored with {codec:?}: {error}")),
    }
}

/// The result of a decision.
pub struct Outcome<A: Aggregate> {
    decided: Result<Vec<A::Event>, A::Error>,
    state: A,
}

impl<A: Aggregate> Outcome<A> {
    /// Checks that the decision was these events, in this order.
    #[track_caller]
    pub fn then(self, expected: impl IntoIterator<Item = A::Event>) -> Self
    where
        A::Event: Debug + PartialEq,
    {
        let expected: Vec<_> = expected.into_iter().collect();
        match &self.decided {
            Ok(events) if *events == expected => self,
            Ok(events) => fail(&format!("expected {expected:?}, got {events:?}")),
            Err(rejection) => fail(&format!("expected {expected:?}, was rejected: {rejection}")),
        }
    }

    /// Checks that the decision was to do nothing.
    #[track_caller]
    pub fn then_nothing(self) -> Self
    where
        A::Event: Debug + PartialEq,
    {
        self.then([])
    }

    /// Checks that the command was rejected with this error.
    #[track_caller]
    pub fn then_rejected(self, expected: A::Error) -> Self
    where
        A::Error: PartialEq,
        A::Event: Debug,
    {
        match &self.decided {
            Err(rejection) if *rejection == expected => self,
            Err(rejection) => fail(&format!("expected {expected:?}, got {rejection:?}")),
            Ok(events) => fail(&format!("expected the rejection {expected:?}, got {events:?}")),
        }
    }

    /// Checks the state after the events.
    #[track_caller]
    pub fn then_state(self, expected: &A) -> Self
    where
        A: Debug + PartialEq,
    {
        if self.state == *expected {
            return self;
        }
        fail(&format!("expected the state {expected:?}, got {:?}", self.state))
    }

    /// Checks that `check` is true of the state after the events.
    #[track_caller]
    pub fn then_state_is(self, what: &str, check: impl FnOnce(&A) -> bool) -> Self {
        if check(&self.state) { self } else { fail(&format!("the state is not {what}")) }
    }
}
