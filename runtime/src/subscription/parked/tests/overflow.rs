//! Tests of a key with more events than are listed: a note says where the overflow begins, and the log is
//! read again.

use super::*;

/// Parked events with a limit of three listed events a key.
fn narrow(position: u64) -> ParkedEvents {
    let mut parked = ParkedEvents::new(&checkpoint(position));
    parked.bounds.listed_of_key = 3;
    parked
}

/// Three events of the key `a` with notes of their own, and four after them.
fn seven() -> ParkedEvents {
    let mut parked = narrow(0);
    (1..=7).for_each(|position| parked.park(&"a".into(), entry(position)));
    parked
}

/// Removes the first event after reading what must be read: two events at a time.
fn next(parked: &mut ParkedEvents, take: fn(&mut ParkedEvents, &Arc<str>) -> Option<Entry>) -> u64 {
    while let Some(range) = parked.unread("a") {
        let after = range.after.position.get();
        let read = range.last.get().min(after + 2);
        // The others are of another key.
        let found = (after + 1..=read).filter(|position| *position < 8 || position % 3 == 0);
        parked.add_read(&"a".into(), found.map(entry).collect(), Mark::at(at(read)));
    }
    take(parked, &"a".into()).map_or(0, |entry| entry.position.get())
}

const HANDLED: fn(&mut ParkedEvents, &Arc<str>) -> Option<Entry> = ParkedEvents::remove_first;
const SKIPPED: fn(&mut ParkedEvents, &Arc<str>) -> Option<Entry> = ParkedEvents::skip_first;

#[test]
fn the_overflow_of_a_key_is_one_note_and_takes_no_memory() {
    let (mut parked, mut disk) = (seven(), Disk::default());
    assert_eq!((listed(&parked, "a"), parked.count()), (vec![1, 2, 3, 4], 7));
    assert_eq!(parked.of("a").iter().map(|it| it.behind).collect::<Vec<_>>(), [6, 5, 4, 3]);
    disk.store_all(&mut parked, checkpoint(7));
    assert_eq!(disk.names().len(), 4);
    assert_eq!(disk.names()[3], "parked/mailer/a/rest");
    let (found, _) = disk.found();
    assert_eq!(listed(&found, "a"), [1, 2, 3, 4]);
}

#[test]
fn the_overflow_is_handled_in_order_and_then_the_key_is_free() {
    let mut parked = seven();
    for position in 1..=5 {
        assert_eq!(next(&mut parked, HANDLED), position);
    }
    // These are read while the others are handled.
    parked.park(&"a".into(), entry(9));
    parked.park(&"a".into(), entry(12));
    assert_eq!(parked.count(), 4);
    assert_eq!([(); 4].map(|()| next(&mut parked, HANDLED)), [6, 7, 9, 12]);
    assert!(!parked.holds("a") && parked.count() == 0);
}

#[test]
fn the_note_of_the_overflow_moves_with_what_is_handled() {
    let (mut parked, mut disk) = (seven(), Disk::default());
    disk.store_all(&mut parked, checkpoint(7));
    for left in (0..7usize).rev() {
        next(&mut parked, HANDLED);
        disk.store_all(&mut parked, checkpoint(7));
        let noted = left.saturating_sub(4);
        assert_eq!(disk.names().len(), noted + usize::from(left > 0), "{left}");
        let (mut found, _) = disk.found();
        let again: Vec<_> = (0..left).map(|_| next(&mut found, HANDLED)).collect();
        assert_eq!(again, (8 - left as u64..=7).collect::<Vec<_>>());
        assert!(!found.holds("a"));
    }
}

#[test]
fn an_overflow_that_the_checkpoint_has_not_passed_is_read_again() {
    let (mut parked, mut disk) = (seven(), Disk::default());
    disk.store_all(&mut parked, checkpoint(5));
    for _ in 0..6 {
        next(&mut parked, HANDLED);
    }
    disk.store_all(&mut parked, checkpoint(5));
    assert!(disk.names().is_empty(), "{:?}", disk.names());
    disk.store_all(&mut parked, checkpoint(7));
    assert_eq!(disk.names(), ["parked/mailer/a/rest"]);
}

/// It is read again in another run, is passed there, and so is in the overflow of its key, from which it
/// must not be handled.
#[test]
fn a_skipped_event_is_not_read_again_with_an_overflow() {
    let (mut parked, mut disk) = (seven(), Disk::default());
    disk.store_all(&mut parked, checkpoint(0));
    for _ in 0..5 {
        next(&mut parked, HANDLED);
    }
    assert_eq!(next(&mut parked, SKIPPED), 6);
    disk.store_all(&mut parked, checkpoint(0));

    let (mut parked, _) = disk.found();
    parked.bounds.listed_of_key = 3;
    let come_again = (1..=7).filter(|position| !parked.has_skipped(at(*position), &"a".into()));
    for position in come_again.collect::<Vec<_>>() {
        parked.park(&"a".into(), entry(position));
    }
    disk.store_all(&mut parked, checkpoint(7));
    let (mut parked, _) = disk.found();
    let handled: Vec<_> = (0..6).map(|_| next(&mut parked, HANDLED)).collect();
    assert_eq!(handled, [1, 2, 3, 4, 5, 7]);
    disk.store_all(&mut parked, checkpoint(7));
    disk.store_all(&mut parked, checkpoint(8));
    assert!(disk.names().is_empty(), "{:?}", disk.names());
}

#[test]
fn an_overflow_is_cut_where_a_reset_begins_again() {
    for kept in 0..=7 {
        let (mut parked, mut disk) = (seven(), Disk::default());
        disk.store_all(&mut parked, checkpoint(7));
        for _ in 0..2 {
            next(&mut parked, HANDLED);
        }
        parked.discard_after(at(kept));
        disk.store_all(&mut parked, checkpoint(kept));
        let expected: Vec<_> = (3..=kept).collect();
        let (mut found, _) = disk.found();
        for parked in [&mut parked, &mut found] {
            let left: Vec<_> = expected.iter().map(|_| next(parked, HANDLED)).collect();
            assert!(left == expected && !parked.holds("a"), "{left:?} of {kept}");
        }
    }
}

#[test]
fn the_list_of_all_keys_is_bounded_and_each_key_has_its_first_event() {
    let mut parked = ParkedEvents::new(&checkpoint(0));
    parked.bounds.listed = 5;
    for position in 1..=40 {
        parked.park(&format!("{}", position % 10).into(), entry(position));
    }
    assert_eq!((parked.firsts().len(), parked.count()), (10, 40));
    assert!(parked.firsts().iter().all(|first| first.behind == 3));
    assert!(parked.counts.listed <= 5 + 2 * 10, "{:?}", parked.counts);
}
