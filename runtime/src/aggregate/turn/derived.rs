//! Decides a command that is made from the state of the aggregate in its turn, as those of timers are.

use actuarius_domain::{Aggregate, Context, Version};

use super::{Turn, Verdict};
use crate::aggregate::request::Derive;
use crate::base::error::{Failure, Place};
use crate::base::panics::guarded;

impl<A: Aggregate> Turn<'_, A> {
    /// Decides the command that the state leads to. An aggregate that does not exist has none.
    pub(super) fn derive(
        &mut self,
        derive: Derive<A>,
        named: bool,
        context: &Context,
    ) -> Verdict<A> {
        if self.incarnation.version == Version::NONE || self.incarnation.ended.is_some() {
            return Verdict::Empty;
        }
        let state = &*self.incarnation.state;
        match guarded(|| derive(state)) {
            Err(message) => {
                Verdict::Refused(Failure::Panicked { place: Place::Timer, message }.into())
            }
            Ok(None) => Verdict::Empty,
            Ok(Some(command)) => self.decide(command, named, context),
        }
    }

    /// Arms the timers that the state sets, before its events are handed over. Called after each command with events:
    /// a power cut may leave the commits of the first commands of a turn alone.
    pub(super) fn arm_timers(&self) {
        let Some(timers) = &self.hosted().timers else { return };
        let id = self.append.stream().shared_id();
        if self.quarantine.is_some() {
            // The state is half changed, and the events before are stored.
            timers.state_is_unknown(id);
        } else if self.incarnation.ended.is_some() {
            timers.stream_ends(id);
        } else {
            timers.state_is(id, &self.incarnation.state);
        }
    }
}
