//! Tests of parked events and their notes. The store is a map, which a crash leaves as it is.

mod cut_short;
mod model;
mod overflow;

use actuarius_domain::{StreamId, Timestamp};
use actuarius_persistence::Notes;
use bytes::Bytes;
use uuid::Uuid;

use super::*;
use crate::subscription::checkpoint::Mark;

fn at(position: u64) -> Position {
    Position::new(position)
}

fn entry(position: u64) -> Entry {
    Entry {
        position: at(position),
        commit: at(position),
        stream: StreamId::new("ledger", "a").unwrap(),
        event_type: "Added".into(),
        attempts: 5,
        error: "no".into(),
        parked_at: Timestamp::from_micros(17),
    }
}

fn checkpoint(position: u64) -> Checkpoint {
    Checkpoint::beginning(Uuid::nil(), Mark::at(at(position)))
}

/// Parked events with a checkpoint at the beginning of the log.
fn parked_under(key: &str, positions: impl IntoIterator<Item = u64>) -> ParkedEvents {
    let mut parked = ParkedEvents::new(&checkpoint(0));
    for position in positions {
        parked.park(&key.into(), entry(position));
    }
    parked
}

/// Returns the positions of the key's listed events.
fn listed(parked: &ParkedEvents, key: &str) -> Vec<u64> {
    parked.of(key).iter().map(|it| it.position.get()).collect()
}

/// The stored notes of one subscription.
#[derive(Debug, Clone, Default)]
struct Disk(BTreeMap<Bytes, Bytes>);

impl Disk {
    fn store(&mut self, notes: &Notes) {
        for change in notes {
            match &change.value {
                Some(value) => drop(self.0.insert(change.key.clone(), value.clone())),
                None => drop(self.0.remove(&change.key)),
            }
        }
    }

    /// Stores set after set until nothing is left to be written.
    fn store_all(&mut self, parked: &mut ParkedEvents, target: Checkpoint) {
        while self.checkpoint() != Some(target) || parked.has_outdated() {
            let (notes, _) = parked.take_notes("mailer", target);
            self.store(&notes);
        }
    }

    fn checkpoint(&self) -> Option<Checkpoint> {
        let note = self.0.get(&b"subscription/mailer"[..])?;
        Some(Checkpoint::decode("mailer", note.clone()).unwrap())
    }

    /// Loads what a start would find.
    fn found(&self) -> (ParkedEvents, Checkpoint) {
        let checkpoint = self.checkpoint().unwrap();
        let mut parked = ParkedEvents::new(&checkpoint);
        for (key, value) in self.0.iter().filter(|(key, _)| key.starts_with(b"parked/")) {
            let note = Note { key: key.clone(), value: value.clone() };
            parked.load("mailer", &note).unwrap();
        }
        parked.prune_skipped();
        (parked, checkpoint)
    }

    /// Returns the names of the notes apart from the checkpoint.
    fn names(&self) -> Vec<String> {
        let names = self.0.keys().map(|key| String::from_utf8(key.to_vec()).unwrap());
        names.filter(|name| name.starts_with("parked/")).collect()
    }
}

#[test]
fn parked_and_skipped_events_are_read_from_their_notes_whatever_the_key_is() {
    for key in ["a", "with/slashes/", "", "ü", "/00000000000000000009", "skipped-1/skipped-2"] {
        let (mut parked, mut disk) = (parked_under(key, [2, 3, 7, 8]), Disk::default());
        parked.discard_after(at(3));
        disk.store_all(&mut parked, checkpoint(3));
        parked.park(&key.into(), entry(9));
        for _ in 0..3 {
            parked.skip_first(&key.into());
        }
        disk.store_all(&mut parked, checkpoint(3));
        let (found, _) = disk.found();
        assert_eq!((found.count(), found.has_skipped(at(9), &key.into())), (0, true), "{key:?}");

        let mut parked = parked_under(key, [2, 3]);
        disk.store_all(&mut parked, checkpoint(4));
        assert_eq!(disk.found().0.of(key), parked.of(key), "{key:?}");
        assert_eq!(parked.of(key).len(), 2);
    }
}

#[test]
fn a_parked_event_is_noted_with_the_checkpoint_that_passes_it_and_not_before() {
    let (mut parked, mut disk) = (parked_under("a", [2, 7]), Disk::default());
    disk.store(&parked.take_notes("mailer", checkpoint(5)).0);
    assert_eq!(disk.names(), ["parked/mailer/a/00000000000000000002"]);
    assert_eq!((disk.checkpoint(), parked.unstored()), (Some(checkpoint(5)), 1));
    disk.store(&parked.take_notes("mailer", checkpoint(7)).0);
    assert_eq!((disk.names().len(), parked.unstored()), (2, 0));
}

