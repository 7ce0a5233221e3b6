//! Rows are found by key and by secondary key, page by page.

use std::ops::Bound;

use actuarius::projection::{Cursor, Keyed, KeyedProjection, RowPage, Rows, SecondaryKeys, View};
use actuarius::{Envelope, Id, Runtime};

use super::views::{Model, Sums, add, show_all, sums};
use crate::common::{Command, Event, Ledger};

async fn started(count: i64) -> (Runtime, Keyed<Sums>) {
    let runtime = Runtime::in_memory().await.unwrap();
    add(&runtime, 0..count).await;
    let view = sums(&runtime).start().await.unwrap();
    show_all(&runtime, &view).await;
    (runtime, view)
}

fn keys<V: View>(rows: RowPage<V>) -> Vec<V::Key> {
    rows.into_iter().map(|(key, _)| key).collect()
}

#[tokio::test]
async fn rows_are_found_by_range_prefix_and_direction() {
    let (_runtime, view) = started(10).await;
    let key = |number: u64| format!("ledger {number}");
    let found = keys::<Sums>(view.rows().range(key(3)..key(6)).list().unwrap());
    assert_eq!(found, [key(3), key(4), key(5)]);
    let found = keys::<Sums>(view.rows().range(key(7)..=key(9)).descending().list().unwrap());
    assert_eq!(found, [key(9), key(8), key(7)]);
    let behind = (Bound::Excluded(key(7)), Bound::Unbounded);
    assert_eq!(keys::<Sums>(view.rows().range(behind).list().unwrap()), [key(8), key(9)]);
    let found = keys::<Sums>(view.rows().starting_with("led").limit(2).list().unwrap());
    assert_eq!(found, [key(1), key(2)], "a zero removes the row");
    assert!(view.rows().starting_with("ledgers").list().unwrap().is_empty());
    let none = view.rows().starting_with("ledger").range(..key(1)).list().unwrap();
    assert!(none.is_empty());
    assert_eq!(view.get("ledger 4").unwrap().unwrap().total, 4);
    assert_eq!(view.get("ledger").unwrap(), None);
}

#[tokio::test]
async fn pages_follow_each_other_in_both_directions_without_a_gap_or_a_repeat() {
    let (_runtime, view) = started(200).await;
    let all = view.rows().list().unwrap();
    for descending in [false, true] {
        let (mut seen, mut last) = (Vec::new(), None);
        loop {
            let mut page = view.rows().limit(3);
            page = if descending { page.descending() } else { page };
            page = if let Some(last) = &last { page.after::<String>(last) } else { page };
            let page = page.list().unwrap();
            let Some((key, _)) = page.last() else { break };
            last = Some(key.clone());
            seen.extend(page);
        }
        if descending {
            seen.reverse();
        }
        assert_eq!(all, seen);
    }
}

#[tokio::test]
async fn pages_by_secondary_key_continue_within_rows_of_the_same_key() {
    let (_runtime, view) = started(200).await;
    let all = view.by("parity").list().unwrap();
    let parity = |total: i64| if total % 2 == 0 { "even" } else { "odd" };
    for descending in [false, true] {
        let (mut seen, mut last) = (Vec::new(), None);
        loop {
            let mut page = view.by("parity").limit(3);
            page = if descending { page.descending() } else { page };
            page = match &last {
                Some((key, total)) => page.after::<_, String>(parity(*total), key),
                None => page,
            };
            let page = page.list().unwrap();
            let Some((key, row)) = page.last() else { break };
            last = Some((key.clone(), row.total));
            seen.extend(page);
        }
        if descending {
            seen.reverse();
        }
        assert_eq!(all, seen);
    }
}

/// A page had the first 1,000 rows and looked like all of them: nothing showed that there were more. A web page had
/// to take the next page's start out of the last row, and to ask for one page more than there were.
#[tokio::test]
async fn a_page_has_the_cursor_of_the_next_one_until_nothing_is_left() {
    let (_runtime, view) = started(200).await;
    let all = view.rows().list().unwrap();
    assert_eq!(all.next, None);
    for (descending, limit) in [(false, 3), (true, 3), (false, all.len()), (true, 1)] {
        let (mut by_key, mut by_parity) = (Vec::new(), Vec::new());
        let (mut rows, mut parity) = (view.rows().limit(limit), view.by("parity").limit(limit));
        if descending {
            (rows, parity) = (rows.descending(), parity.descending());
        }
        let (mut pages, mut next) = (0, None);
        while pages == 0 || next.is_some() {
            let page = match next.as_ref().map(|it: &String| it.parse().unwrap()) {
                Some(cursor) => rows.clone().from_cursor(&cursor).list().unwrap(),
                None => rows.clone().list().unwrap(),
            };
            next = page.next.as_ref().map(Cursor::to_string);
            assert!(page.len() == limit || next.is_none());
            by_key.extend(page);
            pages += 1;
        }
        assert_eq!(pages, all.len().div_ceil(limit));
        let (mut has_more, mut cursor) = (true, None);
        while has_more {
            let page = match &cursor {
                Some(cursor) => parity.clone().from_cursor(cursor).list().unwrap(),
                None => parity.clone().list().unwrap(),
            };
            (has_more, cursor) = (page.next.is_some(), page.next.clone());
            by_parity.extend(page);
        }
        if descending {
            (by_key, by_parity) =
                (by_key.into_iter().rev().collect(), by_parity.into_iter().rev().collect());
        }
        assert_eq!(all, by_key);
        assert_eq!(view.by("parity").list().unwrap(), by_parity);
    }
    assert!("6".parse::<Cursor>().is_err() && "6g".parse::<Cursor>().is_err());
}

