//! Exports events as lines of JSON and imports them again without a difference.

use std::ops::ControlFlow;

use actuarius_domain::{Metadata, Position, StreamId, Timestamp, Version};
use actuarius_persistence::copy::{CopyError, Selection};
use actuarius_persistence::export::{self, ExportError, ImportError, Imported};
use actuarius_persistence::{
    Append, Batch, Codec, Commit, EncodedEvent, Gone, NewCommit, Removal, Store, ignore_progress,
    memory,
};
use proptest::prelude::*;

use crate::common::log::{log, same, source, stream, write};

fn exported(store: &Store, selection: &Selection<'_>) -> String {
    let mut lines = Vec::new();
    export::write(&*store.reader, &mut lines, selection, &mut ignore_progress).expect("exported");
    String::from_utf8(lines).expect("text")
}

fn import(lines: &str, to: &mut Store) -> Result<Imported, ImportError> {
    export::read(lines.as_bytes(), to, &mut ignore_progress)
}

#[test]
fn json_payloads_are_part_of_the_line_without_a_change() {
    let mut store = memory::open();
    for (payload, number) in [("{\"a\" :1e5, \"b\":null}", 0), ("null", 1), ("{\n}", 2), ("", 3)] {
        let event = EncodedEvent::new("Told", 7, Codec::Json, payload);
        push(&mut store, number, &[event]);
    }
    let lines = exported(&store, &Selection::all());
    let lines: Vec<_> = lines.lines().collect();
    assert!(lines[1].contains(r#""payload":{"a" :1e5, "b":null}"#), "{}", lines[1]);
    assert!(lines[2].contains(r#""payload":null"#), "{}", lines[2]);
    assert!(lines[3].contains(r#""base64":"ewp9""#), "{}", lines[3]);
    assert!(lines[4].contains(r#""base64":"""#), "{}", lines[4]);
    let mut to = memory::open();
    import(&(lines.join("\n") + "\n"), &mut to).expect("imported");
    assert!(same(&log(&*store.reader), &log(&*to.reader)));
}

fn push(store: &mut Store, number: u64, events: &[EncodedEvent]) {
    let stream = StreamId::new("counted", format!("{number}")).expect("valid");
    let mut append = Append::new(stream, Version::NONE);
    let commit = NewCommit {
        time: Timestamp::from_micros(i64::MIN),
        command_id: "x".into(),
        named_by_caller: false,
        metadata: &Metadata::default(),
    };
    append.push_encoded(commit, events).expect("small enough");
    store.writer.commit(&Batch { appends: vec![append], ..Batch::default() }).expect("stored");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_commit_survives_export_and_import(
        id in "\\PC{1,40}",
        name in "[\\x00-\\x1f\"\\\\a-zé\u{1F600}]{0,20}",
        user in prop::option::of("[\\x00-\\u{ffff}]{0,20}"),
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 1..5),
        texts in prop::collection::vec("[\\x00-\\x7f]{0,20}", 0..3),
        numbers in any::<(i64, u128, u32, bool)>(),
    ) {
        let Ok(stream) = StreamId::new("kind", id) else { return Ok(()) };
        let (time, uuid, schema_version, named_by_caller) = numbers;
        let mut metadata = Metadata { user, ..Metadata::default() };
        metadata.causation = named_by_caller.then(|| uuid::Uuid::from_u128(uuid).into());
        for text in texts {
            metadata.entries.insert(text.clone(), name.clone());
        }
        let commit = NewCommit {
            time: Timestamp::from_micros(time),
            command_id: uuid::Uuid::from_u128(uuid).into(),
            named_by_caller,
            metadata: &metadata,
        };
        let codecs = [Codec::Json, Codec::Bincode, Codec::MessagePack];
        let events: Vec<_> = payloads.into_iter().zip(codecs.into_iter().cycle()).map(
            |(payload, codec)| EncodedEvent::new(&*name, schema_version, codec, payload)).collect();
        let mut append = Append::new(stream, Version::NONE);
        append.push_encoded(commit, &events).expect("small enough");
        let mut store = memory::open();
        store.writer.commit(&Batch { appends: vec![append], ..Batch::default() }).expect("stored");
        let mut to = memory::open();
        import(&exported(&store, &Selection::all()), &mut to).expect("imported");
        prop_assert!(same(&log(&*store.reader), &log(&*to.reader)));
    }
}

#[test]
fn the_largest_commit_and_removed_events_survive_export_and_import() {
    let mut from = source(20);
    let size = 16 * 1024 * 1024 - 100;
    push(&mut from, 1, &[EncodedEvent::new("Told", 1, Codec::Bincode, vec![0xff; size])]);
    let text = format!("\"{}\"", "\\u0000".repeat((size - 100) / 6));
    push(&mut from, 2, &[EncodedEvent::new("Told", 1, Codec::Json, text)]);
    let removed = log(&*from.reader).into_iter().filter(|it| it.view().belongs_to(&stream(3)));
    let removals: Vec<_> = removed.map(|commit| Removal::of(&commit, Gone::Removed)).collect();
    assert!(!removals.is_empty());
    from.writer.commit(&Batch { removals, ..Batch::default() }).expect("removed");
    let mut to = memory::open();
    import(&exported(&from, &Selection::all()), &mut to).expect("imported");
    assert!(same(&log(&*from.reader), &log(&*to.reader)));
}

#[test]
fn a_selection_is_exported_and_imported_next_to_other_streams() {
    let from = source(60);
    let lines = exported(&from, &Selection::stream(stream(3)).up_to(Position::new(70)));
    let mut to = memory::open();
    write(&mut to, [4]);
    let imported = import(&lines, &mut to).expect("imported");
    assert_eq!(imported.end, None, "a selection has no chain end");
    let frames = |store: &Store, end: u64| -> Vec<_> {
        let all = log(&*store.reader).into_iter();
        all.filter(|it| it.view().belongs_to(&stream(3)) && it.last_position().get() <= end)
            .map(|it| Commit::frame(&it))
            .collect()
    };
    assert_eq!(frames(&to, u64::MAX), frames(&from, 70));
    write(&mut to, [3]);
    let error = import(&exported(&from, &Selection::all()), &mut to).expect_err("other events");
    assert!(
        matches!(error, ImportError::Store { source: CopyError::OtherEvents { .. }, .. }),
        "{error}"
    );
}

#[test]
fn a_missing_changed_or_foreign_line_is_reported_by_its_number() {
    let from = source(9);
    let whole = exported(&from, &Selection::all());
    let lines: Vec<_> = whole.lines().map(str::to_owned).collect();
    let with = |number: usize, line: &str| {
        let mut lines = lines.clone();
        lines[number - 1] = line.to_owned();
        lines.join("\n") + "\n"
    };
    let error_of = |text: &str| import(text, &mut memory::open()).expect_err("reported");
    for (number, line) in
        [(1, "{}"), (3, "{"), (3, "{}"), (4, "[]"), (5, r#"{"position":1}"#), (5, "")]
    {
        let error = error_of(&with(number, line));
        assert!(
            matches!(error, ImportError::Line { line, .. } if line == number as u64),
            "{error}"
        );
    }
    let unknown = lines[3].replacen('{', r#"{"more":1,"#, 1);
    assert!(error_of(&with(4, &unknown)).to_string().contains("unknown field"));
    let newer = lines[0].replace(r#""format":1"#, r#""format":2"#);
    assert!(matches!(error_of(&with(1, &newer)), ImportError::NewerFormat { found: 2, .. }));
    for cut in [0, 5, whole.len() / 2, whole.len() - 1] {
        assert!(matches!(error_of(&whole[..cut]), ImportError::CutShort { .. }), "cut at {cut}");
    }
    let changed = whole.replacen(r#""time":-"#, r#""time":"#, 1);
    assert!(changed != whole && matches!(error_of(&changed), ImportError::Differs { .. }));
    let without = lines[..9].join("\n") + "\n" + &lines[10] + "\n";
    assert!(
        matches!(error_of(&without), ImportError::Line { line: 10, .. }),
        "a commit is missing"
    );
}

#[test]
fn a_stopped_export_has_no_last_line() {
    let from = source(3_000);
    let mut lines = Vec::new();
    let stop = &mut |_: &_| ControlFlow::Break(());
    let stopped = export::write(&*from.reader, &mut lines, &Selection::all(), stop);
    assert!(matches!(stopped, Err(ExportError::Stopped)));
    let error =
        export::read(&lines[..], &mut memory::open(), &mut ignore_progress).expect_err("cut short");
    assert!(matches!(error, ImportError::CutShort { .. }), "{error}");
    let whole = exported(&from, &Selection::all());
    let error = export::read(whole.as_bytes(), &mut memory::open(), stop).expect_err("stopped");
    assert!(matches!(error, ImportError::Stopped), "{error}");
}
