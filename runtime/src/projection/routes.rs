//! Which events a view follows, and how each is folded into it.

use std::sync::Arc;

use actuarius_domain::{Aggregate, Envelope, Id};
#[cfg(feature = "sagas")]
use actuarius_persistence::EventView;
use actuarius_persistence::{Commit, CommitView};

use super::target::Failed;
use super::types::Types;
use crate::base::panics::guarded;
use crate::schema::decoding::Decoder;

/// Which events a view of the type `V` follows, and what each does to it. Cheap to clone.
pub(crate) struct Routes<V: ?Sized>(Arc<Vec<Route<V>>>);

struct Route<V: ?Sized> {
    category: &'static str,
    project: Box<Fold<V>>,
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
        let mut routes = Arc::into_inner(self.0).unwrap_or_default();
        routes.retain(|route| route.category != A::TYPE);
        let project = move |view: &mut V, commit: &CommitView<'_>| {
            project_commit::<A>(decoder, commit, |envelope| fold(view, envelope))
        };
        routes.push(Route { category: A::TYPE, project: Box::new(project) });
        Self(Arc::new(routes))
    }

    /// Adds an aggregate type whose stored events the view decodes itself.
    #[cfg(feature = "sagas")]
    pub(crate) fn on_stored<A: Aggregate>(
        self,
        fold: impl Fn(&mut V, &CommitView<'_>, &EventView<'_>) + Send + Sync + 'static,
    ) -> Self {
        let mut routes = Arc::into_inner(self.0).unwrap_or_default();
        let project = move |view: &mut V, commit: &CommitView<'_>| {
            commit.events().for_each(|event| fold(view, commit, &event));
            Ok(commit.events)
        };
        routes.push(Route { category: A::TYPE, project: Box::new(project) });
        Self(Arc::new(routes))
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
        match self.0.iter().find(|route| route.category == commit.category) {
            Some(route) => (route.project)(view, &commit),
            None => Ok(0),
        }
    }
}

fn project_commit<A: Aggregate>(
    decoder: Decoder<A>,
    commit: &CommitView<'_>,
    mut fold: impl FnMut(&Envelope<A>),
) -> Result<u64, Failed> {
    let mut at = commit.position;
    let mut fold_all = || -> Result<u64, String> {
        let id = Id::<A>::try_from(commit.id).map_err(|invalid| invalid.to_string())?;
        for event in commit.events() {
            at = event.position;
            let decoded = decoder.envelopes(&id, commit, &event);
            decoded.map_err(|error| error.to_string())?.iter().for_each(&mut fold);
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
