//! The shape of a type as serde sees it, as a number: fields and their names, variants, kinds of values, all
//! that is nested. When it changes, bytes of before may decode to something else, or not at all.

mod deserializer;
mod tracer;

#[cfg(test)]
mod tests;

use std::any::TypeId;
use std::sync::OnceLock;

use dashmap::DashMap;
use serde::de::DeserializeOwned;

use tracer::Tracer;

/// How often a type is walked through, each time with the next variants of its enums. A type with more
/// to see has the fingerprint of what was seen till then.
const WALKS_MAX: usize = 1_000;

static FINGERPRINTS: OnceLock<DashMap<TypeId, u64, foldhash::fast::RandomState>> = OnceLock::new();

/// The fingerprint of a type's shape: the same in each run and on each machine. It is found out once.
///
/// What a type hides from serde is not in it: flattened fields, untagged enums, what a `Deserialize` of
/// one's own does with a value, and anything behind a value that refuses all samples.
pub(crate) fn fingerprint<T: DeserializeOwned + 'static>() -> u64 {
    let known = FINGERPRINTS.get_or_init(DashMap::default);
    let id = TypeId::of::<T>();
    if let Some(found) = known.get(&id) {
        return *found;
    }
    // The user's code runs while no part of the map is locked.
    let found = find::<T>();
    known.insert(id, found);
    found
}

fn find<T: DeserializeOwned>() -> u64 {
    let mut tracer = Tracer::default();
    for _ in 0..WALKS_MAX {
        let root = deserializer::root(&mut tracer);
        let walked = crate::base::panics::guarded(|| T::deserialize(root).is_ok());
        if !tracer.goes_on(walked.unwrap_or(false)) {
            break;
        }
    }
    tracer.fingerprint()
}
