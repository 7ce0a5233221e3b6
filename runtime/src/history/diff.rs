//! [`Diff`]: the differences between two moments of an aggregate's history.

use std::fmt;
use std::sync::Arc;

use actuarius_domain::{Aggregate, Id, InvalidId};
use actuarius_persistence::CodecError;

use super::fields::{self, FieldChange};
use super::moment::Moment;
use super::steps::History;
use super::walk::{Past, as_of};
use crate::aggregate::hosted_type::HostedType;
use crate::aggregates::{Aggregates, checked};
use crate::base::error::Failure;
use crate::base::panics::guarded;

impl<A: Aggregate> Aggregates<A> {
    /// Returns the differences between two moments of an aggregate's history: the state at each, the fields
    /// that are different, and the events in between. The first moment may be the later one.
    ///
    /// # Errors
    /// As for [`as_of`](Aggregates::as_of).
    pub async fn diff<I>(
        &self,
        id: I,
        from: impl Into<Moment>,
        to: impl Into<Moment>,
    ) -> Result<Diff<A>, Failure>
    where
        I: TryInto<Id<A>>,
        InvalidId: From<I::Error>,
    {
        Diff::between(self.directory.hosted.clone(), checked(id)?, from.into(), to.into()).await
    }
}

/// The differences between two moments of an aggregate's history. Returned by
/// [`Aggregates::diff`](crate::Aggregates::diff).
pub struct Diff<A: Aggregate> {
    /// The state at the first moment.
    pub before: Past<A>,
    /// The state at the second moment.
    pub after: Past<A>,
    hosted: Arc<HostedType<A>>,
    id: Id<A>,
}

impl<A: Aggregate> Diff<A> {
    pub(crate) async fn between(
        hosted: Arc<HostedType<A>>,
        id: Id<A>,
        from: Moment,
        to: Moment,
    ) -> Result<Self, Failure> {
        let (before, after) = tokio::try_join!(as_of(&hosted, &id, from), as_of(&hosted, &id, to))?;
        Ok(Self { before, after, hosted, id })
    }

    /// Returns how many events lie between the two moments.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.before.version.get().abs_diff(self.after.version.get())
    }

    /// Returns the events between the two moments, each with the state after it, whichever moment is the
    /// earlier one.
    pub fn history(&self) -> History<A> {
        let (first, last) = (self.before.version, self.after.version);
        let history = History::of(self.hosted.clone(), Ok(self.id.clone()));
        history.from(first.min(last).next()).until(first.max(last))
    }

    /// Returns the fields of the state that are different, by their paths. Costs as much as encoding both
    /// states as JSON.
    ///
    /// # Errors
    /// [`CodecError::Encode`] if a state cannot be encoded as JSON, for example because a map in it has
    /// keys that are neither strings nor numbers.
    pub fn changes(&self) -> Result<Vec<FieldChange>, CodecError> {
        let value = |past: &Past<A>| {
            let value = guarded(|| fields::as_value(&past.state));
            value.and_then(|value| value).map_err(CodecError::Encode)
        };
        Ok(fields::changes(&value(&self.before)?, &value(&self.after)?))
    }
}

impl<A: Aggregate + fmt::Debug> fmt::Debug for Diff<A> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { before, after, id, .. } = self;
        let mut diff = formatter.debug_struct("Diff");
        diff.field("id", id).field("before", before).field("after", after).finish_non_exhaustive()
    }
}
