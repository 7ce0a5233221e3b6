//! Tests of power cuts between two sets of notes: a start must find all or nothing of a change.

use super::*;

/// Returns what is stored after a power cut after each of the sets that are written until nothing is left;
/// the last is what is stored without a power cut.
fn cut_after_each_set(mut disk: Disk, parked: &mut ParkedEvents, target: Checkpoint) -> Vec<Disk> {
    let mut cuts = Vec::new();
    while disk.checkpoint() != Some(target) || parked.has_outdated() {
        disk.store(&parked.take_notes("mailer", target).0);
        cuts.push(disk.clone());
    }
    assert!(cuts.len() > 2, "it takes more than one set: {}", cuts.len());
    cuts
}

fn noted(positions: impl IntoIterator<Item = u64>, target: u64) -> (ParkedEvents, Disk) {
    let (mut parked, mut disk) = (parked_under("a", positions), Disk::default());
    disk.store_all(&mut parked, checkpoint(target));
    (parked, disk)
}

/// 500 parked events of a key are handled, the key is free, and so is its next event. A note of one of them
/// with a checkpoint after the next would have it handled again, after that one.
#[test]
fn the_checkpoint_does_not_move_while_a_handled_event_has_a_note() {
    let (mut parked, disk) = noted(1..=500, 500);
    for _ in 0..500 {
        parked.remove_first(&"a".into());
    }
    for cut in cut_after_each_set(disk, &mut parked, checkpoint(501)) {
        let (found, checkpoint) = cut.found();
        let is_passed = checkpoint.mark.position == at(501);
        assert_eq!(is_passed, found.count() == 0, "{} at {checkpoint:?}", found.count());
    }
}

/// Notes left over after the new place are not parked events: these are read again. The checkpoint does not
/// move before those notes are removed, or the events would count as parked after the next power cut.
#[test]
fn an_interrupted_reset_is_finished_before_the_checkpoint_moves() {
    let (mut parked, disk) = noted(1..=500, 500);
    parked.discard_after(at(10));
    for mut cut in cut_after_each_set(disk, &mut parked, checkpoint(10)) {
        let (mut found, reached) = cut.found();
        assert_eq!((found.count(), reached.mark), (10, Mark::at(at(10))));
        // The next run moves as far as it can.
        let is_left = found.has_outdated();
        let (notes, reached) = found.take_notes("mailer", checkpoint(400));
        cut.store(&notes);
        assert!(!is_left || !found.has_outdated() || reached.mark.position == at(10));
        assert_eq!(cut.found().0.count(), 10);
    }
}

/// Skipped events after the new place are to be handled again: leftover notes of them must not count as a
/// later request to skip them.
#[test]
fn an_interrupted_reset_leaves_nothing_skipped_after_the_new_place() {
    let (mut parked, mut disk) = (parked_under("a", 11..=510), Disk::default());
    for _ in 0..500 {
        parked.skip_first(&"a".into());
    }
    disk.store_all(&mut parked, checkpoint(10));
    assert!(disk.names().len() == 500 && disk.found().0.has_skipped(at(11), &"a".into()));
    parked.discard_after(at(5));
    for cut in cut_after_each_set(disk, &mut parked, checkpoint(5)) {
        let (found, checkpoint) = cut.found();
        assert_eq!(checkpoint.resetting, found.has_outdated());
        assert!((11..=510).all(|position| !found.has_skipped(at(position), &"a".into())));
    }
}

/// Hundreds of notes are removed while hundreds are put: at any time each event is parked, was handled, or
/// is read again.
#[test]
fn parked_events_that_the_checkpoint_passes_are_noted_or_read_again() {
    let (mut parked, mut disk) = (parked_under("a", 1..=600), Disk::default());
    while disk.checkpoint().is_none_or(|it| it.mark.position < at(300)) {
        disk.store(&parked.take_notes("mailer", checkpoint(300)).0);
    }
    for _ in 0..200 {
        parked.remove_first(&"a".into());
    }
    for cut in cut_after_each_set(disk, &mut parked, checkpoint(600)) {
        let (found, checkpoint) = cut.found();
        let listed = listed(&found, "a");
        let expected: Vec<_> = (listed[0]..=checkpoint.mark.position.get()).collect();
        assert!(listed[0] <= 201 && listed == expected, "{listed:?} at {checkpoint:?}");
    }
}
