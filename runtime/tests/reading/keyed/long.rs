//! Long texts as keys and secondary keys: they halt no view, and rows are found by their full
//! length.
//!
//! Earlier, the name of a secondary key, the key itself and the row's key had to fit into 1,024
//! bytes together: one owner with a name of a kilobyte halted the whole view.

use std::ops::Bound;

use actuarius::health::FollowerStatus;
use actuarius::projection::{KeyedProjection, Rows, SecondaryKeys, View};
use actuarius::testing::rows_of;
use actuarius::{Envelope, Id, Runtime};
use proptest::prelude::*;

use super::views::{at_once, show_all};
use crate::common::{Command, Event, Ledger, eventually};

/// The owner of a ledger is the one whose number was added last. A zero removes the row.
struct Owners;

impl View for Owners {
    type Key = Id<Ledger>;
    type Row = String;

    fn secondary(id: &Id<Ledger>, owner: &String, keys: &mut SecondaryKeys) {
        keys.add("owner", owner);
        keys.add("owner and ledger", &(owner.clone(), id.clone()));
        // Two keys of one row with the same prefix.
        keys.add("any", &format!("{owner} one"));
        keys.add("any", &format!("{owner} two"));
    }
}

impl KeyedProjection<Ledger> for Owners {
    fn project(rows: &mut Rows<'_, Self>, envelope: &Envelope<Ledger>) {
        match envelope.event {
            Event::Added(0) => rows.remove(&envelope.id),
            Event::Added(number) => rows.put(envelope.id.clone(), owner(number)),
            _ => {}
        }
    }
}

/// Texts with the same first 600 bytes and different ends.
fn owner(number: i64) -> String {
    format!("{}{number}{}", "o".repeat(600), "n".repeat(1_000))
}

async fn added(numbers: &[(&str, i64)]) -> (Runtime, actuarius::projection::Keyed<Owners>) {
    let runtime = Runtime::in_memory().await.unwrap();
    for &(ledger, number) in numbers {
        runtime.host::<Ledger>().execute(ledger, Command::Add(number)).await.unwrap();
    }
    let view = runtime.keyed::<Owners>("owners").on::<Ledger>().retry(at_once());
    let view = view.start().await.unwrap();
    show_all(&runtime, &view).await;
    (runtime, view)
}

fn ledgers(rows: impl IntoIterator<Item = (Id<Ledger>, String)>) -> Vec<String> {
    rows.into_iter().map(|(ledger, _)| ledger.to_string()).collect()
}

#[tokio::test]
async fn a_long_text_halts_no_view_and_is_compared_to_its_end() {
    let (_runtime, view) = added(&[("d", 1), ("a", 3), ("c", 3), ("b", 2), ("e", 1)]).await;
    let found =
        |page: actuarius::projection::SecondaryListing<Owners>| ledgers(page.list().unwrap());
    assert_eq!(found(view.by("owner").equal(&owner(3))), ["a", "c"]);
    assert_eq!(found(view.by("owner").equal(&owner(3)).descending().limit(1)), ["c"]);
    assert_eq!(found(view.by("owner").equal(&owner(4))), [""; 0]);
    assert_eq!(found(view.by("owner").range(owner(2)..=owner(3))), ["a", "b", "c"]);
    let behind = (Bound::Excluded(owner(1)), Bound::Excluded(owner(3)));
    assert_eq!(found(view.by("owner").range(behind)), ["b"]);
    assert_eq!(found(view.by("owner").starting_with(&format!("{}1", "o".repeat(600)))), ["d", "e"]);
    assert_eq!(found(view.by("owner").starting_with("o")), ["a", "b", "c", "d", "e"]);
    let both = (owner(1), Id::<Ledger>::new("e").unwrap());
    assert_eq!(found(view.by("owner and ledger").equal(&both)), ["e"]);
}

#[tokio::test]
async fn a_row_is_found_by_its_present_long_text_only() {
    let (runtime, view) = added(&[("a", 1), ("b", 1), ("c", 1)]).await;
    for (ledger, number) in [("a", 2), ("b", 0)] {
        runtime.host::<Ledger>().execute(ledger, Command::Add(number)).await.unwrap();
    }
    show_all(&runtime, &view).await;
    let of = |number| ledgers(view.by("owner").equal(&owner(number)).list().unwrap());
    assert_eq!((of(1), of(2)), (vec!["c".to_owned()], vec!["a".to_owned()]));
    for end in ["one", "two"] {
        let found = view.by("any").equal(&format!("{} {end}", owner(2))).list().unwrap();
        assert_eq!(ledgers(found), ["a"]);
    }
    assert_eq!(ledgers(view.by("any").list().unwrap()), ["a", "c"]);
}

