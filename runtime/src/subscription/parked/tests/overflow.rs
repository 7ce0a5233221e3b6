//! More of one key than is listed: where it begins is noted, and it is read from the log again.

use super::*;

/// As if three events of a key were many.
fn narrow(position: u64) -> ParkedEvents {
    let mut parked = ParkedEvents::new(&checkpoint(position));
    parked.bounds.listed_of_key = 3;
    parked
}

/// Three events of the key `a` with notes of their own, and four behind them.
fn seven() -> ParkedEvents {
    let mut parked = narrow(0);
    (1..=7).for_each(|position| parked.park(&"a".into(), entry(position)));
    parked
}

/// Takes the first one out, having read what must be read: two events at a time.
fn next(parked: &mut ParkedEvents, take: fn(&mut ParkedEvents, &Arc<str>) -> Option<Entry>) -> u64 {
    while let Some(range) = parked.unread("a") {
        let behind = range.behind.position.get();
        let read = range.last.get().min(behind + 2);
        // The others are of another key.
        let found = (behind + 1..=read).filter(|position| *position < 8 || position % 3 == 0);
        parked.add_read(&"a".into(), found.map(entry).collect(), Mark::at(at(read)));
    }
    take(parked, &"a".into()).map_or(0, |entry| entry.position.get())
}

const HANDLED: fn(&mut ParkedEvents, &Arc<str>) -> Option<Entry> = ParkedEvents::remove_first;
const SKIPPED: fn(&mut ParkedEvents, &Arc<str>) -> Option<Entry> = ParkedEvents::skip_first;

#[test]
fn the_rest_of_a_key_is_one_note_and_takes_no_memory() {
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
fn the_rest_is_handled_in_order_and_then_the_key_is_free() {
    let mut parked = seven();
    for position in 1..=5 {
        assert_eq!(next(&mut parked, HANDLED), position);
    }
    // They come while the others are handled.
    parked.park(&"a".into(), entry(9));
    parked.park(&"a".into(), entry(12));
    assert_eq!(parked.count(), 4);
    assert_eq!([(); 4].map(|()| next(&mut parked, HANDLED)), [6, 7, 9, 12]);
    assert!(!parked.holds("a") && parked.count() == 0);
}

#[test]
fn the_note_of_the_rest_goes_on_with_what_is_handled() {
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
fn what_is_read_of_a_rest_that_the_checkpoint_has_not_passed_comes_again() {
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

/// It comes again in another life, is passed there, and so is in the rest of its key: which must not
/// have it handled.
#[test]
fn a_skipped_event_is_not_read_again_with_a_rest() {
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
fn a_rest_is_cut_where_a_reset_begins_again() {
    for kept in 0..=7 {
        let (mut parked, mut disk) = (seven(), Disk::default());
        disk.store_all(&mut parked, checkpoint(7));
        for _ in 0..2 {
            next(&mut parked, HANDLED);
        }
        parked.forget_after(at(kept));
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
fn a_list_for_all_keys_is_bounded_and_each_key_has_its_first() {
    let mut parked = ParkedEvents::new(&checkpoint(0));
    parked.bounds.listed = 5;
    for position in 1..=40 {
        parked.park(&format!("{}", position % 10).into(), entry(position));
    }
    assert_eq!((parked.firsts().len(), parked.count()), (10, 40));
    assert!(parked.firsts().iter().all(|first| first.behind == 3));
    assert!(parked.counts.listed <= 5 + 2 * 10, "{:?}", parked.counts);
}
