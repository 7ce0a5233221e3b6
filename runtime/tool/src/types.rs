//! The aggregate types and sagas a program has registered: what only their code can read.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};

use actuarius::inspection::SagaBoards;
use actuarius::persistence::EventView;
use actuarius::{Aggregate, Codec, Saga};

use crate::value::{self, Json};

/// All of them, by the names their streams begin with.
#[derive(Default)]
pub(crate) struct Types {
    aggregates: BTreeMap<&'static str, Box<dyn Known>>,
    sagas: Vec<fn(SagaBoards) -> SagaBoards>,
}

impl Types {
    pub(crate) fn add<A: Aggregate>(&mut self) {
        self.aggregates.insert(A::TYPE, Box::new(Type::<A>(PhantomData)));
    }

    pub(crate) fn add_saga<S: Saga>(&mut self) {
        self.sagas.push(SagaBoards::knowing::<S>);
    }

    pub(crate) fn find(&self, category: &str) -> Option<&dyn Known> {
        self.aggregates.get(category).map(|known| &**known)
    }

    /// Empty boards that read all registered sagas.
    pub(crate) fn boards(&self) -> SagaBoards {
        self.sagas.iter().fold(SagaBoards::default(), |boards, add| add(boards))
    }
}

/// A registered aggregate type.
pub(crate) trait Known: Send + Sync {
    /// The content of the event's variant, as JSON.
    fn content(&self, event: &EventView<'_>) -> Result<Json, String>;

    /// A state without any event.
    fn unborn(&self) -> Box<dyn State>;
}

/// The state of an aggregate whose type is forgotten.
pub(crate) trait State {
    /// Folds in the next event of the stream.
    fn take(&mut self, event: &EventView<'_>) -> Result<(), String>;

    /// The state as JSON.
    fn json(&self) -> Result<Json, String>;
}

struct Type<A>(PhantomData<fn() -> A>);

impl<A: Aggregate> Known for Type<A> {
    fn content(&self, event: &EventView<'_>) -> Result<Json, String> {
        guarded(|| {
            let decoded: A::Event = event.decode().map_err(|error| error.to_string())?;
            let mut content = Vec::new();
            Codec::Json.encode_event(&decoded, &mut content).map_err(|error| error.to_string())?;
            value::raw(std::str::from_utf8(&content).map_err(|error| error.to_string())?)
        })
    }

    fn unborn(&self) -> Box<dyn State> {
        Box::new(Folding(A::default()))
    }
}

struct Folding<A>(A);

impl<A: Aggregate> State for Folding<A> {
    fn take(&mut self, event: &EventView<'_>) -> Result<(), String> {
        guarded(|| {
            let decoded: A::Event = event.decode().map_err(|error| error.to_string())?;
            self.0.apply(&decoded);
            Ok(())
        })
    }

    fn json(&self) -> Result<Json, String> {
        guarded(|| value::json(&self.0))
    }
}

/// The code of an aggregate may panic, here as in a runtime.
fn guarded<T>(code: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    // What it leaves half changed is not used any more.
    catch_unwind(AssertUnwindSafe(code))
        .unwrap_or_else(|_| Err("the code of its type panicked".to_owned()))
}
