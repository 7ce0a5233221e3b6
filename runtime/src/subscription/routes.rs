//! Which handler takes an event, and the key that orders it.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;

use actuarius_domain::{Aggregate, Position, StreamId};
use actuarius_persistence::{Commit, CommitView, EventView, Gone};
use smallvec::{SmallVec, smallvec};

use super::ending::Ends;
use super::handler::{AnyHandler, Handler, Handling, Lane, Routed, Typed};
use super::route::{Share, Shares, Unfinished, cut};
use crate::base::panics::guarded;
use crate::base::schema_error::SchemaError;
use crate::engine::decoded::Decoded;
use crate::engine::deletions::BeforeRead;
use crate::engine::keyring::Keyring;
use crate::follow::deleted_aggregate::DeletedAggregate;
use crate::follow::followers::BoxError;
use crate::follow::raw_event::RawEvent;
use crate::follow::scope::Scope;
use crate::schema::decoding::Decoder;
use crate::schema::names;
use crate::schema::recorded::StoreShapes;

type OrderedBy = Box<dyn Fn(&RawEvent<'_>) -> String + Send + Sync>;

/// Which events a subscription takes, which handlers handle them, and in which order.
#[derive(Default)]
pub(super) struct Routes {
    routes: Vec<Route>,
    /// Which events they take.
    scope: Scope,
    /// Why the first of the routes can never do what it is meant to.
    mistake: Option<SchemaError>,
    /// `None` orders by the aggregate.
    ordered_by: Option<(OrderedBy, Arc<StoreShapes>)>,
}

struct Route {
    category: &'static str,
    takes: Takes,
    handler: Box<dyn AnyHandler>,
}

/// Which events of an aggregate type a route takes.
enum Takes {
    All,
    Only(BTreeSet<String>),
    /// The ends of streams.
    Ends,
}

impl Takes {
    fn has(&self, name: &str) -> bool {
        match self {
            Self::Only(names) => names.contains(name),
            Self::All | Self::Ends => true,
        }
    }

    fn is_ends(&self) -> bool {
        matches!(self, Self::Ends)
    }
}

/// One of the events that a stored event has been upcast to, and the route that takes it.
#[derive(Debug, Clone, Copy)]
struct Part {
    /// Its index among them.
    number: usize,
    route: usize,
}

/// An event, or the share of it that has one key, that waits to be handled.
pub(super) struct Due {
    pub(super) stream: StreamId,
    pub(super) event_type: Box<str>,
    /// The position of the event's commit, where the event is read again for another attempt.
    pub(super) commit: Position,
    /// The moment before its commit was read.
    pub(super) read: BeforeRead,
    /// Whether the key could be determined. If not, the event has the key of its aggregate.
    pub(super) has_key: bool,
    /// The first attempt, prepared when the event was read, so that neither the commit's bytes nor their page
    /// need to be kept.
    pub(super) first_attempt: Option<Decoded<Result<Handling, String>>>,
    /// What is to be done before it is parked after another event of its key.
    pub(super) before_parking: Option<Handling>,
}

/// The key of a share, and the lanes that it is in beside that of the key.
type Place = (Arc<str>, Vec<Arc<str>>);

/// No event is unfinished, as far as is to be known.
const NONE_UNFINISHED: &Unfinished<'static> = &|_| Vec::new();

impl Routes {
    pub(super) fn add<A: Aggregate>(
        &mut self,
        decoder: Decoder<A>,
        event_types: Option<BTreeSet<String>>,
        handler: impl Handler<A>,
    ) {
        self.check::<A>(event_types.as_ref());
        match &event_types {
            None => self.scope.add_all(A::TYPE),
            Some(names) => names
                .iter()
                .for_each(|name| self.scope.add(A::TYPE, name, names::former_names::<A>(name))),
        }
        let handler = Box::new(Typed::<A, _>::plain(handler, decoder));
        let takes = event_types.map_or(Takes::All, Takes::Only);
        self.routes.push(Route { category: A::TYPE, takes, handler });
    }

    /// Adds a handler of the ends of streams.
    pub(super) fn add_ends<A, F, Reacting, E>(&mut self, react: F)
    where
        A: Aggregate,
        F: Fn(DeletedAggregate<A>) -> Reacting + Send + Sync + 'static,
        Reacting: Future<Output = Result<(), E>> + Send,
        E: Into<BoxError>,
    {
        self.check::<A>(None);
        self.scope.add_ends(A::TYPE);
        let handler = Box::new(Ends::<A, F>::new(react));
        self.routes.push(Route { category: A::TYPE, takes: Takes::Ends, handler });
    }

    pub(super) fn add_routed<A: Aggregate>(
        &mut self,
        decoder: Decoder<A>,
        handler: impl Routed<A>,
    ) {
        self.check::<A>(None);
        let handler = Box::new(Typed::<A, _>::by_key(handler, decoder));
        self.scope.add_all(A::TYPE);
        self.routes.push(Route { category: A::TYPE, takes: Takes::All, handler });
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

    /// Returns which events they take.
    pub(super) fn scope(&self) -> &Scope {
        &self.scope
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
    /// and `aggregate` are those of [`stream_of`](Self::stream_of). Returns `None` if the event has to wait until
    /// fewer events are unfinished.
    pub(super) fn due(
        &self,
        (keyring, read): (&Keyring, BeforeRead),
        (stream, aggregate): &(StreamId, Arc<str>),
        commit: &CommitView<'_>,
        event: &EventView<'_>,
        unfinished: &Unfinished<'_>,
    ) -> Option<SmallVec<[(Place, Due); 1]>> {
        let due = |has_key, attempt, before_parking| Due {
            stream: stream.clone(),
            event_type: event.event_type.into(),
            commit: commit.position,
            read,
            has_key,
            first_attempt: Some(attempt),
            before_parking,
        };
        match self.shares(aggregate, commit, event, unfinished) {
            Ok(shares) => {
                let shares = shares?.into_iter().map(|Share { key, beside, parts, names }| {
                    let attempt = || self.attempt(stream, commit, event, &parts, Some(&key));
                    let before = || self.before_parking(stream, commit, event, &parts, &key);
                    // Only names must be recorded before, and few events give any.
                    let before = names.then(before).flatten();
                    let attempt = Decoded::by(keyring, attempt);
                    ((key, beside), due(true, attempt, before))
                });
                Some(shares.collect())
            }
            Err(why) => {
                let failing = due(false, Decoded::by(keyring, || Err(why)), None);
                Some(smallvec![((aggregate.clone(), Vec::new()), failing)])
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
        let shares = self.shares(aggregate, commit, event, NONE_UNFINISHED);
        shares.is_ok_and(|shares| shares.into_iter().flatten().any(|share| share.key == *key))
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
        if commit.gone() == Some(Gone::Removed) {
            // Its aggregate was deleted since.
            return Ok(None);
        }
        let view = commit.view();
        let event = view.events().find(|event| event.position == position);
        let event = event.ok_or("the event is not where it was")?;
        let (stream, aggregate) = self.stream_of(&view).ok_or("no handler takes it")?;
        let shares = self.shares(&aggregate, &view, &event, NONE_UNFINISHED)?.unwrap_or_default();
        let mut target = Some(key);
        let mut parts: SmallVec<[Part; 1]> =
            match shares.iter().position(|share| *share.key == *key) {
                Some(its) => shares.into_iter().nth(its).map(|it| it.parts).unwrap_or_default(),
                // The keys could not be determined before, or the order has changed since.
                None => {
                    target = target.filter(|key| **key != *aggregate);
                    shares.into_iter().flat_map(|share| share.parts).collect()
                }
            };
        parts.sort_by_key(|part| part.number);
        parts.dedup_by_key(|part| part.number);
        match parts.is_empty() {
            true => Ok(None),
            false => self.attempt(&stream, &view, &event, &parts, target).map(Some),
        }
    }

    /// Returns what handlers take of the event, by key, or `None` if it has to wait until fewer events are unfinished.
    ///
    /// # Errors
    /// The event does not decode, or a key cannot be determined.
    fn shares(
        &self,
        aggregate: &Arc<str>,
        commit: &CommitView<'_>,
        event: &EventView<'_>,
        unfinished: &Unfinished<'_>,
    ) -> Result<Option<SmallVec<[Share<Part>; 1]>>, String> {
        let mut shares = Shares::new(unfinished);
        for part in self.parts(commit, event)? {
            self.add_to(&mut shares, part, aggregate, commit, event)?;
        }
        Ok(shares.finish())
    }

    /// Returns the upcast events that handlers take. The handler that was added first takes an event.
    fn parts(
        &self,
        commit: &CommitView<'_>,
        event: &EventView<'_>,
    ) -> Result<SmallVec<[Part; 1]>, String> {
        let mut parts = SmallVec::<[Part; 1]>::new();
        let (routes, is_end) = (self.routes.iter().enumerate(), event.deletion().is_some());
        let may_take =
            |its: &Route| its.category == commit.category && its.takes.is_ends() == is_end;
        for (route, its) in routes.filter(|(_, its)| may_take(its)) {
            for (number, name) in its.handler.names(event)?.iter().enumerate() {
                if its.takes.has(name) && parts.iter().all(|part| part.number != number) {
                    parts.push(Part { route, number });
                }
            }
        }
        parts.sort_by_key(|part| part.number);
        Ok(parts)
    }

    /// Adds one part of an event to the shares of its keys, of which it has none if it needs no handling.
    fn add_to(
        &self,
        shares: &mut Shares<'_, Part>,
        part: Part,
        aggregate: &Arc<str>,
        commit: &CommitView<'_>,
        event: &EventView<'_>,
    ) -> Result<(), String> {
        let handler = &self.routes[part.route].handler;
        match (handler.lane(commit, event, part.number)?, &self.ordered_by) {
            (Lane::None, _) => {}
            (Lane::Routed(route), _) => shares.add_routed(&route, part),
            (Lane::Default, None) => shares.add(aggregate.clone(), part),
            (Lane::Default, Some((ordered_by, shapes))) => {
                let key = guarded(|| ordered_by(&RawEvent::of(*commit, *event, shapes)));
                let key = key.map_err(|panic| format!("`ordered_by` panicked: {panic}"))?;
                shares.add(cut(key).into(), part);
            }
        }
        Ok(())
    }

    /// Returns what a handler that determines the keys wants to be done before the parts are parked after another
    /// event of their key.
    fn before_parking(
        &self,
        stream: &StreamId,
        commit: &CommitView<'_>,
        event: &EventView<'_>,
        parts: &[Part],
        key: &Arc<str>,
    ) -> Option<Handling> {
        let first = parts.first().filter(|part| self.routes[part.route].handler.is_routed())?;
        let numbers: SmallVec<[usize; 1]> = parts.iter().map(|part| part.number).collect();
        self.routes[first.route].handler.before_parking(stream, commit, event, &numbers, key)
    }

    /// Returns the attempt that hands the parts to their handlers, one after the other, with the key that they are
    /// handled for if it is known.
    fn attempt(
        &self,
        stream: &StreamId,
        commit: &CommitView<'_>,
        event: &EventView<'_>,
        parts: &[Part],
        key: Option<&str>,
    ) -> Result<Handling, String> {
        let of_one_route = parts.chunk_by(|one, next| one.route == next.route);
        let handlings = of_one_route.map(|parts| {
            let numbers: SmallVec<[usize; 1]> = parts.iter().map(|part| part.number).collect();
            self.routes[parts[0].route].handler.handling(stream, commit, event, &numbers, key)
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
