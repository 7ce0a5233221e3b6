//! Compares what handlers received over several runs of a runtime with the log.

use std::collections::{BTreeMap, BTreeSet};

use super::scene::Heard;

/// Asserts that every event was handled, and each key in order. A run continues from event to
/// event, and begins with one that is due or was handled before. So a repeated event is repeated
/// with all later ones.
pub(crate) fn hold_against(log: &[Heard], lives: &[Vec<Heard>]) {
    let mut due: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for event in log {
        due.entry(&event.id).or_default().push(event.position);
    }
    for (id, due) in due {
        let of_id = |life: &Vec<Heard>| -> Vec<u64> {
            life.iter().filter(|event| event.id == id).map(|event| event.position).collect()
        };
        hold_key_against(id, &due, &lives.iter().map(of_id).collect::<Vec<_>>());
    }
}

fn hold_key_against(id: &str, due: &[u64], lives: &[Vec<u64>]) {
    let mut done = BTreeSet::new();
    for life in lives {
        for (place, position) in life.iter().enumerate() {
            let before = due.iter().take_while(|it| *it < position);
            let left_out: Vec<_> = match place.checked_sub(1).map(|place| life[place]) {
                Some(last) => {
                    assert!(last < *position, "{id}: {last} before {position} in one life");
                    before.filter(|it| **it > last).collect()
                }
                None => before.filter(|it| !done.contains(*it)).collect(),
            };
            assert!(left_out.is_empty(), "{id}: {position} overtakes {left_out:?}");
            done.insert(*position);
        }
    }
    let missing: Vec<_> = due.iter().filter(|it| !done.contains(*it)).collect();
    assert!(missing.is_empty(), "{id}: {missing:?} were never handled");
    let last = lives.iter().rev().find_map(|life| life.last());
    assert_eq!(last, due.last(), "{id}: what came last");
}
