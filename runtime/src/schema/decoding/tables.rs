//! The table of upcasters of each aggregate type.

use std::any::TypeId;
use std::sync::OnceLock;

use actuarius_domain::{Aggregate, Upcasters};
use dashmap::DashMap;

/// The upcasters of all aggregate types used so far, by type. They are few, never change, and are kept until
/// the process ends.
static TABLES: OnceLock<DashMap<TypeId, &'static Upcasters, foldhash::fast::RandomState>> =
    OnceLock::new();

pub(in crate::schema) fn upcasters<A: Aggregate>() -> &'static Upcasters {
    let tables = TABLES.get_or_init(DashMap::default);
    let id = TypeId::of::<A>();
    if let Some(table) = tables.get(&id) {
        return *table;
    }
    // The user's code runs while no part of the map is locked.
    let table = A::upcasters();
    *tables.entry(id).or_insert_with(|| Box::leak(Box::new(table)))
}
