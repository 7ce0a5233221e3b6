//! Cases about reading ids, headers and payloads.

use std::collections::HashSet;

use actuarius_domain::{CommandId, MAX_ID_BYTES, Metadata, StreamId, Timestamp, Version};

use super::sample::{Sample, note, small, stream, text};
use super::scene::{Scene, whole_log};
use super::stage::Stage;
use crate::test_rng::TestRng;
use crate::{Append, COMMIT_BYTES_MAX, Codec, NewCommit, PageLimit, Reader};

pub(super) fn odd_ids_never_share_a_stream(stage: &dyn Stage) {
    let mut scene = Scene::open(stage);
    for (index, stream) in odd_streams().iter().enumerate() {
        // Different counts distinguish the streams by their versions alone.
        scene.put(stream, vec![Sample::Counted(index as u8); index + 1]);
    }
    scene.commit();
    scene.check();
    for (index, stream) in odd_streams().iter().enumerate() {
        scene.put(stream, vec![Sample::Noted(format!("again {index}"))]);
    }
    scene.commit();
    scene.check();
    scene.reopen_and_check();
}

fn odd_streams() -> Vec<StreamId> {
    let longest = "x".repeat(MAX_ID_BYTES);
    let different_end = format!("{}y", "x".repeat(MAX_ID_BYTES - 1));
    let shorter = "x".repeat(MAX_ID_BYTES - 1);
    let wide = "é".repeat(MAX_ID_BYTES / 2);
    let ids = [
        "\0",
        "\0\0",
        "/",
        "//",
        ".",
        "..",
        " ",
        "a",
        "A",
        "b",
        "a\0b",
        "é",
        "e\u{301}",
        "\u{ffff}",
        "\u{10ffff}",
        "😀",
        "1",
        "01",
        "%00",
        &longest,
        &different_end,
        &shorter,
        &wide,
    ];
    let joined = [("a/b", "c"), ("a", "b/c"), ("a/b/c", "d"), ("a", "b/c/d"), ("a\0", "b")];
    let category = "c".repeat(128);
    let pairs =
        joined.into_iter().chain([("a", "\0b"), (&*category, "a"), (&*category, &*longest)]);
    let plain = ids.iter().map(|id| stream(id));
    plain.chain(pairs.map(|(category, id)| StreamId::new(category, id).expect("valid"))).collect()
}

pub(super) fn every_header_field_comes_back(stage: &dyn Stage) {
    let mut scene = Scene::open(stage);
    let headers = headers();
    let mut append = Append::new(stream("a"), Version::NONE);
    for (index, (time, named_by_caller, metadata, codec)) in headers.iter().enumerate() {
        let command_id = CommandId::from(format!("command {index}"));
        let commit =
            NewCommit { time: *time, command_id, named_by_caller: *named_by_caller, metadata };
        append
            .push(commit, *codec, &events(), |name| name.len() as u32 * 1_000)
            .expect("encodable");
    }
    scene.put_append(append);
    scene.commit();
    scene.reopen_and_check();

    let found = whole_log(&*scene.reader(), Default::default(), PageLimit::default());
    for (index, (time, named_by_caller, metadata, _)) in headers.iter().enumerate() {
        let view = found[index].view();
        assert!(view.belongs_to(&stream("a")));
        assert_eq!(view.time, *time);
        assert_eq!(view.command_id, CommandId::from(format!("command {index}")));
        assert_eq!(view.named_by_caller(), *named_by_caller);
        assert_eq!(view.metadata(), *metadata);
        for (event, expected) in view.events().zip(events()) {
            assert_eq!(event.decode::<Sample>().expect("decodable"), expected);
            let header = view.header(&event);
            assert_eq!(header.schema_version, header.event_type.len() as u32 * 1_000);
            assert_eq!(header.causation_id, metadata.causation);
            let own_story = view.command_id.as_uuid().into();
            assert_eq!(header.correlation_id, metadata.correlation.unwrap_or(own_story));
        }
        let names: Vec<_> = view.events().map(|event| event.event_type).collect();
        assert_eq!(names, ["Marked", "Counted", "Noted", "Filed"]);
    }
}

fn events() -> [Sample; 4] {
    [
        Sample::Marked,
        Sample::Counted(7),
        Sample::Noted("Größe \0 😀".to_owned()),
        Sample::Filed { name: String::new(), number: i64::MIN },
    ]
}

