//! The aggregate types and sagas that a program has registered, whose code decodes events and computes states.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};

use actuarius::erasure::PersonalError;
use actuarius::erasure::showing;
use actuarius::error::{CodecError, ReadError};
use actuarius::history::{History, Moment};
use actuarius::inspection::{self, SagaIndexes, Shapes};
use actuarius::saga::Saga;
use actuarius::store::{CommitView, EventView, Reader};
use actuarius::{Aggregate, Codec, Envelope, Failure, Header, Version};

use crate::engine::Engine;
use crate::value::{self, Json};

/// All registered types, by the category of their streams.
#[derive(Default)]
pub(crate) struct Types {
    aggregates: BTreeMap<&'static str, Box<dyn KnownType>>,
    sagas: Vec<fn(SagaIndexes) -> SagaIndexes>,
}

impl Types {
    pub(crate) fn add<A: Aggregate>(&mut self) {
        self.aggregates.insert(A::TYPE, Box::new(Type::<A>(PhantomData)));
    }

    pub(crate) fn add_saga<S: Saga>(&mut self) {
        self.sagas.push(SagaIndexes::knowing::<S>);
    }

    /// Reads the shapes of event types that are recorded in a store. Without registered types, none are needed.
    pub(crate) fn shapes(&self, reader: &dyn Reader) -> Result<Shapes, ReadError> {
        if self.aggregates.is_empty() { Ok(Shapes::default()) } else { Shapes::read(reader) }
    }

    pub(crate) fn has_aggregates(&self) -> bool {
        !self.aggregates.is_empty()
    }

    pub(crate) fn find(&self, category: &str) -> Option<&dyn KnownType> {
        self.aggregates.get(category).map(|known| &**known)
    }

    /// Empty indexes that decode all registered sagas.
    pub(crate) fn indexes(&self) -> SagaIndexes {
        self.sagas.iter().fold(SagaIndexes::default(), |indexes, add| add(indexes))
    }
}

/// A registered aggregate type.
pub(crate) trait KnownType: Send + Sync {
    /// A stored event in today's form.
    fn current(
        &self,
        shapes: &Shapes,
        commit: &CommitView<'_>,
        event: &EventView<'_>,
    ) -> Result<Vec<CurrentEvent>, NotDecoded>;

    /// Decodes a stored event as the runtime does.
    fn decode(
        &self,
        shapes: &Shapes,
        commit: &CommitView<'_>,
        event: &EventView<'_>,
    ) -> Result<(), NotDecoded>;

    /// Computes the state at a moment.
    fn as_of(&self, engine: &Engine, id: &str, at: Moment) -> Result<StateAt, Failure>;

    /// The states after the events from this version on.
    fn states<'e>(&self, engine: &'e Engine, id: &str, from: Version) -> Box<dyn States + 'e>;

    /// Begins a replay, at the state before the first event.
    fn replay(&self) -> Box<dyn Replay>;
}

/// A state that is being rebuilt from its events.
pub(crate) trait Replay {
    /// Applies the next event.
    fn take(
        &mut self,
        shapes: &Shapes,
        commit: &CommitView<'_>,
        event: &EventView<'_>,
    ) -> Result<(), String>;

    /// The state so far.
    fn state(&self) -> Result<Json, String>;
}

/// An event in today's form, as its type reads it.
pub(crate) struct CurrentEvent {
    pub(crate) header: Header,
    /// The content of the event's variant.
    pub(crate) content: Json,
}

/// Why an event has no value.
pub(crate) enum NotDecoded {
    /// The event contains personal data, and no key is available to decrypt it.
    Sealed,
    Undecodable(String),
}

impl From<CodecError> for NotDecoded {
    fn from(error: CodecError) -> Self {
        match error {
            CodecError::Personal(PersonalError::NoKeys) => Self::Sealed,
            error => Self::Undecodable(error.to_string()),
        }
    }
}

impl From<String> for NotDecoded {
    fn from(why: String) -> Self {
        Self::Undecodable(why)
    }
}

