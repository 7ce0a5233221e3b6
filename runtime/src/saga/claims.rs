//! Which task may dispatch which command, so that no command is sent twice at the same time.

use std::sync::Arc;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use smallvec::SmallVec;

use super::stored::EffectId;

/// The commands being dispatched. No other task may send one of them at the same time, nor after it: if the
/// command were rejected and then sent again, the second attempt could be accepted.
///
/// So the task that takes a step has the first claim to what the step sends. It holds [`Stepping`] from
/// before the step until those claims are taken, which keeps out a task that resumes open commands.
#[derive(Default)]
pub(super) struct Claims(Arc<ByInstance>);

type ByInstance = DashMap<Arc<str>, Work, foldhash::fast::RandomState>;

#[derive(Default)]
struct Work {
    /// How many steps are being taken.
    steps: u32,
    /// Nearly always one.
    effects: SmallVec<[EffectId; 1]>,
}

/// The right to dispatch one command, until it is dropped.
pub(super) struct Claim {
    all: Arc<ByInstance>,
    id: Arc<str>,
    effect: EffectId,
}

/// A step is being taken, or its commands are not claimed yet.
pub(super) struct Stepping {
    all: Arc<ByInstance>,
    id: Arc<str>,
}

impl Claims {
    pub(super) fn stepping(&self, id: &Arc<str>) -> Stepping {
        self.0.entry(id.clone()).or_default().steps += 1;
        Stepping { all: self.0.clone(), id: id.clone() }
    }

    /// Claims a command for the task that took its step. Returns `None` if another task has it already.
    pub(super) fn take(&self, id: &Arc<str>, effect: EffectId) -> Option<Claim> {
        self.take_if(id, effect, |_| true)
    }

    /// Claims a command that was left open. Returns `None` if another task has it, or may be about to claim it.
    pub(super) fn take_left(&self, id: &Arc<str>, effect: EffectId) -> Option<Claim> {
        self.take_if(id, effect, |work| work.steps == 0)
    }

    /// Claims an older command for the task that is taking a step and found it open.
    pub(super) fn take_older(&self, own: &Stepping, effect: EffectId) -> Option<Claim> {
        self.take_if(&own.id, effect, |work| work.steps == 1)
    }

    fn take_if(
        &self,
        id: &Arc<str>,
        effect: EffectId,
        may: impl FnOnce(&Work) -> bool,
    ) -> Option<Claim> {
        let mut work = self.0.entry(id.clone()).or_default();
        if work.effects.contains(&effect) || !may(&work) {
            // The entry is not empty.
            return None;
        }
        work.effects.push(effect);
        Some(Claim { all: self.0.clone(), id: id.clone(), effect })
    }

    /// Whether a step of an instance is being taken.
    pub(super) fn is_stepping(&self, id: &str) -> bool {
        self.0.get(id).is_some_and(|work| work.steps > 0)
    }

    /// How many commands of an instance are being dispatched.
    pub(super) fn of(&self, id: &str) -> usize {
        self.0.get(id).map_or(0, |work| work.effects.len())
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        change(&self.all, &self.id, |work| work.effects.retain(|effect| *effect != self.effect));
    }
}

impl Drop for Stepping {
    fn drop(&mut self) {
        change(&self.all, &self.id, |work| work.steps -= 1);
    }
}

/// Changes the claims of an instance, and removes an entry that has become empty.
fn change(all: &ByInstance, id: &Arc<str>, change: impl FnOnce(&mut Work)) {
    if let Entry::Occupied(mut entry) = all.entry(id.clone()) {
        change(entry.get_mut());
        if entry.get().steps == 0 && entry.get().effects.is_empty() {
            entry.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_has_the_first_claim_and_an_open_command_goes_to_the_first_task_that_resumes_it() {
        let (claims, id) = (Claims::default(), Arc::from("t"));
        let effect = EffectId { step: 1, index: 0 };
        let stepping = claims.stepping(&id);
        assert!(claims.take_left(&id, effect).is_none());
        let other = claims.stepping(&id);
        assert!(claims.take_older(&other, effect).is_none());
        drop(other);
        let claim = claims.take(&id, effect).unwrap();
        drop(stepping);
        assert!(claims.take(&id, effect).is_none() && claims.take_left(&id, effect).is_none());
        drop(claim);
        assert!(claims.take_left(&id, effect).is_some());
        assert!(claims.0.is_empty());
    }
}
