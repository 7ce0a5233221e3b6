//! The `Aggregate` trait: state, commands, events, and the two pure functions between them.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Context, Upcasters};

/// A consistency boundary: state, the commands it handles, and the events it is built from.
///
/// An aggregate is pure. [`decide`](Aggregate::decide) takes the state and a command and returns
/// the resulting events, or a rejection; [`apply`](Aggregate::apply) folds one event into the state.
/// Neither reads a clock, draws random numbers or does I/O: the [`Context`] provides those inputs.
///
/// The state is serializable because an idle aggregate is unloaded into a snapshot. Whenever a snapshot is taken,
/// the state that was read back from it becomes the live one. So a field may be marked `#[serde(skip)]` only if
/// neither `apply` nor `decide` depends on it. The same holds for whatever else `Serialize` leaves out.
///
/// ```
/// use std::convert::Infallible;
///
/// # use actuarius_domain as actuarius;
/// use actuarius::{Aggregate, Context};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Default, Serialize, Deserialize)]
/// struct Counter(i64);
///
/// #[derive(Serialize, Deserialize)]
/// enum Counted {
///     Added(i64),
/// }
///
/// impl Aggregate for Counter {
///     const TYPE: &'static str = "counter";
///     type Command = i64;
///     type Event = Counted;
///     type Error = Infallible;
///
///     fn decide(&self, amount: i64, _: &Context) -> Result<Vec<Counted>, Infallible> {
///         Ok(vec![Counted::Added(amount)])
///     }
///
///     fn apply(&mut self, Counted::Added(amount): &Counted) {
///         self.0 += amount;
///     }
/// }
///
/// let mut counter = Counter::default();
/// for event in counter.decide(5, &Context::default()).unwrap() {
///     counter.apply(&event);
/// }
/// assert_eq!(counter.0, 5);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an aggregate",
    note = "implement `Aggregate` for it: TYPE, Command, Event, Error, decide and apply",
    note = "the state must derive `Default`, `serde::Serialize` and `serde::Deserialize`"
)]
pub trait Aggregate: Default + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The category: the first half of the name of each stream. It is stored with each event, so it
    /// must never change once events exist. 1 to [`MAX_TYPE_BYTES`](crate::MAX_TYPE_BYTES) bytes.
    const TYPE: &'static str;

    /// The version of the meaning of the state. Raise it when the meaning changes and the fields do not, or
    /// when `apply` was wrong: older snapshots are then ignored, and the state is rebuilt from events. A
    /// change of the fields needs no new version, because snapshots carry a fingerprint of the state's
    /// shape. The fingerprint does not cover how a `Deserialize` written by hand interprets a value.
    const STATE_VERSION: u32 = 1;

    /// A request, named in the imperative.
    type Command: Send + 'static;

    /// A fact, named in the past tense: an externally tagged enum, which is serde's default.
    type Event: Event;

    /// A rejection: a refusal by a business rule, not a technical failure.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Returns the events that follow from a command. Either all of them are stored or none.
    ///
    /// If there are no events, the command is accepted and nothing is stored.
    ///
    /// # Errors
    /// Returns the rejection. Nothing is written.
    fn decide(
        &self,
        command: Self::Command,
        context: &Context,
    ) -> Result<Vec<Self::Event>, Self::Error>;

    /// Folds one event into the state. It cannot fail, because the event has already happened.
    ///
    /// # Panics
    /// It must not panic. If it does, the runtime quarantines the aggregate.
    fn apply(&mut self, event: &Self::Event);

    /// Returns the schema version stored in the header of an event with this name. Raise it together
    /// with a change of that event's fields, so that old records can be distinguished from new ones,
    /// and define in [`upcasters`](Self::upcasters) how the old ones are read. Without an upcaster, or the
    /// [declaration](Upcasters::never_stored) that there are none, the type is not hosted.
    ///
    /// With a self-describing codec (JSON, MessagePack) a change that serde bridges, such as a
    /// new field with a default, needs no upcaster. In that case leave the version as it is.
    fn schema_version(event_type: &str) -> u32 {
        let _ = event_type;
        1
    }

    /// Returns how events stored by older releases are read. It is called once, and must always
    /// return the same upcasters.
    #[must_use]
    fn upcasters() -> Upcasters {
        Upcasters::new()
    }
}

/// An event that can be stored and read back. Implemented for all types that qualify.
pub trait Event: Serialize + DeserializeOwned + Send + Sync + 'static {}

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Event for T {}
