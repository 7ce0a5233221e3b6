//! Recorded shapes of event types in copies and migrations.

use actuarius_persistence::copy::{self, CopyError, Selection};
use actuarius_persistence::migrate::{self, BoxError, Rewrite};
use actuarius_persistence::{
    Batch, Codec, CodecError, CommitView, EncodedEvent, RecordedShape, Store, ignore_progress,
    memory,
};

use serde::{Deserialize, Serialize};

use crate::common::log::source;

fn record(store: &mut Store, shapes: &[RecordedShape]) {
    let notes = shapes.iter().map(|shape| shape.notes().expect("short")).collect();
    store.writer.commit(&Batch { notes, ..Batch::default() }).expect("stored");
}

fn recorded(store: &Store) -> Vec<RecordedShape> {
    RecordedShape::all(&*store.reader, |error| panic!("{error}")).expect("readable")
}

fn shape(event_type: &str, words: &str) -> RecordedShape {
    RecordedShape::new("note", event_type, 1, words)
}

/// A copy without the recorded shapes would forget what protects its events from being misread.
#[test]
fn a_copy_has_the_recorded_shapes_of_its_events() {
    let mut from = source(30);
    let long = format!("({})", "u8, ".repeat(3_000));
    let all = [shape("Noted", "text"), shape("Struck", &long)];
    record(&mut from, &all);
    record(&mut from, &[RecordedShape::new("other", "Noted", 1, "u8")]);
    let (mut to, stream) = (memory::open(), actuarius_domain::StreamId::new("note", "1"));
    for _ in 0..2 {
        let selection = Selection::stream(stream.clone().expect("valid"));
        copy::run(&*from.reader, &mut to, &selection, &mut ignore_progress).expect("copied");
        assert_eq!(recorded(&to), all);
    }
    copy::run(&*from.reader, &mut to, &Selection::all(), &mut ignore_progress).expect("copied");
    assert_eq!(recorded(&to), recorded(&from));
}

#[test]
fn a_copy_into_a_store_with_another_shape_is_refused() {
    let (mut from, mut to) = (source(30), memory::open());
    record(&mut from, &[shape("Noted", "{cur: enum(Eur|Usd)}")]);
    record(&mut to, &[shape("Noted", "{cur: enum(Chf|Eur|Usd)}")]);
    let refused = copy::run(&*from.reader, &mut to, &Selection::all(), &mut ignore_progress);
    assert!(matches!(refused, Err(CopyError::OtherShape { .. })), "{refused:?}");
    assert_eq!(to.reader.head().get(), 0, "nothing was copied");
    // With a variant at the end it reads the others as they are, in both directions.
    record(&mut to, &[shape("Noted", "{cur: enum(Eur|Usd|Chf)}")]);
    copy::run(&*from.reader, &mut to, &Selection::all(), &mut ignore_progress).expect("copied");
    assert_eq!(recorded(&to)[0].words(), "{cur: enum(Eur|Usd|Chf)}");
    let back = copy::run(&*to.reader, &mut from, &Selection::all(), &mut ignore_progress);
    back.expect("all are there");
    assert_eq!(recorded(&from), recorded(&to));
}

/// An event that a migration encodes again may have any shape, so the old record would refuse good events.
#[test]
fn a_migration_takes_over_the_shapes_of_what_it_leaves_unchanged() {
    let mut from = source(150);
    record(&mut from, &[shape("Noted", "text"), shape("Struck", "()")]);
    let mut keep = |_: &CommitView<'_>, out: &mut Rewrite| -> Result<(), BoxError> {
        out.keep();
        Ok(())
    };
    let mut to = memory::open();
    migrate::run(&*from.reader, &mut to, &mut keep, &mut ignore_progress).expect("migrated");
    assert_eq!(recorded(&to), recorded(&from));

    let mut change = |commit: &CommitView<'_>, out: &mut Rewrite| -> Result<(), BoxError> {
        for event in commit.events() {
            let mut payload = event.payload().to_vec();
            if event.event_type == "Noted" {
                payload.push(7);
            }
            out.put(EncodedEvent::new(
                event.event_type,
                event.schema_version,
                Codec::from_byte(event.codec_byte())?,
                payload,
            ));
        }
        Ok(())
    };
    let mut to = memory::open();
    migrate::run(&*from.reader, &mut to, &mut change, &mut ignore_progress).expect("migrated");
    assert_eq!(recorded(&to), [shape("Struck", "()")]);
}

#[derive(Serialize, Deserialize)]
enum Skipping {
    Noted {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        number: u64,
    },
}

/// A migration to bincode reported success. In the new store no event with a skipped field could be read.
#[test]
fn a_migration_stores_no_event_that_does_not_read_back() {
    let (from, mut to) = (source(30), memory::open());
    let mut encode = |codec| {
        let mut change = |_: &CommitView<'_>, out: &mut Rewrite| -> Result<(), BoxError> {
            Ok(out.encode(&Skipping::Noted { text: None, number: 7 }, |_| 1, codec)?)
        };
        migrate::run(&*from.reader, &mut to, &mut change, &mut ignore_progress)
    };
    let refused = encode(Codec::Bincode);
    let Err(migrate::MigrateError::Transform { source, .. }) = refused else {
        panic!("{refused:?}")
    };
    let refused = source.downcast_ref::<CodecError>();
    assert!(matches!(refused, Some(CodecError::DoesNotReadBack { .. })), "{source}");
    encode(Codec::MessagePack).expect("it keeps the names");
}
