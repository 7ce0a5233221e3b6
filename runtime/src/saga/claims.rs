use std::sync::Arc;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use smallvec::SmallVec;

use super::stored::EffectId;

/// The commands that someone is carrying out. No other may send one meanwhile, nor behind it: if it were
/// rejected, and sent once more behind that, it could be accepted then.
///
/// So who takes a step has the first right to what it sends: [`Stepping`] is held from before the step
/// until those rights are taken, and keeps out who looks for commands that were left.
#[derive(Default)]
pub(super) struct Claims(Arc<ByInstance>);

type ByInstance = DashMap<Arc<str>, Work, foldhash::fast::RandomState>;

#[derive(Default)]
struct Work {
    /// Steps that are being taken.
    steps: u32,
    /// Nearly always one.
    effects: SmallVec<[EffectId; 1]>,
}

/// The right to carry out one command. It ends when this is dropped.
pub(super) struct Claim {
    all: Arc<ByInstance>,
    id: Arc<str>,
    effect: EffectId,
}

/// A step is being taken, or what it sends is not begun yet.
pub(super) struct Stepping {
    all: Arc<ByInstance>,
    id: Arc<str>,
}

impl Claims {
    pub(super) fn stepping(&self, id: &Arc<str>) -> Stepping {
        self.0.entry(id.clone()).or_default().steps += 1;
        Stepping { all: self.0.clone(), id: id.clone() }
    }

    /// The right of who has taken the step; none if another has it already.
    pub(super) fn take(&self, id: &Arc<str>, effect: EffectId) -> Option<Claim> {
        self.take_if(id, effect, |_| true)
    }

    /// The right to a command that was left; none if another has it, or may be about to.
    pub(super) fn take_left(&self, id: &Arc<str>, effect: EffectId) -> Option<Claim> {
        self.take_if(id, effect, |work| work.steps == 0)
    }

    /// The same for who is taking a step, and has found it on its way.
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

    /// How many commands of an instance are carried out now.
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

/// Who has nothing at work has no entry.
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
    fn what_a_step_sends_is_for_who_took_it_and_what_was_left_for_the_first_who_comes() {
        let (claims, id) = (Claims::default(), Arc::from("t"));
        let effect = EffectId { step: 1, index: 0 };
        let stepping = claims.stepping(&id);
        assert!(claims.take_left(&id, effect).is_none());
        let other = claims.stepping(&id);
        assert!(claims.take_older(&other, effect).is_none());
        drop(other);
        let mine = claims.take(&id, effect).unwrap();
        drop(stepping);
        assert!(claims.take(&id, effect).is_none() && claims.take_left(&id, effect).is_none());
        drop(mine);
        assert!(claims.take_left(&id, effect).is_some());
        assert!(claims.0.is_empty());
    }
}
