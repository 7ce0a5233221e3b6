//! Which events a view follows, and how each is folded into it.

use std::sync::Arc;

use actuarius_domain::{Aggregate, Envelope, Id};
use actuarius_persistence::{Commit, CommitView, EventView};

use super::target::Failed;
use super::types::Types;
use crate::base::panics::guarded;
use crate::follow::deleted_aggregate::{DeletedAggregate, is_end};
use crate::schema::decoding::Decoder;

/// Which events a view of the type `V` follows, and what each does to it. Cheap to clone.
pub(crate) struct Routes<V: ?Sized>(Arc<Vec<Route<V>>>);

struct Route<V: ?Sized> {
    category: &'static str,
    project: Option<Box<Fold<V>>>,
    /// What the end of a stream does.
    ended: Option<Box<Fold<V>>>,
}

/// Folds the events of one commit into the view, and returns how many they were.
type Fold<V> = dyn Fn(&mut V, &CommitView<'_>) -> Result<u64, Failed> + Send + Sync;

impl<V: ?Sized> Clone for Routes<V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<V: ?Sized> Default for Routes<V> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<V: ?Sized + 'static> Routes<V> {
    /// Adds an aggregate type whose events the view follows. A second route of a type replaces the first.
    pub(crate) fn on<A: Aggregate>(
        self,
        decoder: Decoder<A>,
        fold: impl Fn(&mut V, &Envelope<A>) + Send + Sync + 'static,
    ) -> Self {
        let project = move |view: &mut V, commit: &CommitView<'_>| {
            project_commit::<A>(decoder, commit, |envelope| fold(view, envelope))
        };
        self.with(A::TYPE, |route| route.project = Some(Box::new(project)))
    }

    /// Adds what the end of a stream of an aggregate type does to the view.
    pub(crate) fn on_deleted<A: Aggregate>(
        self,
        fold: impl Fn(&mut V, &DeletedAggregate<A>) + Send + Sync + 'static,
    ) -> Self {
        let ended = move |view: &mut V, commit: &CommitView<'_>| {
            fold_commit(commit, |event| {
                let deleted = DeletedAggregate::<A>::of(commit, event);
                if let Some(deleted) = deleted.map_err(|invalid| invalid.to_string())? {
                    fold(view, &deleted);
                }
                Ok(())
            })
        };
        self.with(A::TYPE, |route| route.ended = Some(Box::new(ended)))
    }

    /// Changes the route of an aggregate type, which is added if there is none.
    fn with(self, category: &'static str, change: impl FnOnce(&mut Route<V>)) -> Self {
        let mut routes = Arc::into_inner(self.0).unwrap_or_default();
        let place = routes.iter().position(|route| route.category == category);
        let place = place.unwrap_or_else(|| {
            routes.push(Route { category, project: None, ended: None });
            routes.len() - 1
        });
        change(&mut routes[place]);
        Self(Arc::new(routes))
    }

    /// Adds an aggregate type whose stored events the view decodes itself.
    #[cfg(feature = "sagas")]
    pub(crate) fn on_stored<A: Aggregate>(
        self,
        fold: impl Fn(&mut V, &CommitView<'_>, &EventView<'_>) + Send + Sync + 'static,
    ) -> Self {
        let project = move |view: &mut V, commit: &CommitView<'_>| {
            commit.events().for_each(|event| fold(view, commit, &event));
            Ok(commit.events)
        };
        self.with(A::TYPE, |route| route.project = Some(Box::new(project)))
    }

    /// Returns the aggregate types whose events the view follows.
    pub(crate) fn types(&self) -> Types {
        Types::of(self.0.iter().map(|route| route.category))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Folds a commit into the view, and returns how many of its events the view follows. After a failure the
    /// view may be half changed.
    pub(crate) fn project(&self, view: &mut V, commit: &Commit) -> Result<u64, Failed> {
        let commit = commit.view();
        let Some(route) = self.0.iter().find(|route| route.category == commit.category) else {
            return Ok(0);
        };
        let fold = match &route.ended {
            Some(ended) if is_end(&commit) => Some(ended),
            _ => route.project.as_ref(),
        };
        fold.map_or(Ok(0), |fold| fold(view, &commit))
    }
}

fn project_commit<A: Aggregate>(
    decoder: Decoder<A>,
    commit: &CommitView<'_>,
    mut fold: impl FnMut(&Envelope<A>),
) -> Result<u64, Failed> {
    let id = Id::<A>::try_from(commit.id).map_err(|invalid| invalid.to_string());
    fold_commit(commit, |event| {
        let decoded = decoder.envelopes(id.as_ref().map_err(Clone::clone)?, commit, event);
        decoded.map_err(|error| error.to_string())?.iter().for_each(&mut fold);
        Ok(())
    })
}

/// Folds event after event, and names the one that fails.
fn fold_commit(
    commit: &CommitView<'_>,
    mut fold: impl FnMut(&EventView<'_>) -> Result<(), String>,
) -> Result<u64, Failed> {
    let mut at = commit.position;
    let mut fold_all = || -> Result<u64, String> {
        for event in commit.events() {
            at = event.position;
            fold(&event)?;
        }
        Ok(commit.events)
    };
    let folded = guarded(&mut fold_all);
    let folded = folded.unwrap_or_else(|panic| Err(format!("the projection panicked: {panic}")));
    folded.map_err(|why| {
        let stream = format_args!("{}/{}", commit.category, commit.id);
        Failed::at(at, format_args!("event of {stream}: {why}"))
    })
}
