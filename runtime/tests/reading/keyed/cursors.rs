//! A cursor continues its own listing, and is refused by every other.

use actuarius::projection::{
    Cursor, Keyed, KeyedProjection, Listing, RowPage, Rows, SecondaryKeys, SecondaryListing, View,
    ViewReadError,
};
use actuarius::{Envelope, Runtime};

use super::views::{Kept, Sum, Sums, add, close, show_all, sums};
use crate::common::{Event, Ledger};

type Page = Result<RowPage<Sums>, ViewReadError>;

/// Reads a page of a listing after a cursor, if there is one.
type Pages = Box<dyn Fn(Option<&Cursor>) -> Page>;

fn of_rows(listing: Listing<Sums>) -> Pages {
    Box::new(move |cursor| match cursor {
        Some(cursor) => listing.clone().from_cursor(cursor).list(),
        None => listing.list(),
    })
}

fn of_keys(listing: SecondaryListing<Sums>) -> Pages {
    Box::new(move |cursor| match cursor {
        Some(cursor) => listing.clone().from_cursor(cursor).list(),
        None => listing.list(),
    })
}

/// Returns all kinds of listings of a view, in pages of two rows.
fn listings(view: &Keyed<Sums>) -> Vec<Pages> {
    let (rows, by) = (|| view.rows().limit(2), |name| view.by(name).limit(2));
    vec![
        of_rows(rows()),
        of_rows(rows().descending()),
        of_rows(rows().starting_with("l")),
        of_rows(rows().starting_with("le")),
        of_keys(by("total")),
        of_keys(by("total").descending()),
        of_keys(by("parity")),
        of_keys(by("parity").equal("odd")),
        of_keys(by("parity").equal("even")),
        of_keys(by("parity").starting_with("e")),
        of_keys(by("digit").equal(&1u8)),
    ]
}

fn is_refused(page: &Page) -> bool {
    matches!(page, Err(ViewReadError::OtherListing))
}

async fn started(count: i64) -> (Runtime, Keyed<Sums>) {
    let runtime = Runtime::in_memory().await.unwrap();
    add(&runtime, 0..count).await;
    let view = sums(&runtime).start().await.unwrap();
    show_all(&runtime, &view).await;
    (runtime, view)
}

/// A web page sorted its list by another column and kept the cursor in its address. The view read it as a place in the
/// other order, and showed a page from the middle of the list, or an empty one, as if nothing was wrong.
#[tokio::test]
async fn a_cursor_is_refused_by_every_listing_but_its_own() {
    let (runtime, view) = started(15).await;
    let other = runtime.keyed::<Sums>("other").on::<Ledger>().start().await.unwrap();
    show_all(&runtime, &other).await;
    let all: Vec<_> = listings(&view).into_iter().chain(listings(&other)).collect();
    for (number, own) in all.iter().enumerate() {
        let first = own(None).unwrap();
        let cursor = first.next.as_ref().unwrap();
        let next = own(Some(cursor)).unwrap();
        assert!(!next.is_empty() && next.rows[0] != first.rows[0] && next.rows[0] != first.rows[1]);
        for (place, listing) in all.iter().enumerate().filter(|(place, _)| *place != number) {
            let page = listing(Some(cursor));
            assert!(is_refused(&page), "listing {place} took a cursor of {number}: {page:?}");
        }
    }
    let cursor = view.rows().limit(2).list().unwrap().next.unwrap();
    assert!(view.by("total").from_cursor(&cursor).count().is_err(), "it counted from anywhere");
    let descending = view.rows().from_cursor(&cursor).descending();
    assert!(descending.count().is_err() && descending.list().is_err());
}

/// The address of a page was cut short by a mail program. The rest was taken for another place, and rows came twice.
#[tokio::test]
async fn a_cursor_whose_text_was_changed_is_refused() {
    let (_runtime, view) = started(50).await;
    let listing = view.by("total").limit(3);
    let text = listing.list().unwrap().next.unwrap().to_string();
    assert!(text.bytes().all(|byte| byte.is_ascii_hexdigit()), "{text}");
    let refused = |text: &str| match text.parse::<Cursor>() {
        Ok(cursor) => is_refused(&listing.clone().from_cursor(&cursor).list()),
        Err(_) => true,
    };
    assert!(!refused(&text));
    for length in 0..text.len() {
        assert!(refused(&text[..length]), "{length} digits");
        let (before, rest) = text.split_at(length);
        let digit = if rest.starts_with('0') { '1' } else { '0' };
        assert!(refused(&format!("{before}{digit}{}", &rest[1..])), "digit {length}");
        assert!(refused(&format!("{before}{digit}{rest}")), "a digit more at {length}");
    }
    for other in [&"00".repeat(5_000), &format!("{text}00"), "6", "6g", "", "616c6963650000"] {
        assert!(refused(other), "{other}");
    }
    assert!("".parse::<Cursor>().is_err(), "it began at the first row again");
}

/// A page that was open in a browser during a restart, or whose list of the last hour has moved on meanwhile, must not
/// be lost.
#[tokio::test]
async fn a_cursor_holds_after_a_restart_and_in_another_range_and_in_the_past() {
    let kept = Kept::in_memory();
    let runtime = kept.open().await;
    add(&runtime, 0..50).await;
    let view = sums(&runtime).start().await.unwrap();
    show_all(&runtime, &view).await;
    let text = view.by("total").limit(3).list().unwrap().next.unwrap().to_string();
    let all = view.by("total").list().unwrap().rows;
    close(runtime, view).await;

    let runtime = kept.open().await;
    let view = sums(&runtime).start().await.unwrap();
    let cursor: Cursor = text.parse().unwrap();
    assert_eq!(view.by("total").from_cursor(&cursor).list().unwrap(), all[3..]);
    let after = |from: i64| view.by("total").range(from..).from_cursor(&cursor).list().unwrap();
    assert_eq!(after(0), all[3..]);
    assert_eq!(after(all[5].1.total), all[5..]);
    let past = sums(&runtime).as_of(runtime.head()).await.unwrap();
    assert_eq!(past.by("total").from_cursor(&cursor).list().unwrap(), all[3..]);
}

/// The name of a secondary key, and the text before it, may hold any characters.
struct Named;

impl View for Named {
    type Key = String;
    type Row = Sum;

    fn secondary(key: &String, _: &Sum, keys: &mut SecondaryKeys) {
        for name in ["", "a", "a\0", &"n".repeat(600)] {
            keys.add(name, key);
        }
    }
}

impl KeyedProjection<Ledger> for Named {
    fn project(rows: &mut Rows<'_, Self>, envelope: &Envelope<Ledger>) {
        if let Event::Added(_) = envelope.event {
            rows.update(envelope.id.as_str(), |row| row.entries += 1);
        }
    }
}

#[tokio::test]
async fn names_of_secondary_keys_are_told_apart_whatever_they_are() {
    let runtime = Runtime::in_memory().await.unwrap();
    add(&runtime, 0..10).await;
    let view = runtime.keyed::<Named>("named").on::<Ledger>().start().await.unwrap();
    show_all(&runtime, &view).await;
    let long = "n".repeat(600);
    let names = ["", "a", "a\0", &long];
    for name in names {
        let cursor = view.by(name).limit(1).list().unwrap().next.unwrap();
        for other in names {
            let page = view.by(other).from_cursor(&cursor).list();
            assert_eq!(page.is_ok(), name == other, "{name:?} in {other:?}");
        }
        assert!(view.rows().from_cursor(&cursor).list().is_err());
    }
}