fn headers() -> Vec<(Timestamp, bool, Metadata, Codec)> {
    let full = Metadata {
        correlation: Some("a story".into()),
        causation: Some("a cause".into()),
        ..Metadata::default()
    };
    let full = full.on_behalf_of("Zoë \0").with("", "").with("tenant", "x".repeat(3_000));
    let user = Metadata::default().on_behalf_of("");
    let correlated = Metadata { correlation: full.correlation, ..Metadata::default() };
    let caused = Metadata { causation: full.causation, ..Metadata::default() };
    let many = (0..200).fold(Metadata::default(), |all, n| all.with(format!("{n}"), "value"));
    vec![
        (Timestamp::from_micros(0), false, Metadata::default(), Codec::Bincode),
        (Timestamp::from_micros(-1), true, full, Codec::Json),
        (Timestamp::from_micros(i64::MIN), false, user, Codec::MessagePack),
        (Timestamp::from_micros(i64::MAX), true, correlated, Codec::Bincode),
        (Timestamp::from_micros(1_700_000_000_000_000), false, caused, Codec::Json),
        (Timestamp::from_micros(-62_000_000_000_000_000), true, many, Codec::Bincode),
    ]
}

pub(super) fn event_ids_are_stable_and_unique(stage: &dyn Stage) {
    let mut scene = Scene::open(stage);
    let mut rng = TestRng::new(7);
    for _ in 0..20 {
        for id in ["a", "b", "aa"] {
            scene.put(&stream(id), small(&mut rng, 3));
        }
    }
    scene.commit();
    let before = event_ids(&*scene.reader());
    assert_eq!(before.iter().collect::<HashSet<_>>().len(), 180, "no two events share an id");
    scene.reopen_and_check();
    assert_eq!(event_ids(&*scene.reader()), before);
}

fn event_ids(reader: &dyn Reader) -> Vec<actuarius_domain::EventId> {
    let log = whole_log(reader, Default::default(), PageLimit::default());
    let views = log.iter().map(|commit| commit.view());
    views.flat_map(|view| view.events().map(move |it| view.header(&it).event_id)).collect()
}

pub(super) fn payloads_of_every_size_survive_reopening(stage: &dyn Stage) {
    let mut scene = Scene::open(stage);
    let mut rng = TestRng::new(8);
    scene.write(&stream("small"), vec![Sample::Marked]);
    scene.write(&stream("small"), vec![Sample::Counted(255)]);
    for bytes in [7 * 1024, 16 * 1024, 65_535, 65_536, 128 * 1024, 300 * 1024, 5 * 1024 * 1024] {
        // The large one is alone, and between small ones in the same batch.
        let large = note(&mut rng, bytes);
        scene.write(&stream(&format!("alone {bytes}")), vec![large.clone()]);
        scene.put(&stream("small"), vec![Sample::Marked]);
        scene.put(&stream("mixed"), vec![Sample::Counted(1), large, Sample::Counted(2)]);
        scene.put(&stream("small"), vec![Sample::Counted(3)]);
        scene.commit();
    }
    scene.check();
    scene.reopen_and_check();
}

pub(super) fn payloads_around_a_page_survive_reopening(stage: &dyn Stage) {
    let mut scene = Scene::open(stage);
    let mut rng = TestRng::new(9);
    // Steps of 5 bytes over every size where a store may begin to split or to compress.
    for edge in [4 * 1024, 7 * 1024, 8 * 1024, 16 * 1024] {
        for bytes in (edge - 150..edge + 50).step_by(5) {
            let event = Sample::Filed { name: text(&mut rng, bytes), number: 1 };
            scene.put(&stream("a"), vec![event]);
        }
        scene.commit();
    }
    scene.check();
    scene.reopen_and_check();
}

pub(super) fn the_largest_commit_survives_reopening(stage: &dyn Stage) {
    let mut scene = Scene::open(stage);
    let mut rng = TestRng::new(10);
    // A kilobyte is left for the header.
    let largest = note(&mut rng, COMMIT_BYTES_MAX - 1024);
    scene.put(&stream("a"), vec![Sample::Marked]);
    scene.put(&stream("a"), vec![largest]);
    scene.put(&stream("a"), vec![Sample::Marked]);
    scene.commit();
    scene.reopen_and_check();
}
