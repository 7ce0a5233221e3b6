use std::collections::BTreeSet;
use std::sync::Arc;

use actuarius_domain::{Aggregate, Position, StreamId};
use actuarius_persistence::{Commit, CommitView, EventView};

use super::Recorded;
use super::handler::{AnyHandler, Handler, Handling, Lane, Routed, Typed, TypedRouted};
use crate::panics::guarded;

/// How many bytes of a key count: it is part of a note's name. Two longer keys that begin alike
/// share their order, which is stricter than asked for and never wrong.
const KEY_BYTES_MAX: usize = 1_024;

type OrderedBy = Box<dyn Fn(&Recorded<'_>) -> String + Send + Sync>;

/// Which events concern a subscription, who handles them, and in which order.
#[derive(Default)]
pub(super) struct Routes {
    routes: Vec<Route>,
    /// None: by the aggregate.
    ordered_by: Option<OrderedBy>,
}

struct Route {
    category: &'static str,
    /// None: all of that aggregate type.
    event_types: Option<BTreeSet<String>>,
    handler: Box<dyn AnyHandler>,
}

/// An event that waits to be handled.
pub(super) struct Due {
    pub(super) stream: StreamId,
    pub(super) event_type: Box<str>,
    /// The position of its commit, where it is read again for another attempt.
    pub(super) commit: Position,
    /// Whether its key could be told. If not, it has that of its aggregate.
    pub(super) has_key: bool,
    /// The first attempt, made ready when the event was read, so that the commit's bytes, and the
    /// page they are in, need not be kept.
    pub(super) first_attempt: Option<Result<Handling, String>>,
}

impl Routes {
    pub(super) fn add<A: Aggregate>(
        &mut self,
        event_types: Option<BTreeSet<String>>,
        handler: impl Handler<A>,
    ) {
        let handler = Box::new(Typed::<A, _>::new(handler));
        self.routes.push(Route { category: A::TYPE, event_types, handler });
    }

    pub(super) fn add_routed<A: Aggregate>(&mut self, handler: impl Routed<A>) {
        let handler = Box::new(TypedRouted::<A, _>::new(handler));
        self.routes.push(Route { category: A::TYPE, event_types: None, handler });
    }

    pub(super) fn order_by(&mut self, ordered_by: OrderedBy) {
        self.ordered_by = Some(ordered_by);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    /// The stream of a commit that may hold events for a handler, with the key of its aggregate.
    pub(super) fn stream_of(&self, commit: &CommitView<'_>) -> Option<(StreamId, Arc<str>)> {
        let route = self.routes.iter().find(|route| route.category == commit.category)?;
        // A stored stream was valid when it was written.
        let stream = StreamId::new(route.category, commit.id).ok()?;
        Some((stream, aggregate_key(commit.category, commit.id)))
    }

    /// The event with its key, if a handler takes it. `stream` and `aggregate` are those of
    /// [`stream_of`](Self::stream_of).
    pub(super) fn due(
        &self,
        (stream, aggregate): &(StreamId, Arc<str>),
        commit: &CommitView<'_>,
        event: &EventView<'_>,
    ) -> Option<(Arc<str>, Due)> {
        let route = self.route(commit, event)?;
        let told = self.key(route, aggregate, commit, event)?;
        let has_key = told.is_ok();
        let (key, attempt) = match told {
            Ok(key) => (key, route.handler.handling(stream, commit, event)),
            Err(why) => (aggregate.clone(), Err(why)),
        };
        let due = Due {
            stream: stream.clone(),
            event_type: event.event_type.into(),
            commit: commit.position,
            has_key,
            first_attempt: Some(attempt),
        };
        Some((key, due))
    }

    /// The event's key, if a handler takes the event and its key can be told.
    pub(super) fn key_of(
        &self,
        aggregate: &Arc<str>,
        commit: &CommitView<'_>,
        event: &EventView<'_>,
    ) -> Option<Arc<str>> {
        let route = self.route(commit, event)?;
        self.key(route, aggregate, commit, event)?.ok()
    }

    /// Whether the events with this key are those of this stream.
    pub(super) fn orders_by_stream(&self, stream: &StreamId, key: &str) -> bool {
        // With a slash in an aggregate type, two streams could have the same key.
        let by_stream = |it: &Route| !it.handler.is_routed() && !it.category.contains('/');
        self.ordered_by.is_none()
            && self.routes.iter().all(by_stream)
            && *key == *aggregate_key(stream.category(), stream.id())
    }

    /// Another attempt at the event at `position` of a commit that was read again; none if it has come
    /// to concern nobody.
    pub(super) fn handling(
        &self,
        commit: &Commit,
        position: Position,
    ) -> Result<Option<Handling>, String> {
        let view = commit.view();
        let event = view.events().find(|event| event.position == position);
        let event = event.ok_or("the event is not where it was")?;
        let stream = StreamId::new(view.category, view.id).map_err(|error| error.to_string())?;
        let route = self.route(&view, &event).ok_or("no handler takes it")?;
        let aggregate = aggregate_key(view.category, view.id);
        let Some(key) = self.key(route, &aggregate, &view, &event) else { return Ok(None) };
        key?;
        route.handler.handling(&stream, &view, &event).map(Some)
    }

    /// The first one added wins.
    fn route(&self, commit: &CommitView<'_>, event: &EventView<'_>) -> Option<&Route> {
        self.routes.iter().find(|route| {
            let takes = |types: &BTreeSet<String>| types.contains(event.event_type);
            route.category == commit.category && route.event_types.as_ref().is_none_or(takes)
        })
    }

    /// The key of an event, or why it cannot be told; none if the event concerns nobody.
    fn key(
        &self,
        route: &Route,
        aggregate: &Arc<str>,
        commit: &CommitView<'_>,
        event: &EventView<'_>,
    ) -> Option<Result<Arc<str>, String>> {
        match (route.handler.lane(commit, event), &self.ordered_by) {
            (Err(why), _) => Some(Err(why)),
            (Ok(Lane::Nobodys), _) => None,
            (Ok(Lane::Of(key)), _) => Some(Ok(cut(key).into())),
            (Ok(Lane::AsOrdered), None) => Some(Ok(aggregate.clone())),
            (Ok(Lane::AsOrdered), Some(ordered_by)) => {
                let key = guarded(|| ordered_by(&Recorded::new(commit, event)));
                let why = |panic| format!("`ordered_by` panicked: {panic}");
                Some(key.map(|key| cut(key).into()).map_err(why))
            }
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

/// The most bytes of `text` up to `bytes` that end with a whole character.
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
