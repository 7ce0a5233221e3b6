//! What a [migration](crate::store::migrate) needs to know about types: how to encode events again in
//! today's shape, and how to check that states are the same before and after.

use std::collections::HashMap;

use actuarius_domain::{Aggregate, Position, StreamId, Version};
use actuarius_persistence::migrate::{BoxError, Rewrite, Transform};
use actuarius_persistence::{
    Codec, CodecError, Commit, CommitView, EncodedEvent, PageLimit, ReadError, Reader,
};
use thiserror::Error;

use crate::base::panics::guarded;
use crate::schema::decoding::Decoder;
use crate::schema::recorded::StoreShapes;
use crate::schema::recording::{EventShapes, Writing};

/// A transformation of a migration that encodes the events of some types again: in today's shape, as their
/// upcasters return it, and with another codec. All other events stay as they are.
///
/// ```
/// # use std::convert::Infallible;
/// # use actuarius::{Aggregate, Context};
/// use actuarius::store::{ignore_progress, migrate, sled};
/// use actuarius::Codec;
/// use actuarius::operations::Reencode;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Default, Serialize, Deserialize)]
/// # struct Account(i64);
/// # #[derive(Serialize, Deserialize)]
/// # enum Paid { In(i64) }
/// # impl Aggregate for Account {
/// #     const TYPE: &'static str = "account";
/// #     type Command = i64;
/// #     type Event = Paid;
/// #     type Error = Infallible;
/// #     fn decide(&self, cents: i64, _: &Context) -> Result<Vec<Paid>, Infallible> { Ok(vec![Paid::In(cents)]) }
/// #     fn apply(&mut self, Paid::In(cents): &Paid) { self.0 += cents; }
/// # }
/// # let directory = tempfile::tempdir()?;
/// # let (old, new) = (directory.path().join("old"), directory.path().join("new"));
///
/// let (old, mut new) = (sled::open(old)?, sled::open(new)?);
/// let mut to_json = Reencode::default().on::<Account>(Codec::Json);
/// migrate::run(&*old.reader, &mut new, &mut to_json, &mut ignore_progress)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The shapes of events that a codec stores without names are recorded in the new store, as a runtime does.
#[derive(Default)]
pub struct Reencode {
    types: HashMap<&'static str, Type>,
    /// The shapes that are recorded in the old store.
    shapes: StoreShapes,
}

/// A type whose events are encoded again.
struct Type {
    rewriting: Rewriting,
    fresh: fn() -> EventShapes,
    /// Which of its event types have a recorded shape in the new store.
    recorded: EventShapes,
}

