//! Stored events become typed ones, of today's shape: the one place where upcasters run.

mod tables;

use std::borrow::Cow;
use std::marker::PhantomData;

use actuarius_domain::{Aggregate, Envelope, Id, Upcasters};
use actuarius_persistence::{CodecError, CommitView, EventView};
use smallvec::SmallVec;

pub use crate::base::undecodable::Undecodable;

/// What one stored event is today: itself mostly, or none or several, when it has been upcast.
pub(crate) type Facts<A> = SmallVec<[<A as Aggregate>::Event; 1]>;

/// The same, each with everything known about it. They share version and position.
pub(crate) type Envelopes<A> = SmallVec<[Envelope<A>; 1]>;

/// The same, by their names.
pub(crate) type Names<'a> = SmallVec<[Cow<'a, str>; 1]>;

/// Decodes the events of one aggregate type. Make one for a page or for a route, not for each event.
pub(crate) struct Decoder<A> {
    upcasters: &'static Upcasters,
    aggregate: PhantomData<fn() -> A>,
}

impl<A> Clone for Decoder<A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A> Copy for Decoder<A> {}

impl<A: Aggregate> Decoder<A> {
    pub(crate) fn new() -> Self {
        Self { upcasters: tables::upcasters::<A>(), aggregate: PhantomData }
    }

    /// Whether a stored event has today's shape.
    ///
    /// # Errors
    /// [`CodecError`]; the stored event is untouched.
    pub(crate) fn is_current(self, event: &EventView<'_>) -> Result<bool, CodecError> {
        event.is_current(self.upcasters, A::schema_version)
    }

    /// The events, without anything around them.
    ///
    /// # Errors
    /// [`CodecError`]; the stored event is untouched.
    #[inline]
    pub(crate) fn facts(self, event: &EventView<'_>) -> Result<Facts<A>, CodecError> {
        if event.is_current(self.upcasters, A::schema_version)? {
            return Ok(Facts::<A>::from_buf([event.decode()?]));
        }
        let parts = event.parts(self.upcasters, A::schema_version)?;
        parts.iter().map(actuarius_persistence::Part::decode).collect()
    }

    /// What the events are called.
    ///
    /// # Errors
    /// [`CodecError`]: it needs to be upcast for that, and cannot be.
    pub(crate) fn names<'a>(self, event: &EventView<'a>) -> Result<Names<'a>, CodecError> {
        if self.upcasters.find(event.event_type, event.schema_version).is_none() {
            return Ok(Names::from_buf([event.event_type.into()]));
        }
        let parts = event.parts(self.upcasters, A::schema_version)?;
        Ok(parts.into_iter().map(|part| part.event_type).collect())
    }

    /// The events, with everything known about them.
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
        if stored.is_current(self.upcasters, A::schema_version)? {
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

/// As [`Decoder::envelopes`], for a single event.
pub(crate) fn envelopes<A: Aggregate>(
    id: &Id<A>,
    commit: &CommitView<'_>,
    event: &EventView<'_>,
) -> Result<Envelopes<A>, Undecodable> {
    Decoder::new().envelopes(id, commit, event)
}