/// Whether a state is unavailable because it contains personal data and no key is available to decrypt it.
pub(crate) fn is_sealed(failure: &Failure) -> bool {
    let Failure::Undecodable(undecodable) = failure else { return false };
    undecodable.error == CodecError::Personal(PersonalError::NoKeys)
}

/// The state of an aggregate at a moment.
pub(crate) struct StateAt {
    pub(crate) version: Version,
    pub(crate) state: Result<Json, String>,
}

/// The successive states of an aggregate.
pub(crate) trait States {
    /// The state after the next event, one for each event in today's form.
    fn next(&mut self) -> Result<Option<StateAt>, Failure>;
}

struct Type<A>(PhantomData<fn() -> A>);

impl<A: Aggregate> KnownType for Type<A> {
    fn current(
        &self,
        shapes: &Shapes,
        commit: &CommitView<'_>,
        event: &EventView<'_>,
    ) -> Result<Vec<CurrentEvent>, NotDecoded> {
        guarded(|| {
            let envelopes = inspection::envelopes::<A>(shapes, commit, event);
            let envelopes = envelopes.map_err(|it| it.error)?;
            Ok(envelopes.into_iter().map(current).collect::<Result<_, _>>()?)
        })
    }

    fn decode(
        &self,
        shapes: &Shapes,
        commit: &CommitView<'_>,
        event: &EventView<'_>,
    ) -> Result<(), NotDecoded> {
        guarded(|| {
            Ok(inspection::envelopes::<A>(shapes, commit, event)
                .map(drop)
                .map_err(|it| it.error)?)
        })
    }

    fn as_of(&self, engine: &Engine, id: &str, at: Moment) -> Result<StateAt, Failure> {
        let past = engine.wait(engine.host::<A>().as_of(id, at))?;
        Ok(StateAt { version: past.version, state: state(&past.state) })
    }

    fn states<'e>(&self, engine: &'e Engine, id: &str, from: Version) -> Box<dyn States + 'e> {
        let history = engine.host::<A>().history(id).from(from);
        Box::new(HistoryStates { engine, history })
    }

    fn replay(&self) -> Box<dyn Replay> {
        Box::new(Replaying(A::default()))
    }
}

struct Replaying<A>(A);

impl<A: Aggregate> Replay for Replaying<A> {
    fn take(
        &mut self,
        shapes: &Shapes,
        commit: &CommitView<'_>,
        event: &EventView<'_>,
    ) -> Result<(), String> {
        guarded(|| {
            let envelopes = inspection::envelopes::<A>(shapes, commit, event);
            let envelopes = envelopes.map_err(|undecodable| undecodable.to_string())?;
            envelopes.iter().for_each(|envelope| self.0.apply(&envelope.event));
            Ok(())
        })
    }

    fn state(&self) -> Result<Json, String> {
        state(&self.0)
    }
}

struct HistoryStates<'e, A: Aggregate> {
    engine: &'e Engine,
    history: History<A>,
}

impl<A: Aggregate> States for HistoryStates<'_, A> {
    fn next(&mut self) -> Result<Option<StateAt>, Failure> {
        let step = self.engine.wait(self.history.next())?;
        let was = |version, state_then: &A| StateAt { version, state: state(state_then) };
        Ok(step.map(|step| was(step.envelope.header.version, step.state)))
    }
}

fn current<A: Aggregate>(envelope: Envelope<A>) -> Result<CurrentEvent, String> {
    let mut content = Vec::new();
    let written = showing(|| Codec::Json.encode_event(&envelope.event, &mut content));
    written.map_err(|error| error.to_string())?;
    let text = std::str::from_utf8(&content).map_err(|error| error.to_string())?;
    Ok(CurrentEvent { header: envelope.header, content: value::raw(text)? })
}

fn state<A: Aggregate>(state: &A) -> Result<Json, String> {
    guarded(|| showing(|| value::json(state)))
}

/// Runs the code of an aggregate, which may panic.
fn guarded<T, E: From<String>>(code: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    // A state that the panic leaves half changed is not used again.
    let done = catch_unwind(AssertUnwindSafe(code));
    done.unwrap_or_else(|_| Err("the code of its type panicked".to_owned().into()))
}
