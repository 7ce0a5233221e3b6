//! [`Decoder`]: decodes stored events into today's event types. Upcasters run only here.

mod tables;

use std::borrow::Cow;
use std::marker::PhantomData;

use actuarius_domain::{Aggregate, Envelope, Id, Upcasters};
use actuarius_persistence::{CodecError, CommitView, EventView};
use smallvec::SmallVec;

use super::recorded::{OtherShape, StoreShapes};

pub(crate) use crate::base::undecodable::Undecodable;
pub(super) use tables::upcasters;

/// The events that one stored event decodes to: usually one, or none or several after upcasting.
pub(crate) type Facts<A> = SmallVec<[<A as Aggregate>::Event; 1]>;

/// The same events with their headers. They share version and position.
pub(crate) type Envelopes<A> = SmallVec<[Envelope<A>; 1]>;

/// The names of the same events.
pub(crate) type Names<'a> = SmallVec<[Cow<'a, str>; 1]>;

/// Decodes the events of one aggregate type. Create one per page or handler, not per event.
pub(crate) struct Decoder<A> {
    upcasters: &'static Upcasters,
    /// The event types that are not read, because they have another shape than what is recorded.
    others: &'static [OtherShape],
    aggregate: PhantomData<fn() -> A>,
}

impl<A> Clone for Decoder<A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A> Copy for Decoder<A> {}

impl<A: Aggregate> Decoder<A> {
    /// Creates a decoder of events from the store with these recorded shapes.
    pub(crate) fn of(shapes: &StoreShapes) -> Self {
        Self { others: shapes.others::<A>(), ..Self::new() }
    }

    /// Creates a decoder of events from a store without recorded shapes.
    pub(crate) fn new() -> Self {
        Self { upcasters: tables::upcasters::<A>(), others: &[], aggregate: PhantomData }
    }

    /// Returns whether a stored event has today's shape.
    ///
    /// # Errors
    /// [`CodecError`]; the stored event is untouched.
    pub(crate) fn is_current(self, event: &EventView<'_>) -> Result<bool, CodecError> {
        match event.is_current(self.upcasters, A::schema_version) {
            // An event type that the program does not know has no current version.
            Err(CodecError::MissingUpcaster { .. }) if event.catch_all::<A::Event>().is_some() => {
                Ok(true)
            }
            is_current => is_current,
        }
    }

    /// Checks that a stored event has no other shape than what reads it.
    ///
    /// # Errors
    /// [`CodecError::OtherShape`] or [`CodecError::UpcasterReadsOtherShape`].
    pub(crate) fn check_shape(self, event: &EventView<'_>) -> Result<(), CodecError> {
        OtherShape::check(self.others, event)
    }

    /// Decodes a stored event, without headers.
    ///
    /// # Errors
    /// [`CodecError`]; the stored event is untouched.
    #[inline]
    pub(crate) fn facts(self, event: &EventView<'_>) -> Result<Facts<A>, CodecError> {
        OtherShape::check(self.others, event)?;
        if self.is_current(event)? {
            return Ok(Facts::<A>::from_buf([event.decode()?]));
        }
        let parts = event.parts(self.upcasters, A::schema_version)?;
        parts.iter().map(actuarius_persistence::Part::decode).collect()
    }

    /// Returns the names of the events that a stored event decodes to.
    ///
    /// # Errors
    /// [`CodecError`] if the names are only known after upcasting, and that fails.
    pub(crate) fn names<'a>(self, event: &EventView<'a>) -> Result<Names<'a>, CodecError> {
        if self.upcasters.find(event.event_type, event.schema_version).is_none() {
            return Ok(Names::from_buf([event.event_type.into()]));
        }
        OtherShape::check(self.others, event)?;
        let parts = event.parts(self.upcasters, A::schema_version)?;
        Ok(parts.into_iter().map(|part| part.event_type).collect())
    }

    /// Decodes a stored event, with headers.
    ///
    /// # Errors
    /// [`Undecodable`]; the stored event is untouched.
    pub(crate) fn envelopes(
        self,
        id: &Id<A>,
        commit: &CommitView<'_>,
        event: &EventView<'_>,
    ) -> Result<Envelopes<A>, Undecodable> {
        self.wrapped(id, commit, event).map_err(|error| Undecodable::of(commit, event, error))
    }

    fn wrapped(
        self,
        id: &Id<A>,
        commit: &CommitView<'_>,
        stored: &EventView<'_>,
    ) -> Result<Envelopes<A>, CodecError> {
        OtherShape::check(self.others, stored)?;
        if self.is_current(stored)? {
            let (event, header) = (stored.decode()?, commit.header(stored));
            return Ok(Envelopes::from_buf([Envelope { id: id.clone(), header, event }]));
        }
        let parts = stored.parts(self.upcasters, A::schema_version)?;
        let numbered = (0..).zip(&parts).map(|(number, part)| {
            let header = commit.header_of_part(stored, part, number);
            Ok(Envelope { id: id.clone(), header, event: part.decode()? })
        });
        numbered.collect()
    }
}