#[tokio::test]
async fn rows_are_counted_without_being_listed() {
    let (_runtime, view) = started(200).await;
    let all = view.rows().list().unwrap().len() as u64;
    assert_eq!(view.rows().limit(1).count().unwrap(), all);
    assert_eq!(view.by("parity").limit(1).count().unwrap(), all);
    let odd = view.by("parity").equal("odd");
    assert_eq!(odd.count().unwrap(), odd.list().unwrap().len() as u64);
    assert_eq!(view.rows().starting_with("nothing").count().unwrap(), 0);
}

#[tokio::test]
async fn secondary_keys_are_found_by_value_range_and_prefix() {
    let (_runtime, view) = started(10).await;
    let totals =
        |rows: RowPage<Sums>| -> Vec<i64> { rows.into_iter().map(|(_, row)| row.total).collect() };
    assert_eq!(totals(view.by("total").range(3i64..5).list().unwrap()), [3, 4]);
    assert_eq!(totals(view.by("total").range(..=2i64).list().unwrap()), [1, 2]);
    let highest = view.by("total").descending().limit(2).list().unwrap();
    assert_eq!(totals(highest), [45, 9]);
    assert_eq!(totals(view.by("total").equal(&7i64).list().unwrap()), [7]);
    let behind = (Bound::Excluded(8i64), Bound::Unbounded);
    assert_eq!(totals(view.by("total").range(behind).list().unwrap()), [9, 45]);
    let even = totals(view.by("parity").starting_with("e").list().unwrap());
    assert_eq!(even, [2, 4, 6, 8]);
    assert!(view.by("tota").list().unwrap().is_empty());
    assert!(view.by("nothing").equal("even").list().unwrap().is_empty());
}

#[tokio::test]
async fn a_page_is_bounded_whatever_limit_is_given() {
    let runtime = Runtime::in_memory().await.unwrap();
    let amounts: Vec<_> = (1..=11_000).collect();
    for ledger in ["a", "b"] {
        let add = Command::AddAll(amounts.clone());
        runtime.host::<Ledger>().execute(ledger, add).await.unwrap();
    }
    let view = runtime.keyed::<Entries>("entries").on::<Ledger>().start().await.unwrap();
    show_all(&runtime, &view).await;
    assert_eq!(view.rows().list().unwrap().len(), 1_000);
    assert!(view.rows().list().unwrap().next.is_some());
    assert_eq!(view.rows().count().unwrap(), 22_000);
    assert_eq!(view.by("amount").count().unwrap(), 22_000);
    assert_eq!(view.rows().limit(usize::MAX).list().unwrap().len(), 10_000);
    assert_eq!(view.by("amount").limit(usize::MAX).list().unwrap().len(), 10_000);
    assert_eq!(view.rows().limit(0).list().unwrap().len(), 1);
    assert_eq!(view.by("amount").limit(0).list().unwrap().len(), 1);
    let within = view.rows().within(&Id::new("b").unwrap()).range((id("b"), 10_999)..);
    assert_eq!(keys::<Entries>(within.list().unwrap()), [(id("b"), 10_999), (id("b"), 11_000)]);
    let last = view.rows().within(&id("a")).descending().limit(1).list().unwrap();
    assert_eq!(last, [((id("a"), 11_000), 11_000)]);
    let same = view.by("amount").equal(&5i64).list().unwrap();
    assert_eq!(keys::<Entries>(same), [(id("a"), 5), (id("b"), 5)]);
}

fn id(name: &str) -> Id<Ledger> {
    Id::new(name).unwrap()
}

/// Each entry is a row of its own.
struct Entries;

impl View for Entries {
    type Key = (Id<Ledger>, u64);
    type Row = i64;

    fn secondary(_: &Self::Key, amount: &i64, keys: &mut SecondaryKeys) {
        keys.add("amount", amount);
    }
}

impl KeyedProjection<Ledger> for Entries {
    fn project(rows: &mut Rows<'_, Self>, envelope: &Envelope<Ledger>) {
        if let Event::Added(amount) = envelope.event {
            rows.put((envelope.id.clone(), envelope.header.version.get()), amount);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn while_commands_run_no_row_is_shown_under_a_key_it_does_not_have() {
    let (runtime, view) = started(10).await;
    let writing = tokio::spawn({
        let runtime = runtime.clone();
        async move { add(&runtime, 10..400).await }
    });
    while !writing.is_finished() {
        for (_, row) in view.by("parity").equal("odd").list().unwrap() {
            assert_eq!(row.total % 2, 1);
        }
        let totals = view.by("total").range(..=5_000i64).list().unwrap();
        assert!(totals.is_sorted_by_key(|(_, row)| row.total));
        tokio::task::yield_now().await;
    }
    writing.await.unwrap();
    show_all(&runtime, &view).await;
    Model::of(400).check(&view);
}