#[test]
fn a_checkpoint_stops_before_the_first_parked_event_its_set_has_no_room_for() {
    let (mut parked, mut disk) = (parked_under("a", 1..=1_000), Disk::default());
    let mut last = 0;
    while parked.unstored() > 0 {
        disk.store(&parked.take_notes("mailer", checkpoint(1_000)).0);
        let reached = disk.checkpoint().unwrap().mark.position.get();
        assert!(reached > last, "every set gets further");
        last = reached;
        let noted = disk.names().len() as u64;
        assert_eq!(noted, last, "what the checkpoint has passed is noted, and nothing else");
    }
    assert_eq!(last, 1_000);
}

#[test]
fn the_note_of_a_handled_event_is_removed_and_that_of_a_failed_one_rewritten() {
    let (mut parked, mut disk) = (parked_under("a", [1, 2]), Disk::default());
    disk.store_all(&mut parked, checkpoint(2));
    parked.remove_first(&"a".into());
    parked.first_failed(&"a".into(), "still no");
    assert!(parked.has_outdated());
    disk.store(&parked.take_notes("mailer", checkpoint(2)).0);
    assert!(!parked.has_outdated());
    assert_eq!(disk.names(), ["parked/mailer/a/00000000000000000002"]);
    let (found, _) = disk.found();
    let left = found.first("a").unwrap();
    assert_eq!((left.attempts, &*left.error), (6, "still no"));
}

#[test]
fn an_event_that_was_never_noted_leaves_nothing_to_remove() {
    let mut parked = parked_under("a", [1]);
    parked.remove_first(&"a".into());
    assert!(!parked.holds("a") && !parked.has_outdated() && parked.count() == 0);
}

/// A stored event may be upcast to events of two keys.
#[test]
fn two_shares_of_one_event_are_parked_noted_and_skipped_separately() {
    let (mut parked, mut disk) = (ParkedEvents::new(&checkpoint(0)), Disk::default());
    for key in ["a", "b"] {
        parked.park(&key.into(), entry(3));
    }
    assert_eq!((parked.count(), parked.unstored()), (2, 2));
    disk.store_all(&mut parked, checkpoint(3));
    let (mut found, _) = disk.found();
    assert!(found.holds("a") && found.holds("b"));
    found.remove_first(&"a".into());
    disk.store_all(&mut found, checkpoint(3));
    let (found, _) = disk.found();
    assert!(!found.holds("a") && found.holds("b"));

    let mut parked = ParkedEvents::new(&checkpoint(0));
    for key in ["a", "b"] {
        parked.park(&key.into(), entry(3));
    }
    parked.skip_first(&"b".into());
    assert!(parked.has_skipped(at(3), &"b".into()) && !parked.has_skipped(at(3), &"a".into()));
    assert_eq!((parked.holds("a"), parked.unstored()), (true, 2));
}

#[test]
fn a_skipped_event_has_a_note_only_while_it_could_be_read_again() {
    let (mut parked, mut disk) = (parked_under("a", [3]), Disk::default());
    parked.skip_first(&"a".into());
    disk.store(&parked.take_notes("mailer", checkpoint(2)).0);
    assert_eq!(disk.names(), ["parked/mailer/a/skipped-00000000000000000003"]);
    let (mut found, _) = disk.found();
    assert!(found.has_skipped(at(3), &"a".into()) && !found.holds("a"));
    disk.store_all(&mut found, checkpoint(3));
    assert!(disk.names().is_empty() && !found.has_skipped(at(3), &"a".into()));

    // An event that was passed is not read again.
    let mut passed = parked_under("a", [1]);
    disk.store_all(&mut passed, checkpoint(1));
    passed.skip_first(&"a".into());
    disk.store(&passed.take_notes("mailer", checkpoint(1)).0);
    assert!(disk.names().is_empty());
}

#[test]
fn events_after_a_place_are_discarded_and_earlier_ones_stay() {
    let (mut parked, mut disk) = (parked_under("a", [1, 2, 3]), Disk::default());
    parked.park(&"b".into(), entry(4));
    parked.park(&"c".into(), entry(5));
    parked.skip_first(&"c".into());
    disk.store_all(&mut parked, checkpoint(4));
    parked.discard_after(at(2));
    assert_eq!((listed(&parked, "a"), parked.count(), parked.firsts().len()), (vec![1, 2], 2, 1));
    assert!(!parked.has_skipped(at(5), &"a".into()));
    disk.store_all(&mut parked, checkpoint(2));
    assert_eq!(disk.names().len(), 2);
}

#[test]
fn keys_are_bounded_and_events_of_a_key_are_not() {
    let mut parked = parked_under("a", [1]);
    parked.bounds = Bounds { keys: 3, listed_of_key: 2, ..BOUNDS };
    for (key, position) in [("a", 2), ("a", 3), ("b", 4), ("c", 5)] {
        assert!(parked.has_room_for(key, true).is_ok());
        parked.park(&key.into(), entry(position));
    }
    assert!(parked.has_room_for("d", true).is_err());
    assert!(parked.has_room_for("a", true).is_ok() && parked.has_room_for("b", false).is_ok());
    // It could not be found again.
    assert!(parked.has_room_for("a", false).is_err());
}
