//! `Ends`: a handler of the ends of streams.

use std::borrow::Cow;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use actuarius_domain::{Aggregate, StreamId};
use actuarius_persistence::{CommitView, EventView};
use smallvec::smallvec;

use super::handler::{AnyHandler, Handling, Lane};
use crate::follow::deleted_aggregate::DeletedAggregate;
use crate::follow::followers::BoxError;
use crate::schema::decoding::Names;

/// A handler of the ends of the streams of the aggregate type `A`.
pub(super) struct Ends<A, F> {
    react: Arc<F>,
    aggregate: PhantomData<fn() -> A>,
}

impl<A, F> Ends<A, F> {
    pub(super) fn new(react: F) -> Self {
        Self { react: Arc::new(react), aggregate: PhantomData }
    }
}

impl<A, F, Reacting, E> AnyHandler for Ends<A, F>
where
    A: Aggregate,
    F: Fn(DeletedAggregate<A>) -> Reacting + Send + Sync + 'static,
    Reacting: Future<Output = Result<(), E>> + Send,
    E: Into<BoxError>,
{
    fn names<'a>(&self, event: &EventView<'a>) -> Result<Names<'a>, String> {
        Ok(smallvec![Cow::Borrowed(event.event_type)])
    }

    fn lane(&self, _: &CommitView<'_>, _: &EventView<'_>, _: usize) -> Result<Lane, String> {
        Ok(Lane::Default)
    }

    fn is_routed(&self) -> bool {
        false
    }

    fn handling(
        &self,
        _: &StreamId,
        commit: &CommitView<'_>,
        event: &EventView<'_>,
        _: &[usize],
        _: Option<&str>,
    ) -> Result<Handling, String> {
        let deleted = DeletedAggregate::<A>::of(commit, event);
        let deleted = deleted.map_err(|invalid| invalid.to_string())?;
        let react = self.react.clone();
        Ok(Box::pin(async move {
            match deleted {
                Some(deleted) => react(deleted).await.map_err(Into::into),
                None => Ok(()),
            }
        }))
    }

    fn before_parking(
        &self,
        _: &StreamId,
        _: &CommitView<'_>,
        _: &EventView<'_>,
        _: &[usize],
        _: &Arc<str>,
    ) -> Option<Handling> {
        None
    }
}
