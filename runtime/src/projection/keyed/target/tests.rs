//! Tests of a target whose commit has failed, and that opens its table again.

use std::convert::Infallible;

use actuarius_domain::{Aggregate, CommandId, Context, Id, Metadata, Timestamp, Version};
use actuarius_persistence::views::{TableReader, Views};
use actuarius_persistence::{Append, NewCommit};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::*;
use crate::projection::erasure_taint::ErasureTaint;
use crate::projection::saved_views::SavedViews;

#[derive(Default, Serialize, Deserialize)]
struct Counter;

#[derive(Serialize, Deserialize)]
enum Counted {
    One,
}

impl Aggregate for Counter {
    const TYPE: &'static str = "counter";
    type Command = ();
    type Event = Counted;
    type Error = Infallible;

    fn decide(&self, (): (), _: &Context) -> Result<Vec<Counted>, Infallible> {
        Ok(vec![Counted::One])
    }

    fn apply(&mut self, _: &Counted) {}
}

/// A row for each event, under its position.
struct Numbers;

impl View for Numbers {
    type Key = u64;
    type Row = u64;
}

fn target() -> KeyedTarget<Numbers> {
    let place = Views::in_memory().place("numbers").unwrap();
    let (name, store) = ("numbers".to_owned(), Uuid::from_u128(1));
    let routes = Routes::default().on::<Counter>(
        crate::schema::decoding::Decoder::new(),
        |draft: &mut Draft<Numbers>, envelope| {
            let at = envelope.header.position;
            draft.project(at, |rows| rows.put(at.get(), at.get()));
        },
    );
    let lineage = actuarius_persistence::Lineage::of(store);
    let types = routes.types();
    let saved_views = SavedViews { name, place, version: 1, shape: 1, lineage, types };
    let generations = Arc::new(Generations(saved_views));
    let generation = generations.create().unwrap();
    let (parts, outputs) = ((routes, generations), (CurrentTable::default(), ChangeFeed::new()));
    let mut target = KeyedTarget::over(generation, parts, Codec::default(), outputs);
    target.show();
    target
}

/// Commits of one event each, at these positions.
fn commits(positions: std::ops::RangeInclusive<u64>) -> Vec<Commit> {
    let commit = |position: u64| {
        let stream = Id::<Counter>::new("visits").unwrap().stream();
        let mut append = Append::new(stream, Version::new(position - 1));
        let new = NewCommit {
            time: Timestamp::default(),
            command_id: CommandId::from("count"),
            named_by_caller: false,
            metadata: &Metadata::default(),
        };
        append.push(new, Codec::default(), &[Counted::One], |_| 1).unwrap();
        let (frame, _) = append.frames().next().unwrap();
        Commit::from_frame(&Bytes::copy_from_slice(frame), Position::new(position)).unwrap()
    };
    positions.map(commit).collect()
}

fn fail(target: &mut KeyedTarget<Numbers>) -> Failed {
    target.close_table(ViewError::Failed { cause: "no space".to_owned() })
}

fn rows<const ROWS: usize>(target: &KeyedTarget<Numbers>, keys: [u64; ROWS]) -> [bool; ROWS] {
    let shown = &target.outputs.0;
    keys.map(|key| shown.get(&key.to_be_bytes()).unwrap().is_some())
}

#[test]
fn after_a_failed_commit_the_table_is_reopened_and_continued_from_its_position() {
    let mut target = target();
    target.take(&commits(1..=7)).unwrap();
    target.fold(&commits(8..=8)[0]).unwrap();
    let failed = fail(&mut target);
    assert_eq!((failed.position, target.position()), (Position::new(8), Position::new(7)));
    assert_eq!(rows(&target, [7, 8]), [true, false], "it can be read until then");
    assert_eq!(target.take(&[]).unwrap(), 0);
    assert_eq!(target.position(), Position::new(7));
    // The host rewinds to there; some of the commits it passes may be stored already.
    assert_eq!(target.take(&commits(5..=9)).unwrap(), 2);
    assert_eq!(rows(&target, [7, 8, 9]), [true; 3]);
}

/// The host rewinds to the last stored position. If the reopened table is at an earlier one, the events between
/// must not be lost silently.
#[test]
fn a_table_reopened_at_an_earlier_position_is_not_continued_after_a_gap() {
    let mut target = target();
    target.take(&commits(1..=3)).unwrap();
    let earlier = target.generations.origin(Position::new(3), ErasureTaint::default());
    target.take(&commits(4..=7)).unwrap();
    let _ = fail(&mut target);
    target.outputs.0.clear();
    // Only the position: the rows stored with it are the same when their events come again.
    let mut generation = target.generations.open(target.generation).unwrap();
    let mut changes = Changes::new();
    put_origin(&earlier, &mut changes).unwrap();
    generation.table.commit(changes).unwrap();
    drop(generation);

    let failed = target.take(&commits(8..=9)).unwrap_err();
    assert_eq!((failed.position, target.position()), (Position::new(4), Position::new(3)));
    assert_eq!(rows(&target, [8, 9]), [false; 2]);
    assert_eq!(target.take(&commits(4..=9)).unwrap(), 6);
    assert_eq!(rows(&target, [4, 8, 9]), [true; 3]);
}

#[test]
fn a_table_that_cannot_be_reopened_is_tried_again() {
    let mut target = target();
    let other_reader: TableReader = target.open.as_ref().unwrap().table.reader();
    let _ = fail(&mut target);
    target.take(&[]).unwrap_err();
    assert!(target.outputs.0.get(&[]).is_err());
    drop(other_reader);
    target.take(&[]).unwrap();
    assert_eq!(rows(&target, [7]), [false]);
}
