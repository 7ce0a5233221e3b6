//! Compares two releases of a projection.

use actuarius_domain::{Aggregate, Id, Position, Projection, ReadModel};
use actuarius_persistence::{CommitView, EventView, PageLimit, ReadError, Reader};
use serde_json::Value;

use super::aggregates::event_json;
use super::pair::{Alike, Divergence, Pair, must_be_none};
use crate::aggregate::replay;
use crate::base::panics::guarded;
use crate::schema::decoding::Decoder;
use crate::schema::recorded::StoreShapes;

/// How many commits lie between two comparisons by default: a view may be large, and comparing it after each
/// event would take hours.
const EVERY: u64 = 1_000;

/// Runs two releases of an in-memory projection over the same real history, and finds the first event
/// after which their views differ. See [`divergence`](super::divergence()) for where the history
/// comes from.
///
/// The views are compared after every thousand commits. If they differ, the events since the last
/// comparison are run again one by one. So a divergence is found exactly, unless it disappears
/// before the next comparison; [`every`](ViewDivergences::every) compares more often.
#[must_use = "nothing is compared before `find` or `then_none`"]
pub fn view_divergence<Old: ReadModel, New: ReadModel>(
    reader: &dyn Reader,
) -> ViewDivergences<'_, Old, New> {
    let until = Position::new(u64::MAX);
    ViewDivergences { reader, routes: Vec::new(), until, every: EVERY, alike: None }
}

/// Two releases of a projection, and the history they are run over.
#[must_use = "nothing is compared before `find` or `then_none`"]
pub struct ViewDivergences<'a, Old, New> {
    reader: &'a dyn Reader,
    routes: Vec<Route<Old, New>>,
    until: Position,
    every: u64,
    alike: Option<Alike<Old, New>>,
}

/// Applies one stored event of a store with these recorded shapes, or returns why it cannot.
type Fold<V> = fn(&StoreShapes, &mut V, &CommitView<'_>, &EventView<'_>) -> Result<(), String>;

/// How to apply the events of one type.
struct Route<Old, New> {
    category: &'static str,
    old: Fold<Old>,
    new: Fold<New>,
    event_json: fn(&StoreShapes, &EventView<'_>) -> Option<Value>,
}

impl<Old: ReadModel, New: ReadModel> ViewDivergences<'_, Old, New> {
    /// Lets both releases follow the events of an aggregate type; call it for each type.
    pub fn on<A: Aggregate>(mut self) -> Self
    where
        Old: Projection<A>,
        New: Projection<A>,
    {
        self.routes.push(Route {
            category: A::TYPE,
            old: project::<A, Old>,
            new: project::<A, New>,
            event_json: |shapes, event| event_json(Decoder::<A>::of(shapes), event),
        });
        self
    }

    /// Compares the events up to this position only.
    pub fn until(mut self, position: Position) -> Self {
        self.until = position;
        self
    }

    /// Sets the number of commits between two comparisons. Default: 1,000.
    pub fn every(mut self, commits: u64) -> Self {
        self.every = commits.max(1);
        self
    }

    /// Sets when two views are equal. Default: when they are the same JSON.
    pub fn alike_if(mut self, alike: impl Fn(&Old, &New) -> bool + 'static) -> Self {
        self.alike = Some(Box::new(alike));
        self
    }

    /// Returns the first divergence.
    ///
    /// # Errors
    /// [`ReadError`]; what was read before the failure has no divergence.
    pub fn find(&self) -> Result<Option<Divergence>, ReadError> {
        match self.run(|commits| commits.is_multiple_of(self.every))? {
            Ended::Alike => Ok(None),
            // The views were equal at the last comparison, so they differ first after that.
            Ended::Different { behind, found } => match self.run(|commits| commits > behind)? {
                Ended::Different { found, .. } => Ok(Some(*found)),
                Ended::Alike => Ok(Some(*found)),
            },
        }
    }

    /// Checks that there is no divergence.
    #[track_caller]
    pub fn then_none(self) {
        must_be_none(self.find());
    }

    /// Walks through the log, and compares after the last event of each commit whose number `compare` accepts,
    /// and after the last commit.
    fn run(&self, compare: impl Fn(u64) -> bool) -> Result<Ended, ReadError> {
        let shapes = &StoreShapes::read(self.reader)?;
        let route = |commit: &CommitView<'_>| {
            self.routes.iter().find(|route| route.category == commit.category)
        };
        let fold_old = |view: &mut Old, commit: &CommitView<'_>, event: &EventView<'_>| {
            route(commit).map_or(Ok(()), |route| (route.old)(shapes, view, commit, event))
        };
        let fold_new = |view: &mut New, commit: &CommitView<'_>, event: &EventView<'_>| {
            route(commit).map_or(Ok(()), |route| (route.new)(shapes, view, commit, event))
        };
        let event_json = |commit: &CommitView<'_>, event: &EventView<'_>| {
            route(commit).and_then(|route| (route.event_json)(shapes, event))
        };
        let mut pair = Pair {
            old: (Old::default(), &fold_old),
            new: (New::default(), &fold_new),
            alike: self.alike.as_ref(),
            event_json: &event_json,
        };
        self.walk(&mut pair, compare)
    }

    fn walk(
        &self,
        pair: &mut Pair<'_, Old, New>,
        compare: impl Fn(u64) -> bool,
    ) -> Result<Ended, ReadError> {
        let end = self.reader.head().min(self.until);
        let (mut at, mut commits, mut behind) = (Position::NONE, 0, 0);
        while at < end {
            for commit in self.reader.read_log(at, PageLimit::default())?.commits {
                let commit = commit.view();
                (at, commits) = (commit.last_position(), commits + 1);
                let is_looked_at = compare(commits) || at >= end;
                let mut events = commit.events().take_while(|event| event.position <= end);
                let found = events.find_map(|event| pair.take(&commit, &event, is_looked_at));
                if let Some(found) = found {
                    return Ok(Ended::Different { behind, found });
                }
                if at >= end {
                    break;
                }
                behind = if is_looked_at { commits } else { behind };
            }
        }
        Ok(Ended::Alike)
    }
}

/// How a walk through the log has ended.
enum Ended {
    Alike,
    /// `behind` is the number of the commit after which the views were still equal.
    Different {
        behind: u64,
        found: Box<Divergence>,
    },
}

fn project<A: Aggregate, V: Projection<A>>(
    shapes: &StoreShapes,
    view: &mut V,
    commit: &CommitView<'_>,
    event: &EventView<'_>,
) -> Result<(), String> {
    let id = Id::<A>::try_from(commit.id).map_err(|invalid| invalid.to_string())?;
    let envelopes = replay::envelopes(Decoder::of(shapes), &id, commit, event);
    let envelopes = envelopes.map_err(|error| error.to_string())?;
    guarded(|| envelopes.iter().for_each(|envelope| view.project(envelope)))
        .map_err(|panic| format!("the projection panicked: {panic}"))
}
