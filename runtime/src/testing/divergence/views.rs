use actuarius_domain::{Aggregate, Id, Position, Projection, ReadModel};
use actuarius_persistence::{CommitView, EventView, PageLimit, ReadError, Reader};
use serde_json::Value;

use super::aggregates::told;
use super::{Alike, Divergence, Fold, Pair, must_be_none};
use crate::aggregate::replay;
use crate::base::panics::guarded;
use crate::schema::decoding::Decoder;

/// How many commits lie between two comparisons, if nothing else is said: a view may be large, and
/// comparing it behind each event would take hours.
const EVERY: u64 = 1_000;

/// Runs two releases of a projection into memory over the same real history, and finds the first event
/// behind which their views do not agree. See [`divergence`](super::divergence()) for where the history
/// comes from.
///
/// The views are compared behind every thousand commits, and where they are not alike the events of that
/// stretch are gone through one by one. So a divergence is found exactly, unless it is gone again
/// before the next comparison; [`every`](ViewDivergences::every) has them compared more often.
#[must_use = "nothing is compared before `find` or `then_none`"]
pub fn view_divergence<Old: ReadModel, New: ReadModel>(
    reader: &dyn Reader,
) -> ViewDivergences<'_, Old, New> {
    let until = Position::new(u64::MAX);
    ViewDivergences { reader, routes: Vec::new(), until, every: EVERY, alike: None }
}

/// Two releases of a projection, and which history they are run over.
#[must_use = "nothing is compared before `find` or `then_none`"]
pub struct ViewDivergences<'a, Old, New> {
    reader: &'a dyn Reader,
    routes: Vec<Route<Old, New>>,
    until: Position,
    every: u64,
    alike: Option<Alike<Old, New>>,
}

/// The events of one type.
struct Route<Old, New> {
    category: &'static str,
    old: Box<Fold<'static, Old>>,
    new: Box<Fold<'static, New>>,
    told: fn(&EventView<'_>) -> Option<Value>,
}

impl<Old: ReadModel, New: ReadModel> ViewDivergences<'_, Old, New> {
    /// Lets both follow the events of an aggregate type; call it for each type.
    pub fn on<A: Aggregate>(mut self) -> Self
    where
        Old: Projection<A>,
        New: Projection<A>,
    {
        self.routes.push(Route {
            category: A::TYPE,
            old: Box::new(project::<A, Old>),
            new: Box::new(project::<A, New>),
            told: |event| told(Decoder::<A>::new(), event),
        });
        self
    }

    /// Looks at what the log had up to this position.
    pub fn until(mut self, position: Position) -> Self {
        self.until = position;
        self
    }

    /// Compares the views behind every so many commits. Default: 1,000.
    pub fn every(mut self, commits: u64) -> Self {
        self.every = commits.max(1);
        self
    }

    /// Two views are alike when this says so. Otherwise when they are the same JSON.
    pub fn alike_if(mut self, alike: impl Fn(&Old, &New) -> bool + 'static) -> Self {
        self.alike = Some(Box::new(alike));
        self
    }

    /// The first divergence.
    ///
    /// # Errors
    /// [`ReadError`]; what came before the place that cannot be read has none.
    pub fn find(&self) -> Result<Option<Divergence>, ReadError> {
        match self.run(|commits| commits.is_multiple_of(self.every))? {
            Ended::Alike => Ok(None),
            // Nothing was different at the last look, so it is somewhere behind that.
            Ended::Different { behind, found } => match self.run(|commits| commits > behind)? {
                Ended::Different { found, .. } => Ok(Some(*found)),
                Ended::Alike => Ok(Some(*found)),
            },
        }
    }

    /// There is none.
    #[track_caller]
    pub fn then_none(self) {
        must_be_none(self.find());
    }

    /// Goes through the log, and compares behind the last event of those commits that `compare` names by
    /// their number, and of the last one.
    fn run(&self, compare: impl Fn(u64) -> bool) -> Result<Ended, ReadError> {
        let route = |commit: &CommitView<'_>| {
            self.routes.iter().find(|route| route.category == commit.category)
        };
        let fold_old = |view: &mut Old, commit: &CommitView<'_>, event: &EventView<'_>| {
            route(commit).map_or(Ok(()), |route| (route.old)(view, commit, event))
        };
        let fold_new = |view: &mut New, commit: &CommitView<'_>, event: &EventView<'_>| {
            route(commit).map_or(Ok(()), |route| (route.new)(view, commit, event))
        };
        let told = |commit: &CommitView<'_>, event: &EventView<'_>| {
            route(commit).and_then(|route| (route.told)(event))
        };
        let mut pair = Pair {
            old: (Old::default(), &fold_old),
            new: (New::default(), &fold_new),
            alike: self.alike.as_ref(),
            told: &told,
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
    /// With the number of the commit behind which they were still alike.
    Different {
        behind: u64,
        found: Box<Divergence>,
    },
}

fn project<A: Aggregate, V: Projection<A>>(
    view: &mut V,
    commit: &CommitView<'_>,
    event: &EventView<'_>,
) -> Result<(), String> {
    let id = Id::<A>::try_from(commit.id).map_err(|invalid| invalid.to_string())?;
    let envelopes = replay::envelopes(Decoder::new(), &id, commit, event);
    let envelopes = envelopes.map_err(|error| error.to_string())?;
    guarded(|| envelopes.iter().for_each(|envelope| view.project(envelope)))
        .map_err(|panic| format!("the projection panicked: {panic}"))
}
