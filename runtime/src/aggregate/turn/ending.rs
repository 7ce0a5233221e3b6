//! Ends the stream of an aggregate in a turn, also if its events yield no state.

use actuarius_domain::{Aggregate, Context, Version};
use actuarius_persistence::Deletion;

use super::{Turn, Verdict};
use crate::aggregate::incarnation::PERMANENT;
use crate::base::error::Failure;
use crate::base::panics::guarded;

impl<A: Aggregate> Turn<'_, A> {
    /// Ends the stream, unless it has ended already.
    pub(super) fn delete(
        &mut self,
        deletion: Deletion,
        named: bool,
        context: &Context,
    ) -> Verdict<A> {
        let ended = self.incarnation.ended;
        if self.incarnation.version == Version::NONE
            || ended == Some(PERMANENT)
            || ended == Some(deletion)
        {
            return Verdict::Empty;
        }
        if let Err(error) = self.append.push_deletion(self.commit(named, context), deletion) {
            return Verdict::Refused(Failure::Unstorable(error).into());
        }
        if let Err(panic) = guarded(|| self.incarnation.end(deletion)) {
            self.append.drop_last();
            self.incarnation.unreadable = None;
            return self.quarantine_after_panic(panic);
        }
        // From here on it has a state again.
        self.quarantine = None;
        self.incarnation.version = self.incarnation.version.next();
        self.incarnation.time = Some(self.now);
        self.remember(context.command_id(), named, 1);
        Verdict::Stored { events: 1 }
    }
}
