use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Context, Upcasters};

/// A consistency boundary: state, the commands it answers, and the events it lives on.
///
/// An aggregate is pure. [`decide`](Aggregate::decide) looks at the state and a command and says
/// which events follow, or why not; [`apply`](Aggregate::apply) folds one event into the state.
/// Neither reads a clock, draws random numbers or does I/O: the [`Context`] brings what is needed.
///
/// The state is serializable because an idle aggregate leaves memory through a snapshot. Fields
/// that can be rebuilt may be marked `#[serde(skip)]` only if `apply` does not depend on them.
///
/// ```
/// use std::convert::Infallible;
///
/// use actuarius_domain::{Aggregate, Context};
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
    /// The category: the first half of every stream's name. It is stored with each event, so it
    /// must never change once events exist. 1 to [`MAX_TYPE_BYTES`](crate::MAX_TYPE_BYTES) bytes.
    const TYPE: &'static str;

    /// The version of the state's serialized shape. Raise it when a change of the state's fields
    /// would make an old snapshot wrong: older snapshots are then ignored and rebuilt from events.
    const STATE_VERSION: u32 = 1;

    /// A request, in the imperative.
    type Command: Send + 'static;

    /// A fact, in the past tense: an externally tagged enum, serde's default.
    type Event: Event;

    /// A rejection: a business no, not a failure.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Decides what follows from a command: the events, all or none of which become facts.
    ///
    /// No events means that there is nothing to do: the command is accepted and nothing is stored.
    ///
    /// # Errors
    /// The rejection. Nothing is written.
    fn decide(
        &self,
        command: Self::Command,
        context: &Context,
    ) -> Result<Vec<Self::Event>, Self::Error>;

    /// Folds one event into the state. Total: it never fails, because the event is a fact.
    ///
    /// # Panics
    /// It must not. If it does, the runtime quarantines the aggregate.
    fn apply(&mut self, event: &Self::Event);

    /// The schema version stored in the header of an event with this name. Raise it together with
    /// a change of that event's fields, so that old records can be told from new ones, and say in
    /// [`upcasters`](Self::upcasters) how the old ones are read: without that, they are not.
    ///
    /// With a codec that describes itself (JSON, MessagePack) a change that serde bridges, such as a
    /// new field with a default, needs no upcaster. Then leave the version as it is.
    fn schema_version(event_type: &str) -> u32 {
        let _ = event_type;
        1
    }

    /// How events that older releases have stored are read today. It is asked once, and must always
    /// say the same.
    #[must_use]
    fn upcasters() -> Upcasters {
        Upcasters::new()
    }
}

/// What every event can do: be stored and read back. Implemented for all types that qualify.
pub trait Event: Serialize + DeserializeOwned + Send + Sync + 'static {}

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Event for T {}
