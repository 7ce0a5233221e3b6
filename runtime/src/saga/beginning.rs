//! `Beginning`: the first reaction of an instance that begins without an event.

use std::mem;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, PoisonError};

use actuarius_domain::Saga;

use super::draft::{Draft, Refused};
use super::stored::Step;
use super::targets::Reaction;
use crate::base::panics::guarded;

/// The first reaction of an instance. It runs once. The optimistic start gives no reason for a refusal, because
/// it rests on an assumed state, so a refused step is decided again on a known state, with the same result.
pub(super) struct Beginning<S: Saga>(Arc<Mutex<First<S>>>);

enum First<S: Saga> {
    Waits(Reaction<S>),
    Reacted(S, Box<Step>),
    Refused(Refused),
    Panicked(String),
}

impl<S: Saga> Clone for Beginning<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S: Saga> Beginning<S> {
    pub(super) fn of(reaction: Reaction<S>) -> Self {
        Self(Arc::new(Mutex::new(First::Waits(reaction))))
    }

    /// Drafts the step.
    ///
    /// # Panics
    /// If the reaction panics, each time.
    pub(super) fn reacting<'a>(&self, draft: Draft<'a, S>) -> Result<Draft<'a, S>, Refused> {
        let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let unfinished = First::Panicked("the reaction did not finish".to_owned());
        let (kept, reacted) = match mem::replace(&mut *first, unfinished) {
            First::Waits(reaction) => run(draft, reaction),
            First::Reacted(saga, step) => {
                let again = draft.with(saga.clone(), (*step).clone());
                (First::Reacted(saga, step), Ok(Ok(again)))
            }
            First::Refused(why) => (First::Refused(why.clone()), Ok(Err(why))),
            First::Panicked(message) => (First::Panicked(message.clone()), Err(message)),
        };
        *first = kept;
        drop(first);
        reacted.unwrap_or_else(|message| resume_unwind(Box::new(message)))
    }
}

type Reacted<'a, S> = Result<Result<Draft<'a, S>, Refused>, String>;

fn run<S: Saga>(draft: Draft<'_, S>, reaction: Reaction<S>) -> (First<S>, Reacted<'_, S>) {
    let reacted = guarded(|| draft.reacting(reaction));
    let kept = match &reacted {
        Ok(Ok(draft)) => draft.kept(),
        Ok(Err(why)) => First::Refused(why.clone()),
        Err(message) => First::Panicked(message.clone()),
    };
    (kept, reacted)
}

impl<S: Saga> Draft<'_, S> {
    fn kept(&self) -> First<S> {
        First::Reacted(self.saga().clone(), Box::new(self.step.clone()))
    }
}
