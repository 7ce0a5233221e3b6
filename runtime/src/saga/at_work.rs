use std::sync::Arc;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use smallvec::SmallVec;

use super::stored::EffectId;

/// The commands that someone is carrying out. No other may send one meanwhile: if it were rejected, and
/// sent once more behind that, it could be accepted then.
#[derive(Default)]
pub(super) struct AtWork(Arc<ByInstance>);

/// Nearly always one for each instance.
type ByInstance = DashMap<Arc<str>, SmallVec<[EffectId; 1]>, foldhash::fast::RandomState>;

/// The right to carry out one command. It ends when this is dropped.
pub(super) struct Mine {
    all: Arc<ByInstance>,
    id: Arc<str>,
    effect: EffectId,
}

impl AtWork {
    /// The right to carry it out; none if another has it.
    pub(super) fn take(&self, id: &Arc<str>, effect: EffectId) -> Option<Mine> {
        let mut effects = self.0.entry(id.clone()).or_default();
        if effects.contains(&effect) {
            return None;
        }
        effects.push(effect);
        Some(Mine { all: self.0.clone(), id: id.clone(), effect })
    }

    /// How many commands of an instance are carried out now.
    pub(super) fn of(&self, id: &str) -> usize {
        self.0.get(id).map_or(0, |effects| effects.len())
    }
}

impl Drop for Mine {
    fn drop(&mut self) {
        if let Entry::Occupied(mut entry) = self.all.entry(self.id.clone()) {
            entry.get_mut().retain(|effect| *effect != self.effect);
            if entry.get().is_empty() {
                entry.remove();
            }
        }
    }
}
