//! The test kit of in-memory projections.

use std::fmt::Debug;

use actuarius_domain::{Aggregate, Projection, ReadModel, Timestamp};
use actuarius_persistence::Codec;
use actuarius_persistence::personal::in_clear;

use super::fail::fail;
use super::history::History;

/// Begins a test of an in-memory view, which is empty.
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
/// use actuarius::testing::view;
/// use actuarius::Envelope;
/// use actuarius::projection::Projection;
///
/// #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
/// struct Sum(i64);
///
/// impl Projection<Counter> for Sum {
///     fn project(&mut self, envelope: &Envelope<Counter>) {
///         let Counted::Added(amount) = envelope.event;
///         self.0 += amount;
///     }
/// }
///
/// view::<Sum>()
///     .given::<Counter>("visits", [Counted::Added(1), Counted::Added(2)])
///     .given::<Counter>("clicks", [Counted::Added(4)])
///     .then(&Sum(7));
/// ```
#[must_use = "a test checks nothing before `then`"]
pub fn view<P: ReadModel>() -> ViewUnderTest<P> {
    ViewUnderTest { view: P::default(), history: History::default(), codec: Codec::SNAPSHOTS }
}

/// An in-memory view under test, with the events it was given.
#[must_use = "a test checks nothing before `then`"]
pub struct ViewUnderTest<P> {
    view: P,
    history: History,
    codec: Codec,
}

impl<P: ReadModel> ViewUnderTest<P> {
    /// Sets the codec that events and view are checked with. Default: the default codec.
    pub fn with_codec(mut self, codec: Codec) -> Self {
        self.history.use_codec(codec);
        self.codec = codec;
        self
    }

    /// Sets the time of the next events. Default: the start of 1970.
    pub fn at(mut self, time: Timestamp) -> Self {
        self.history.move_clock(time);
        self
    }

    /// Projects the next events of an aggregate; after each call the view is saved and read back,
    /// as a restart would do.
    #[track_caller]
    pub fn given<A: Aggregate>(
        mut self,
        id: &str,
        events: impl IntoIterator<Item = A::Event>,
    ) -> Self
    where
        P: Projection<A>,
    {
        for envelope in self.history.envelopes::<A>(id, events) {
            self.view.project(&envelope);
        }
        self.view = through_codec(self.codec, &self.view);
        self
    }

    /// Checks the view.
    #[track_caller]
    pub fn then(self, expected: &P) -> Self
    where
        P: Debug + PartialEq,
    {
        if self.view == *expected {
            return self;
        }
        fail(&format!("expected the view {expected:?}, got {:?}", self.view))
    }

    /// Checks that `check` is true of the view.
    #[track_caller]
    pub fn then_is(self, what: &str, check: impl FnOnce(&P) -> bool) -> Self {
        if check(&self.view) { self } else { fail(&format!("the view is not {what}")) }
    }
}

#[track_caller]
fn through_codec<P: ReadModel>(codec: Codec, view: &P) -> P {
    in_clear(|| through_bytes(codec, view))
}

#[track_caller]
fn through_bytes<P: ReadModel>(codec: Codec, view: &P) -> P {
    match codec.encode_checked(view, &mut Vec::new()) {
        Ok(view) => view,
        Err(error) => fail(&format!("the view cannot be saved with {codec:?}: {error}")),
    }
}
