//! Which handler takes an event, and the key that orders it.

use std::collections::BTreeSet;
use std::sync::Arc;

use actuarius_domain::{Aggregate, Position, StreamId};
use actuarius_persistence::{Commit, CommitView, EventView};
use smallvec::{SmallVec, smallvec};

use super::handler::{AnyHandler, Handler, Handling, Lane, Routed, Typed};
use crate::base::panics::guarded;
use crate::base::schema_error::SchemaError;
use crate::engine::decoded::Decoded;
use crate::engine::keyring::Keyring;
use crate::follow::raw_event::RawEvent;
use crate::schema::decoding::Decoder;
use crate::schema::names;
use crate::schema::recorded::StoreShapes;

/// How many bytes of a key count: the key is part of a note's name. Two longer keys with the same first bytes
/// share their order, which is stricter than requested and never wrong.
const KEY_BYTES_MAX: usize = 1_024;

type OrderedBy = Box<dyn Fn(&RawEvent<'_>) -> String + Send + Sync>;

/// Which events a subscription takes, which handlers handle them, and in which order.
#[derive(Default)]
pub(super) struct Routes {
    routes: Vec<Route>,
    /// Why the first of the routes can never do what it is meant to.
    mistake: Option<SchemaError>,
    /// `None` orders by the aggregate.
    ordered_by: Option<(OrderedBy, Arc<StoreShapes>)>,
}

struct Route {
    category: &'static str,
    /// `None` takes all events of the aggregate type.
    event_types: Option<BTreeSet<String>>,
    handler: Box<dyn AnyHandler>,
}

/// One of the events that a stored event has been upcast to, and the route that takes it.
#[derive(Debug, Clone, Copy)]
struct Part {
    /// Its index among them.
    number: usize,
    route: usize,
}

/// The parts of a stored event that have one key.
struct Share {
    key: Arc<str>,
    parts: SmallVec<[Part; 1]>,
}

/// An event, or the share of it that has one key, that waits to be handled.
pub(super) struct Due {
    pub(super) stream: StreamId,
    pub(super) event_type: Box<str>,
    /// The position of the event's commit, where the event is read again for another attempt.
    pub(super) commit: Position,
    /// Whether the key could be determined. If not, the event has the key of its aggregate.
    pub(super) has_key: bool,
    /// The first attempt, prepared when the event was read, so that neither the commit's bytes nor their page
    /// need to be kept.
    pub(super) first_attempt: Option<Decoded<Result<Handling, String>>>,
}

impl Routes {
    pub(super) fn add<A: Aggregate>(
        &mut self,
        decoder: Decoder<A>,
        event_types: Option<BTreeSet<String>>,
        handler: impl Handler<A>,
    ) {
        self.check::<A>(event_types.as_ref());
        let handler = Box::new(Typed::<A, _>::plain(handler, decoder));
        self.routes.push(Route { category: A::TYPE, event_types, handler });
    }

    pub(super) fn add_routed<A: Aggregate>(
        &mut self,
        decoder: Decoder<A>,
        handler: impl Routed<A>,
    ) {
        self.check::<A>(None);
        let handler = Box::new(Typed::<A, _>::by_key(handler, decoder));
        self.routes.push(Route { category: A::TYPE, event_types: None, handler });
    }

    /// Checks the names of an aggregate type, and those that a handler filters.
    fn check<A: Aggregate>(&mut self, event_types: Option<&BTreeSet<String>>) {
        let checked = names::check::<A>();
        let checked = checked.and_then(|()| event_types.map_or(Ok(()), names::check_filter::<A>));
        self.mistake = self.mistake.take().or(checked.err());
    }

    /// Returns why the first of the routes can never do what it is meant to.
    pub(super) fn mistake(&self) -> Option<&SchemaError> {
        self.mistake.as_ref()
    }

    pub(super) fn order_by(&mut self, ordered_by: OrderedBy, shapes: Arc<StoreShapes>) {
        self.ordered_by = Some((ordered_by, shapes));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    /// Returns the stream of a commit that may hold events for a handler, with the key of its aggregate.
    pub(super) fn stream_of(&self, commit: &CommitView<'_>) -> Option<(StreamId, Arc<str>)> {
        let route = self.routes.iter().find(|route| route.category == commit.category)?;
        // A stored stream was valid when it was written.
        let stream = StreamId::new(route.category, commit.id).ok()?;
        Some((stream, aggregate_key(commit.category, commit.id)))
    }

    /// Returns each key's share of the event, as far as handlers take it: usually one key has all of it. `stream`
    /// and `aggregate` are those of [`stream_of`](Self::stream_of).
    pub(super) fn due(
        &self,
        keyring: &Keyring,
        (stream, aggregate): &(StreamId, Arc<str>),
        commit: &CommitView<'_>,
        event: &EventView<'_>,
    ) -> SmallVec<[(Arc<str>, Due); 1]> {
        let due = |has_key, attempt| Due {
            stream: stream.clone(),
            event_type: event.event_type.into(),
            commit: commit.position,
            has_key,
            first_attempt: Some(attempt),
        };
        match self.shares(aggregate, commit, event) {
            Ok(shares) => {
                let shares = shares.into_iter().map(|Share { key, parts }| {
                    let attempt = || self.attempt(stream, commit, event, &parts);
                    (key, due(true, Decoded::by(keyring, attempt)))
                });
                shares.collect()
            }
            Err(why) => {
                smallvec![(aggregate.clone(), due(false, Decoded::by(keyring, || Err(why))))]
            }
        }
    }

    /// Whether a handler takes a part of the event that has this key.
    pub(super) fn concerns(
        &self,
        key: &Arc<str>,
        aggregate: &Arc<str>,
        commit: &CommitView<'_>,
        event: &EventView<'_>,
    ) -> bool {
        let shares = self.shares(aggregate, commit, event);
        shares.is_ok_and(|shares| shares.iter().any(|share| share.key == *key))
    }

    /// Whether the events with this key are those of this stream.
    pub(super) fn orders_by_stream(&self, stream: &StreamId, key: &str) -> bool {
        // With a slash in an aggregate type, two streams could have the same key.
        let by_stream = |it: &Route| !it.handler.is_routed() && !it.category.contains('/');
        self.ordered_by.is_none()
            && self.routes.iter().all(by_stream)
            && *key == *aggregate_key(stream.category(), stream.id())
    }

    /// Returns another attempt at the share of `key` in the event at `position` of a commit that was read again,
    /// or `None` if no handler takes it any more.
    pub(super) fn handling(
        &self,
        commit: &Commit,
        position: Position,
        key: &str,
    ) -> Result<Option<Handling>, String> {
        let view = commit.view();
        let event = view.events().find(|event| event.position == position);
        let event = event.ok_or("the event is not where it was")?;
        let (stream, aggregate) = self.stream_of(&view).ok_or("no handler takes it")?;
        let shares = self.shares(&aggregate, &view, &event)?;
        let parts: SmallVec<[Part; 1]> = match shares.iter().position(|share| *share.key == *key) {
            Some(its) => shares.into_iter().nth(its).map(|share| share.parts).unwrap_or_default(),
            // The keys could not be determined before, or the order has changed since.
            None => shares.into_iter().flat_map(|share| share.parts).collect(),
        };
        match parts.is_empty() {
            true => Ok(None),
            false => self.attempt(&stream, &view, &event, &parts).map(Some),
        }
    }

    /// Returns what handlers take of the event, by key.
    ///
    /// # Errors
    /// The event does not decode, or a key cannot be determined.
    fn shares(
        &self,
        aggregate: &Arc<str>,
        commit: &CommitView<'_>,
        event: &EventView<'_>,
    ) -> Result<SmallVec<[Share; 1]>, String> {
        let mut shares = SmallVec::<[Share; 1]>::new();
        for part in self.parts(commit, event)? {
            let Some(key) = self.key(part, aggregate, commit, event)? else { continue };
            match shares.iter_mut().find(|share| share.key == key) {
                Some(share) => share.parts.push(part),
                None => shares.push(Share { key, parts: smallvec![part] }),
            }
        }
        Ok(shares)
    }

    /// Returns the upcast events that handlers take. The handler that was added first takes an event.
    fn parts(
        &self,
        commit: &CommitView<'_>,
        event: &EventView<'_>,
    ) -> Result<SmallVec<[Part; 1]>, String> {
        let mut parts = SmallVec::<[Part; 1]>::new();
        let routes = self.routes.iter().enumerate();
        for (route, its) in routes.filter(|(_, its)| its.category == commit.category) {
            for (number, name) in its.handler.names(event)?.iter().enumerate() {
                let takes = its.event_types.as_ref().is_none_or(|types| types.contains(&**name));
                if takes && parts.iter().all(|part| part.number != number) {
                    parts.push(Part { route, number });
                }
            }
        }
        parts.sort_by_key(|part| part.number);
        Ok(parts)
    }

    /// Returns the key of one part of an event, or `None` if it needs no handling.
    fn key(
        &self,
        part: Part,
        aggregate: &Arc<str>,
        commit: &CommitView<'_>,
        event: &EventView<'_>,
    ) -> Result<Option<Arc<str>>, String> {
        let handler = &self.routes[part.route].handler;
        match (handler.lane(commit, event, part.number)?, &self.ordered_by) {
            (Lane::None, _) => Ok(None),
            (Lane::Key(key), _) => Ok(Some(cut(key).into())),
            (Lane::Default, None) => Ok(Some(aggregate.clone())),
            (Lane::Default, Some((ordered_by, shapes))) => {
                let key = guarded(|| ordered_by(&RawEvent::of(*commit, *event, shapes)));
                let why = |panic| format!("`ordered_by` panicked: {panic}");
                key.map(|key| Some(cut(key).into())).map_err(why)
            }
        }
    }

    /// Returns the attempt that hands the parts to their handlers, one after the other.
    fn attempt(
        &self,
        stream: &StreamId,
        commit: &CommitView<'_>,
        event: &EventView<'_>,
        parts: &[Part],
    ) -> Result<Handling, String> {
        let of_one_route = parts.chunk_by(|one, next| one.route == next.route);
        let handlings = of_one_route.map(|parts| {
            let numbers: SmallVec<[usize; 1]> = parts.iter().map(|part| part.number).collect();
            self.routes[parts[0].route].handler.handling(stream, commit, event, &numbers)
        });
        let mut handlings = handlings.collect::<Result<SmallVec<[Handling; 1]>, String>>()?;
        match (handlings.len(), handlings.pop()) {
            (1, Some(only)) => Ok(only),
            (_, last) => Ok(Box::pin(async move {
                for handling in handlings.into_iter().chain(last) {
                    handling.await?;
                }
                Ok(())
            })),
        }
    }
}

fn aggregate_key(category: &str, id: &str) -> Arc<str> {
    cut(format!("{category}/{id}")).into()
}

fn cut(mut key: String) -> String {
    key.truncate(whole_characters(&key, KEY_BYTES_MAX));
    key
}

/// Returns the largest number of bytes of `text`, up to `bytes`, that ends with a whole character.
pub(super) fn whole_characters(text: &str, bytes: usize) -> usize {
    if text.len() <= bytes {
        return text.len();
    }
    (0..=bytes).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_key_is_cut_between_characters() {
        assert_eq!(cut("short".to_owned()), "short");
        let long = format!("{}ü{}", "a".repeat(KEY_BYTES_MAX - 1), "b".repeat(9));
        assert_eq!(cut(long), "a".repeat(KEY_BYTES_MAX - 1));
    }
}