#[tokio::test]
async fn every_id_can_be_a_row_key_and_a_pair_of_ids_too() {
    let zeros = "\0".repeat(512);
    let (_runtime, view) = added(&[(&zeros, 1), (&"ü".repeat(256), 1)]).await;
    assert_eq!(ledgers(view.rows().list().unwrap()), [zeros, "ü".repeat(256)]);
    let pair = ("i".repeat(512), "d".repeat(512));
    let view = rows_of::<Pairs>().given::<Ledger>("a", [Event::Added(1)]);
    let _ = view.then_row(&pair, Some(&1));
}

/// One row, with a key of two ids.
struct Pairs;

impl View for Pairs {
    type Key = (String, String);
    type Row = i64;

    fn secondary(key: &(String, String), _: &i64, keys: &mut SecondaryKeys) {
        keys.add("turned", &(&key.1, &key.0));
    }
}

impl KeyedProjection<Ledger> for Pairs {
    fn project(rows: &mut Rows<'_, Self>, envelope: &Envelope<Ledger>) {
        if let Event::Added(number) = envelope.event {
            rows.put(("i".repeat(512), "d".repeat(512)), number);
        }
    }
}

/// A row for each text.
struct Texts;

impl View for Texts {
    type Key = String;
    type Row = ();
}

impl KeyedProjection<Ledger> for Texts {
    fn project(rows: &mut Rows<'_, Self>, envelope: &Envelope<Ledger>) {
        if let Event::Added(bytes) = envelope.event {
            rows.put("t".repeat(bytes as usize), ());
        }
    }
}

/// The row's own key cannot be shortened: two rows would become one.
#[tokio::test]
async fn a_row_key_that_is_too_long_is_reported_with_the_limit() {
    let runtime = Runtime::in_memory().await.unwrap();
    let view = runtime.keyed::<Texts>("texts").on::<Ledger>().retry(at_once());
    let view = view.start().await.unwrap();
    for bytes in [1_086, 1_087] {
        runtime.host::<Ledger>().execute("a", Command::Add(bytes)).await.unwrap();
    }
    eventually(|| matches!(view.status(), FollowerStatus::Halted { .. })).await;
    let FollowerStatus::Halted { why, .. } = view.status() else { unreachable!() };
    assert!(why.contains("1089 bytes") && why.contains("1088"), "{why}");
    assert_eq!(view.rows().list().unwrap().len(), 1);
}

/// Only the first 505 bytes of these texts count for the order; the name of the key takes the rest.
struct Named;

impl View for Named {
    type Key = u64;
    type Row = String;

    fn secondary(_: &u64, text: &String, keys: &mut SecondaryKeys) {
        keys.add("text", text);
    }
}

impl KeyedProjection<Ledger> for Named {
    fn project(rows: &mut Rows<'_, Self>, envelope: &Envelope<Ledger>) {
        if let Event::Blob(text) = &envelope.event {
            let text = String::from_utf8(text.clone()).unwrap();
            rows.put(envelope.header.position.get(), text);
        }
    }
}

const COUNT: usize = 512 - "text\0\0".len();

/// Lengths around the bytes that count, and far from them.
fn text() -> impl Strategy<Value = String> {
    let short = "[ab]{0,2}";
    let long = "[ab]{0,6}".prop_map(|end| format!("{}{end}", "a".repeat(COUNT - 3)));
    prop_oneof![short, long]
}

fn bound() -> impl Strategy<Value = Bound<String>> {
    let (included, excluded) = (text().prop_map(Bound::Included), text().prop_map(Bound::Excluded));
    prop_oneof![Just(Bound::Unbounded), included, excluded]
}

proptest! {
    #[test]
    fn pages_by_a_long_text_have_all_its_rows_in_order(
        texts in prop::collection::vec(text(), 0..40),
        range in (bound(), bound()),
        start in text(),
        descending in any::<bool>(),
        limit in 1..5usize,
    ) {
        let blobs = texts.iter().map(|text| Event::Blob(text.clone().into_bytes()));
        let view = rows_of::<Named>().given::<Ledger>("a", blobs);
        let wanted = |text: &String| {
            std::ops::RangeBounds::contains(&range, text) && text.starts_with(&start)
        };
        let rows = (1..).zip(texts.clone()).filter(|(_, text)| wanted(text));
        let mut expected: Vec<(u64, String)> = rows.collect();
        expected.sort_by_key(|(key, text)| (text[..text.len().min(COUNT)].to_owned(), *key));
        if descending {
            expected.reverse();
        }
        let (mut found, mut last) = (Vec::<(u64, String)>::new(), None);
        loop {
            let mut page = view.by("text").range(range.clone()).starting_with(&start).limit(limit);
            page = if descending { page.descending() } else { page };
            page = match &last {
                Some((key, text)) => page.after::<String, u64>(text, key),
                None => page,
            };
            let page = page.list().unwrap();
            let Some(row) = page.last() else { break };
            last = Some(row.clone());
            found.extend(page);
        }
        prop_assert_eq!(found, expected);
    }
}
