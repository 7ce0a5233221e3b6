//! Pages of sled that cannot be read: which keys they concern, and how scans end at them.

use std::collections::BTreeMap;

use sled::Db;

use crate::error::catch_panic;

/// How often the same damage is met before it counts as damage of the page that is read or changed. sled moves a page
/// once for each segment that has a piece of it, and it has at most eleven pieces.
const MEETINGS_MAX: usize = 12;

/// Reads or changes something, and does so again if sled has met a damaged page of something else. Repeating `work` must
/// have the same result.
///
/// When sled writes a page, it may also move another one, whose segment it wants to use again. If that one is damaged,
/// sled reports so after it has written the first. It does not try to move it again.
///
/// If it was a group, a part of it has been written alone. The rest follows at once, but a power cut in between would
/// separate them.
pub(crate) fn beside_damage<T>(work: impl Fn() -> sled::Result<T>) -> sled::Result<T> {
    beside_damage_of_others(work, || true)
}

/// Does the same, unless the damage is in a page that `work` needs: `is_possible` is called after the first error.
/// Each repetition of a group that fails would write another part of it.
pub(super) fn beside_damage_of_others<T>(
    work: impl Fn() -> sled::Result<T>,
    is_possible: impl Fn() -> bool,
) -> sled::Result<T> {
    let mut met: BTreeMap<String, usize> = BTreeMap::new();
    loop {
        let error = match work() {
            Err(error @ sled::Error::Corruption { .. }) => error,
            done => return done,
        };
        if met.is_empty() && !is_possible() {
            return Err(error);
        }
        let count = met.entry(error.to_string()).or_default();
        *count += 1;
        if *count > MEETINGS_MAX {
            return Err(error);
        }
    }
}

/// Returns whether the page that has `key`, or would have it, can be read. A page that cannot be read cannot
/// be written either, and a group with one change in it fails.
pub(crate) fn is_readable(db: &Db, key: &[u8]) -> bool {
    matches!(catch_panic(|| beside_damage(|| db.contains_key(key))), Ok(Ok(_)))
}

/// The most keys that a leaf has, with those of a small one that was merged into it.
const LEAF_KEYS: usize = 20;

/// Returns whether `key` can be removed: its page and the one before can be read. sled merges a leaf with few keys
/// into the one before. If it cannot, nothing below the node above is accessible any more: up to 256 leaves.
pub(crate) fn is_removable(db: &Db, key: &[u8]) -> bool {
    let before = || db.range(..=key).rev().take(LEAF_KEYS).all(|found| found.is_ok());
    is_readable(db, key) && catch_panic(before).unwrap_or(false)
}

/// Ends a scan after its first error. sled's own scans return the error of a damaged page without an end.
pub(super) fn until_error<T>(
    scan: impl Iterator<Item = sled::Result<T>>,
) -> impl Iterator<Item = sled::Result<T>> {
    scan.scan(false, |has_failed, found| {
        let is_after = std::mem::replace(has_failed, found.is_err());
        (!is_after).then_some(found)
    })
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::fs::{self, File};
    use std::path::Path;
    use std::time::Duration;

    use actuarius_persistence::files::lock;

    use super::beside_damage_of_others;
    use crate::damaged_pages::last_segments;
    use crate::engine::{Engine, Group, SEGMENT_BYTES, open_sled};
    use crate::keys::VALUE_MAX;
    use crate::options::SledOptions;

    const KEYS: u64 = 3_000;

    fn value(key: u64, round: u64) -> Vec<u8> {
        let mut rng = fastrand::Rng::with_seed(key * 2 + round);
        std::iter::repeat_with(|| rng.u8(..)).take(VALUE_MAX).collect()
    }

    /// Opens sled without its own thread, so that all pages are moved together with changes. The sled that was open
    /// before may release its file late.
    fn open(directory: &Path) -> Engine {
        let attempt = || open_sled(directory, &SledOptions::default(), None);
        let db = lock::retry(Duration::from_secs(60), attempt).expect("opens");
        let file = File::options().write(true).open(directory.join("db")).expect("opens");
        Engine::new(db, file, directory).expect("its files exist")
    }

    fn put(engine: &Engine, keys: &[u64], round: u64) {
        for keys in keys.chunks(10) {
            let mut group = Group::default();
            for key in keys {
                group.put(engine.db(), &key.to_be_bytes(), value(*key, round));
            }
            engine.sync(group).unwrap_or_else(|failure| panic!("{keys:?}: {failure}"));
        }
    }

    /// Damages the value of a key that is not in what sled reads when it is opened. Returns the key.
    fn damage(directory: &Path) -> u64 {
        let path = directory.join("db");
        let mut file = fs::read(&path).expect("readable");
        let read_at_open = last_segments(&file);
        for key in (0..KEYS).step_by(150) {
            let value = value(key, 0);
            let places = file.windows(8).enumerate().filter(|(_, eight)| *eight == &value[..8]);
            let places: Vec<_> = places.map(|(at, _)| at).collect();
            if places.iter().all(|at| !read_at_open.contains(&(at / SEGMENT_BYTES))) {
                places.iter().for_each(|&at| file[at] ^= 1);
                fs::write(path, file).expect("written");
                return key;
            }
        }
        panic!("all values are in {read_at_open:?}");
    }

    /// sled moves what is left of a segment to use it again. It came to a damaged page while it stored something else,
    /// and reported that this had failed. The store stopped, and stopped again after each restart.
    #[test]
    fn a_damaged_page_that_sled_wants_to_move_does_not_stop_changes_of_others() {
        let directory = tempfile::tempdir().expect("a directory");
        put(&open(directory.path()), &(0..KEYS).collect::<Vec<_>>(), 0);
        // sled writes down where its pages are when it is opened.
        drop(open(directory.path()));
        let damaged = damage(directory.path());
        let engine = open(directory.path());
        let key = |key: &u64| key.to_be_bytes();
        let (whole, lost): (Vec<u64>, Vec<u64>) =
            (0..KEYS).partition(|it| engine.is_writable(&key(it)));
        assert!((1..=20).contains(&lost.len()) && lost.contains(&damaged), "{lost:?}");
        put(&engine, &whole, 1);
        drop(engine);
        let engine = open(directory.path());
        for it in whole {
            let stored = engine.get(&key(&it)).expect("readable").expect("stored");
            assert!(stored[..] == value(it, 1), "{it}");
        }
        assert!(lost.iter().all(|it| engine.get(&key(it)).is_err()));
    }

    /// A group with a change in a damaged page was tried 13 times, each time in another order. It failed, but nearly all of
    /// it had been stored.
    #[test]
    fn a_group_with_a_change_in_a_damaged_page_is_tried_once() {
        let directory = tempfile::tempdir().expect("a directory");
        put(&open(directory.path()), &(0..KEYS).collect::<Vec<_>>(), 0);
        drop(open(directory.path()));
        let damaged = damage(directory.path());
        let engine = open(directory.path());
        let mut group = Group::default();
        for key in [0, damaged, KEYS - 1] {
            group.put(engine.db(), &key.to_be_bytes(), value(key, 1));
        }
        let tries = Cell::new(0);
        let apply = || {
            tries.set(tries.get() + 1);
            group.apply(engine.db())
        };
        let failed = beside_damage_of_others(apply, || group.is_possible(engine.db()));
        assert!(failed.is_err() && tries.get() == 1, "{failed:?}, {tries:?}");
    }
}
