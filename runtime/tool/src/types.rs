//! The aggregate types and sagas a program has registered: what only their code can read.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};

use actuarius::erasure::PersonalError;
use actuarius::erasure::showing;
use actuarius::error::CodecError;
use actuarius::history::{History, Moment};
use actuarius::inspection::{self, SagaIndexes};
use actuarius::saga::Saga;
use actuarius::store::{CommitView, EventView};
use actuarius::{Aggregate, Codec, Envelope, Failure, Header, Version};

use crate::engine::Engine;
use crate::value::{self, Json};

/// All of them, by the names their streams begin with.
#[derive(Default)]
pub(crate) struct Types {
    aggregates: BTreeMap<&'static str, Box<dyn Known>>,
    sagas: Vec<fn(SagaIndexes) -> SagaIndexes>,
}

impl Types {
    pub(crate) fn add<A: Aggregate>(&mut self) {
        self.aggregates.insert(A::TYPE, Box::new(Type::<A>(PhantomData)));
    }

    pub(crate) fn add_saga<S: Saga>(&mut self) {
        self.sagas.push(SagaIndexes::knowing::<S>);
    }

    pub(crate) fn find(&self, category: &str) -> Option<&dyn Known> {
        self.aggregates.get(category).map(|known| &**known)
    }

    /// Empty boards that read all registered sagas.
    pub(crate) fn boards(&self) -> SagaIndexes {
        self.sagas.iter().fold(SagaIndexes::default(), |boards, add| add(boards))
    }
}

/// A registered aggregate type.
pub(crate) trait Known: Send + Sync {
    /// What a stored event is today.
    fn today(&self, commit: &CommitView<'_>, event: &EventView<'_>) -> Result<Vec<Today>, Unread>;

    /// The state at a moment.
    fn as_of(&self, engine: &Engine, id: &str, at: Moment) -> Result<Was, Failure>;

    /// The states behind the events from this version on.
    fn states<'e>(&self, engine: &'e Engine, id: &str, from: Version) -> Box<dyn States + 'e>;

    /// A state without any event.
    fn replay(&self) -> Box<dyn Replay>;
}

/// A state being folded from its events.
pub(crate) trait Replay {
    /// Folds in the next event.
    fn take(&mut self, commit: &CommitView<'_>, event: &EventView<'_>) -> Result<(), String>;

    /// The state so far.
    fn state(&self) -> Result<Json, String>;
}

/// An event as its type reads it: of today's shape.
pub(crate) struct Today {
    pub(crate) header: Header,
    /// The content of its variant.
    pub(crate) content: Json,
}

/// Why there is no value of an event.
pub(crate) enum Unread {
    /// There is personal data in it, and no key to open it.
    Sealed,
    Undecodable(String),
}

impl From<CodecError> for Unread {
    fn from(error: CodecError) -> Self {
        match error {
            CodecError::Personal(PersonalError::NoKeys) => Self::Sealed,
            error => Self::Undecodable(error.to_string()),
        }
    }
}

impl From<String> for Unread {
    fn from(why: String) -> Self {
        Self::Undecodable(why)
    }
}

/// Whether a state could not be had because there is personal data in it, and no key to open it.
pub(crate) fn is_sealed(failure: &Failure) -> bool {
    let Failure::Undecodable(undecodable) = failure else { return false };
    undecodable.error == CodecError::Personal(PersonalError::NoKeys)
}

/// The state of an aggregate at a moment.
pub(crate) struct Was {
    pub(crate) version: Version,
    pub(crate) state: Result<Json, String>,
}

/// The states of an aggregate, one after the other.
pub(crate) trait States {
    /// The state behind the next event: one for each event of today.
    fn next(&mut self) -> Result<Option<Was>, Failure>;
}

struct Type<A>(PhantomData<fn() -> A>);

impl<A: Aggregate> Known for Type<A> {
    fn today(&self, commit: &CommitView<'_>, event: &EventView<'_>) -> Result<Vec<Today>, Unread> {
        guarded(|| {
            let envelopes = inspection::envelopes::<A>(commit, event).map_err(|it| it.error)?;
            Ok(envelopes.into_iter().map(today).collect::<Result<_, _>>()?)
        })
    }

    fn as_of(&self, engine: &Engine, id: &str, at: Moment) -> Result<Was, Failure> {
        let past = engine.wait(engine.host::<A>().as_of(id, at))?;
        Ok(Was { version: past.version, state: state(&past.state) })
    }

    fn states<'e>(&self, engine: &'e Engine, id: &str, from: Version) -> Box<dyn States + 'e> {
        let history = engine.host::<A>().history(id).from(from);
        Box::new(Stepping { engine, history })
    }

    fn replay(&self) -> Box<dyn Replay> {
        Box::new(Folding(A::default()))
    }
}

struct Folding<A>(A);

impl<A: Aggregate> Replay for Folding<A> {
    fn take(&mut self, commit: &CommitView<'_>, event: &EventView<'_>) -> Result<(), String> {
        guarded(|| {
            let envelopes = inspection::envelopes::<A>(commit, event);
            let envelopes = envelopes.map_err(|undecodable| undecodable.to_string())?;
            envelopes.iter().for_each(|envelope| self.0.apply(&envelope.event));
            Ok(())
        })
    }

    fn state(&self) -> Result<Json, String> {
        state(&self.0)
    }
}

struct Stepping<'e, A: Aggregate> {
    engine: &'e Engine,
    history: History<A>,
}

impl<A: Aggregate> States for Stepping<'_, A> {
    fn next(&mut self) -> Result<Option<Was>, Failure> {
        let step = self.engine.wait(self.history.next())?;
        let was = |version, state_then: &A| Was { version, state: state(state_then) };
        Ok(step.map(|step| was(step.envelope.header.version, step.state)))
    }
}

fn today<A: Aggregate>(envelope: Envelope<A>) -> Result<Today, String> {
    let mut content = Vec::new();
    let written = showing(|| Codec::Json.encode_event(&envelope.event, &mut content));
    written.map_err(|error| error.to_string())?;
    let text = std::str::from_utf8(&content).map_err(|error| error.to_string())?;
    Ok(Today { header: envelope.header, content: value::raw(text)? })
}

fn state<A: Aggregate>(state: &A) -> Result<Json, String> {
    guarded(|| showing(|| value::json(state)))
}

/// The code of an aggregate may panic, here as in a runtime.
fn guarded<T, E: From<String>>(code: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    // What it leaves half changed is not used any more.
    let done = catch_unwind(AssertUnwindSafe(code));
    done.unwrap_or_else(|_| Err("the code of its type panicked".to_owned().into()))
}
