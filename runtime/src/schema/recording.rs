//! [`EventShapes`]: records the shape of each event type of an aggregate type before its first event is stored.

use std::cell::RefCell;
use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use actuarius_domain::Aggregate;
use actuarius_persistence::{Codec, CodecError, Notes, RecordedShape};
use smallvec::SmallVec;

use super::names::EventTypes;
use super::recorded::{self, StoreShapes};
use super::shape::{self, is_self_describing};

/// Which event types of one aggregate type have a recorded shape.
pub(crate) struct EventShapes {
    /// By name, whether events of the type may be stored. Once set, it is never unset.
    recorded: Box<[(&'static str, AtomicBool)]>,
    /// Whether other events may be stored: those that may not be, and those whose names are not known before.
    others: Mutex<HashMap<Box<str>, Result<(), CodecError>>>,
}

impl EventShapes {
    pub(crate) fn of<A: Aggregate>() -> Self {
        let names = EventTypes::of::<A>().names().unwrap_or_default();
        let recorded = names.iter().map(|name| (*name, AtomicBool::new(false))).collect();
        Self { recorded, others: Mutex::default() }
    }

    /// Collects the event types of a commit that `codec` encodes.
    pub(crate) fn writing<A: Aggregate>(&self, codec: Codec) -> Writing<'_, A> {
        let shapes = (!is_self_describing(codec)).then_some(self);
        Writing { shapes, codec, new: RefCell::default(), aggregate: PhantomData }
    }

    fn is_recorded(&self, name: &str) -> bool {
        let listed = self.recorded.iter().find(|(known, _)| *known == name);
        listed.is_some_and(|(_, recorded)| recorded.load(Ordering::Acquire))
    }

    /// Returns the notes that record the shape of an event type, unless they were handed over before.
    fn check<A: Aggregate>(
        &self,
        name: &str,
        codec: Codec,
        shapes: &StoreShapes,
    ) -> Result<Option<Notes>, CodecError> {
        if let Some(known) = self.others().get(name) {
            return known.clone().map(|()| None);
        }
        // The user's code runs while nothing is locked. Two commits may trace the same event type: they find the same.
        to_record::<A>(name, codec, shapes).inspect_err(|error| {
            self.others().entry(name.into()).or_insert_with(|| Err(error.clone()));
        })
    }

    fn others(&self) -> MutexGuard<'_, HashMap<Box<str>, Result<(), CodecError>>> {
        self.others.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands the shapes over through `store`, before the commit is handed over. Until this returns, other commits
    /// with the same event types hand them over as well.
    pub(crate) fn hand_over(&self, new: NewShapes, mut store: impl FnMut(Notes)) {
        for (name, notes) in new.0 {
            if let Some(notes) = notes {
                store(notes);
            }
            // An append that is handed over from here on comes after the note.
            match self.recorded.iter().find(|(known, _)| *known == name) {
                Some((_, recorded)) => recorded.store(true, Ordering::Release),
                None => {
                    self.others().insert(name.into(), Ok(()));
                }
            }
        }
    }
}

/// The event types of a commit that no commit before had, with the notes that record their shapes.
#[must_use]
pub(crate) struct NewShapes(SmallVec<[(String, Option<Notes>); 1]>);

/// The event types of a commit that is being encoded.
pub(crate) struct Writing<'a, A> {
    /// `None` if the codec is self-describing.
    shapes: Option<&'a EventShapes>,
    codec: Codec,
    new: RefCell<SmallVec<[String; 1]>>,
    aggregate: PhantomData<fn() -> A>,
}

impl<A: Aggregate> Writing<'_, A> {
    /// Returns the schema version of an event type, and notes that an event of it is written.
    pub(crate) fn schema_version(&self, name: &str) -> u32 {
        if self.shapes.is_some_and(|shapes| !shapes.is_recorded(name)) {
            let mut new = self.new.borrow_mut();
            if !new.iter().any(|known| known == name) {
                new.push(name.to_owned());
            }
        }
        A::schema_version(name)
    }

    /// Checks the shapes of the event types that were not recorded before.
    ///
    /// # Errors
    /// [`CodecError::OtherShape`] or [`CodecError::UnknownShape`]: the commit must not be stored.
    pub(crate) fn check(self, recorded: &StoreShapes) -> Result<NewShapes, CodecError> {
        let Some(shapes) = self.shapes else { return Ok(NewShapes(SmallVec::new())) };
        let checked = self.new.into_inner().into_iter().map(|name| {
            let notes = shapes.check::<A>(&name, self.codec, recorded)?;
            Ok((name, notes))
        });
        checked.collect::<Result<_, _>>().map(NewShapes)
    }

    /// Checks them, and hands them over through `store`.
    ///
    /// # Errors
    /// Those of [`check`](Self::check).
    pub(crate) fn record(
        self,
        recorded: &StoreShapes,
        store: impl FnMut(Notes),
    ) -> Result<(), CodecError> {
        let shapes = self.shapes;
        let new = self.check(recorded)?;
        if let Some(shapes) = shapes {
            shapes.hand_over(new, store);
        }
        Ok(())
    }
}

/// Returns the notes that record the shape of an event type, or `None` if it is recorded.
fn to_record<A: Aggregate>(
    name: &str,
    codec: Codec,
    shapes: &StoreShapes,
) -> Result<Option<Notes>, CodecError> {
    let words = shape::variant::<A::Event>(name).words;
    let known = shapes.find(A::TYPE, name, A::schema_version(name));
    if let Some(other) = known.and_then(recorded::compare::<A::Event>) {
        return Err(other);
    }
    let words = words.map_err(|unknown| CodecError::UnknownShape {
        name: name.to_owned(),
        why: unknown.to_string(),
        codec,
    })?;
    // What a later release has recorded stays: it reads both.
    if known.is_some_and(|known| known.is(&words) || known.extends(&words)) {
        return Ok(None);
    }
    let shape = RecordedShape::new(A::TYPE, name, A::schema_version(name), &words);
    let too_long = || CodecError::Encode("the name of the event type is too long".to_owned());
    shape.notes().map(Some).ok_or_else(too_long)
}
