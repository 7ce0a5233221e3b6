use uuid::Uuid;

use super::*;

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

fn parked_under(key: &str, positions: impl IntoIterator<Item = u64>) -> ParkedEvents {
    let mut parked = ParkedEvents::default();
    for position in positions {
        parked.park(key.into(), entry(position));
    }
    parked
}

/// The names of the notes that are put and those that are removed, without the checkpoint.
fn changes(notes: &Notes) -> (Vec<String>, Vec<String>) {
    let name = |key: &[u8]| String::from_utf8(key.to_vec()).unwrap();
    let changes = notes.iter().filter(|it| it.key.starts_with(b"parked/"));
    let (put, removed): (Vec<_>, Vec<_>) = changes.partition(|change| change.value.is_some());
    let names = |changes: Vec<&actuarius_persistence::NoteChange>| {
        changes.iter().map(|change| name(&change.key)).collect()
    };
    (names(put), names(removed))
}

fn loaded(notes: &Notes, checkpoint: Mark) -> ParkedEvents {
    let mut parked = ParkedEvents::default();
    for change in notes.iter().filter(|it| it.key.starts_with(b"parked/")) {
        let note = Note { key: change.key.clone(), value: change.value.clone().unwrap() };
        parked.load("mailer", &note, checkpoint).unwrap();
    }
    parked
}

#[test]
fn a_parked_event_comes_back_from_its_note_whatever_its_key_is() {
    for key in ["a", "with/slashes/", "", "ü", "/00000000000000000009"] {
        let mut parked = parked_under(key, [2, 3]);
        let (notes, _) = parked.take_notes("mailer", checkpoint(3));
        assert_eq!(loaded(&notes, Mark::at(at(3))).all(), parked.all(), "{key:?}");
    }
}

#[test]
fn a_parked_event_is_noted_with_the_checkpoint_that_passes_it_and_not_before() {
    let mut parked = parked_under("a", [2, 7]);
    let (notes, reached) = parked.take_notes("mailer", checkpoint(5));
    assert_eq!(reached, checkpoint(5));
    assert_eq!(changes(&notes).0, ["parked/mailer/a/00000000000000000002"]);
    assert_eq!(parked.unstored(), 1);
    let (notes, _) = parked.take_notes("mailer", checkpoint(7));
    assert_eq!(changes(&notes).0, ["parked/mailer/a/00000000000000000007"]);
    assert_eq!(parked.unstored(), 0);
}

#[test]
fn a_checkpoint_stops_before_the_first_parked_event_its_set_has_no_room_for() {
    let mut parked = parked_under("a", 1..=1_000);
    let (mut last, mut noted) = (0, 0);
    while parked.unstored() > 0 {
        let (notes, reached) = parked.take_notes("mailer", checkpoint(1_000));
        noted += changes(&notes).0.len() as u64;
        assert!(reached.mark.position.get() > last, "every set gets further");
        last = reached.mark.position.get();
        assert_eq!(noted, last, "what the checkpoint has passed is noted, and nothing else");
    }
    assert_eq!(last, 1_000);
}

#[test]
fn what_is_parked_no_more_is_removed_and_what_failed_again_is_noted_anew() {
    let mut parked = parked_under("a", [1, 2]);
    parked.take_notes("mailer", checkpoint(2));
    parked.remove_first(&"a".into());
    parked.first_failed(&"a".into(), "still no");
    assert!(parked.has_outdated());
    let (notes, _) = parked.take_notes("mailer", checkpoint(2));
    let first = vec!["parked/mailer/a/00000000000000000001".to_owned()];
    let second = vec!["parked/mailer/a/00000000000000000002".to_owned()];
    assert_eq!(changes(&notes), (second, first));
    let left = parked.first("a").unwrap();
    assert_eq!((left.attempts, &*left.error), (6, "still no"));
    assert!(!parked.has_outdated());
}

#[test]
fn an_event_that_was_never_noted_leaves_nothing_to_remove() {
    let mut parked = parked_under("a", [1]);
    parked.remove_first(&"a".into());
    assert!(!parked.holds("a") && !parked.has_outdated() && parked.len() == 0);
}

#[test]
fn events_behind_a_place_are_forgotten_and_those_before_it_stay() {
    let mut parked = parked_under("a", [1, 2, 3]);
    parked.park("b".into(), entry(4));
    parked.take_notes("mailer", checkpoint(4));
    parked.forget_behind(at(2));
    let left: Vec<_> = parked.all().iter().map(|it| (it.position.get(), it.is_first)).collect();
    assert_eq!((left, parked.len()), (vec![(1, true), (2, false)], 2));
    assert_eq!(changes(&parked.take_notes("mailer", checkpoint(2)).0).1.len(), 2);
}

#[test]
fn a_note_behind_the_checkpoint_is_left_over_and_goes_away() {
    let mut before = parked_under("a", [1, 9]);
    let (notes, _) = before.take_notes("mailer", checkpoint(9));
    let mut parked = loaded(&notes, Mark::at(at(5)));
    assert_eq!(parked.len(), 1);
    let (notes, _) = parked.take_notes("mailer", checkpoint(5));
    assert_eq!(changes(&notes).1, ["parked/mailer/a/00000000000000000009"]);
}

#[test]
fn keys_and_events_of_a_key_are_bounded() {
    let mut parked = parked_under("a", 1..=EVENTS_OF_A_KEY_MAX as u64);
    assert!(parked.has_room_for("a").is_err());
    assert!(parked.has_room_for("b").is_ok());
    for number in 1..KEYS_MAX as u64 {
        parked.park(number.to_string().into(), entry(10_000 + number));
    }
    assert!(parked.has_room_for("b").is_err());
    assert!(parked.has_room_for("1").is_ok());
}
