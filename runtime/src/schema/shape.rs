//! A fingerprint of the shape of a type as serde sees it: fields and their names, variants, kinds of values, and
//! everything nested. After a change of it, older bytes may decode to something else, or not at all.

mod deserializer;
mod tracer;

#[cfg(test)]
mod tests;

use std::any::TypeId;
use std::sync::OnceLock;

use dashmap::DashMap;
use serde::de::DeserializeOwned;

use tracer::Tracer;

/// How many times a type is traversed, each time with the next variants of its enums. The fingerprint of a
/// larger type covers only what was seen until then.
const WALKS_MAX: usize = 1_000;

static FINGERPRINTS: OnceLock<DashMap<TypeId, u64, foldhash::fast::RandomState>> = OnceLock::new();

/// Returns the fingerprint of a type's shape, which is the same in each run and on each machine. It is computed
/// once per process.
///
/// It does not cover what a type hides from serde: flattened fields, untagged enums, what a hand-written
/// `Deserialize` does with a value, and everything after a value that rejects all samples.
pub(crate) fn fingerprint<T: DeserializeOwned + 'static>() -> u64 {
    let known = FINGERPRINTS.get_or_init(DashMap::default);
    let id = TypeId::of::<T>();
    if let Some(found) = known.get(&id) {
        return *found;
    }
    // The user's code runs while no part of the map is locked.
    let found = compute::<T>();
    known.insert(id, found);
    found
}

fn compute<T: DeserializeOwned>() -> u64 {
    let mut tracer = Tracer::default();
    for _ in 0..WALKS_MAX {
        let root = deserializer::root(&mut tracer);
        let walked = crate::base::panics::guarded(|| T::deserialize(root).is_ok());
        if !tracer.end_walk(walked.unwrap_or(false)) {
            break;
        }
    }
    tracer.fingerprint()
}