type Rewriting = Box<
    dyn Fn(&StoreShapes, &EventShapes, &CommitView<'_>, &mut Rewrite) -> Result<(), BoxError>
        + Send,
>;

impl Reencode {
    /// Encodes the events of this type with `codec`.
    #[must_use]
    pub fn on<A: Aggregate>(mut self, codec: Codec) -> Self {
        let rewriting = move |shapes: &StoreShapes,
                              recorded: &EventShapes,
                              commit: &CommitView<'_>,
                              out: &mut Rewrite| {
            let writing = recorded.writing::<A>(codec);
            Ok(rewrite::<A>(Decoder::of(shapes), commit, (codec, writing), out)?)
        };
        let fresh = EventShapes::of::<A>;
        let rewriting: Rewriting = Box::new(rewriting);
        self.types.insert(A::TYPE, Type { rewriting, fresh, recorded: fresh() });
        self
    }

    /// Encodes the steps of this saga's instances with `codec`. Their commands and deadlines stay as they are.
    #[cfg(feature = "sagas")]
    #[must_use]
    pub fn on_saga<S: actuarius_domain::Saga>(self, codec: Codec) -> Self {
        self.on::<crate::saga::Instance<S>>(codec)
    }
}

impl Transform for Reencode {
    fn begin(&mut self, from: &dyn Reader) -> Result<(), BoxError> {
        self.shapes = StoreShapes::read(from)?;
        // Each run records the shapes, because it may be of another store.
        self.types.values_mut().for_each(|of| of.recorded = (of.fresh)());
        Ok(())
    }

    fn transform(&mut self, commit: &CommitView<'_>, out: &mut Rewrite) -> Result<(), BoxError> {
        match self.types.get(commit.category) {
            Some(of) => (of.rewriting)(&self.shapes, &of.recorded, commit, out),
            None => {
                out.keep();
                Ok(())
            }
        }
    }
}

fn rewrite<A: Aggregate>(
    decoder: Decoder<A>,
    commit: &CommitView<'_>,
    (codec, writing): (Codec, Writing<'_, A>),
    out: &mut Rewrite,
) -> Result<(), CodecError> {
    let mut is_same = true;
    for event in commit.events() {
        let is_current = event.deletion().is_some() || decoder.is_current(&event)?;
        // What a catch-all variant takes is not known, so it cannot be encoded.
        let is_ours = event.deletion().is_some()
            || (is_current && event.codec_byte() == codec.byte())
            || (is_current && event.catch_all::<A::Event>().is_some());
        if is_ours {
            // Otherwise another event of its type could record a shape that is not that of this one.
            decoder.check_shape(&event)?;
            out.put(&event);
            continue;
        }
        is_same = false;
        for fact in decoder.facts(&event)? {
            let schema_version = |name: &str| writing.schema_version(name);
            out.put(EncodedEvent::encode(&fact, schema_version, codec)?);
        }
    }
    // Whatever was recorded before, these events have today's shape.
    writing.record(&StoreShapes::default(), |shape| out.record(shape))?;
    if is_same {
        // Copied byte by byte. A removed commit has no events and stays as it is.
        out.keep();
    }
    Ok(())
}

/// The result of [`same_states`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SameStates {
    /// How many aggregates have the same state in both stores.
    pub same: u64,
    /// How many aggregates are missing in the second store.
    pub missing: u64,
}

/// Why two stores do not have the same states, or could not be compared.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OtherState {
    /// The states of this aggregate are different.
    #[error("the state of {stream} is different")]
    Differs {
        /// The aggregate.
        stream: StreamId,
    },
    /// An event of this aggregate does not decode, or cannot be applied.
    #[error("the state of {stream} cannot be computed: {why}")]
    Unmade {
        /// The aggregate.
        stream: StreamId,
        /// Why it cannot be computed.
        why: String,
    },
    /// A store could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Computes the state of every aggregate of a type from the events of both stores, with today's upcasters
/// and `apply`, and compares the states. One state of each store is in memory at a time.
///
/// # Errors
/// [`OtherState`] for the first aggregate whose states are different or cannot be computed.
pub fn same_states<A: Aggregate + PartialEq>(
    before: &dyn Reader,
    after: &dyn Reader,
) -> Result<SameStates, OtherState> {
    let (mut found, mut position) = (SameStates::default(), Position::NONE);
    let old = Decoder::<A>::of(&StoreShapes::read(before)?);
    let new = Decoder::<A>::of(&StoreShapes::read(after)?);
    while position < before.head() {
        let page = before.read_log(position, PageLimit::default())?;
        for commit in page.commits.iter().filter(|commit| begins::<A>(commit)) {
            // A stored name was valid when it was stored.
            let Ok(stream) = StreamId::new(A::TYPE, commit.view().id) else { continue };
            match (state(old, before, &stream)?, state(new, after, &stream)?) {
                (_, None) => found.missing += 1,
                (one, other) if one == other => found.same += 1,
                _ => return Err(OtherState::Differs { stream }),
            }
        }
        let Some(last) = page.commits.last() else { break };
        position = last.last_position();
    }
    Ok(found)
}

fn begins<A: Aggregate>(commit: &Commit) -> bool {
    let view = commit.view();
    view.category == A::TYPE && view.version == Version::NONE.next()
}

/// Returns `None` if there is no such stream.
fn state<A: Aggregate>(
    decoder: Decoder<A>,
    reader: &dyn Reader,
    stream: &StreamId,
) -> Result<Option<A>, OtherState> {
    let (mut state, mut version) = (A::default(), Version::NONE);
    loop {
        let page = reader.read_stream(stream, version, Position::NONE, PageLimit::default())?;
        let Some(last) = page.commits.last() else { break };
        version = last.view().last_version();
        for commit in &page.commits {
            apply(decoder, commit, &mut state)
                .map_err(|why| OtherState::Unmade { stream: stream.clone(), why })?;
        }
        if !page.more {
            break;
        }
    }
    Ok((version > Version::NONE).then_some(state))
}

fn apply<A: Aggregate>(decoder: Decoder<A>, commit: &Commit, to: &mut A) -> Result<(), String> {
    for event in commit.view().events() {
        if event.deletion().is_some() {
            *to = A::default();
            continue;
        }
        for fact in decoder.facts(&event).map_err(|error| error.to_string())? {
            guarded(|| to.apply(&fact))?;
        }
    }
    Ok(())
}
