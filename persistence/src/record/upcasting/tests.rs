//! Upcasters: chains, cycles, bounds, and every codec.

use actuarius_domain::{Metadata, Position, Recast, StreamId, Timestamp, Upcasters, Version};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{Append, Codec, CodecError, Commit, NewCommit};

const ALL: [Codec; 3] = [Codec::Bincode, Codec::Json, Codec::MessagePack];

/// The events of an older release.
#[derive(Serialize)]
enum Old {
    Unit,
    Newtype(u32),
    Tuple(String, u32),
    Struct { cents: i64, note: String },
}

/// The current events.
#[derive(Debug, Clone, PartialEq, Deserialize)]
enum New {
    Newtype { value: u32 },
    Named(String, u32),
    Booked { cents: i64 },
    Noted(String),
    Ended,
}

#[derive(Deserialize)]
struct Struct {
    cents: i64,
    note: String,
}

#[derive(Serialize)]
struct Newtype {
    value: u32,
}

#[derive(Serialize)]
struct Booked {
    cents: i64,
}

fn upcasters() -> Upcasters {
    Upcasters::new()
        .rename("Unit", 1, "Ended", 1)
        .upcast("Newtype", 1, |old: u32| Recast::to(2, old + 1))
        .upcast("Newtype", 2, |old: u32| Recast::to(3, Newtype { value: old * 10 }))
        .rename("Tuple", 1, "Named", 1)
        .upcast("Struct", 1, |old: Struct| {
            let booked = Recast::renamed("Booked", 1, Booked { cents: old.cents });
            let none = if old.note.is_empty() {
                Recast::dropped()
            } else {
                Recast::renamed("Noted", 1, old.note)
            };
            Recast::several([booked, none])
        })
}

fn version(event_type: &str) -> u32 {
    if event_type == "Newtype" { 3 } else { 1 }
}

fn stored(codec: Codec, event: &Old) -> Commit {
    let mut append = Append::new(StreamId::new("a", "b").unwrap(), Version::NONE);
    let commit = NewCommit {
        time: Timestamp::default(),
        command_id: "it".into(),
        named_by_caller: false,
        metadata: &Metadata::default(),
    };
    append.push(commit, codec, std::slice::from_ref(event), |_| 1).unwrap();
    let frame = Bytes::copy_from_slice(append.frames().next().unwrap().0);
    Commit::from_frame(&frame, Position::new(1)).unwrap()
}

fn decode_parts(codec: Codec, event: &Old, upcasters: &Upcasters) -> Result<Vec<New>, CodecError> {
    let commit = stored(codec, event);
    let event = commit.view().events().next().unwrap();
    assert!(!event.is_current(upcasters, version).unwrap_or(false));
    event.parts(upcasters, version)?.iter().map(super::Part::decode).collect()
}

#[test]
fn old_events_of_every_shape_are_upcast_with_every_codec() {
    let both = Old::Struct { cents: -5, note: "hello".to_owned() };
    let one = Old::Struct { cents: 7, note: String::new() };
    for codec in ALL {
        let current = |event: &Old| decode_parts(codec, event, &upcasters()).unwrap();
        assert_eq!(current(&Old::Unit), [New::Ended]);
        assert_eq!(current(&Old::Newtype(4)), [New::Newtype { value: 50 }]);
        assert_eq!(current(&Old::Tuple("x".to_owned(), 3)), [New::Named("x".to_owned(), 3)]);
        assert_eq!(current(&both), [New::Booked { cents: -5 }, New::Noted("hello".to_owned())]);
        assert_eq!(current(&one), [New::Booked { cents: 7 }]);
        assert_eq!(decode_parts(codec, &Old::Unit, &upcasters().leave_out("Unit", 1)), Ok(vec![]));
    }
}

#[test]
fn upcasters_may_read_a_tree_of_values_with_self_describing_codecs_only() {
    let upcasters = Upcasters::new().upcast("Struct", 1, |mut old: serde_json::Value| {
        old["cents"] = (old["cents"].as_i64().unwrap() + 1).into();
        Recast::renamed("Booked", 1, old)
    });
    for codec in ALL {
        let decoded =
            decode_parts(codec, &Old::Struct { cents: 1, note: "x".to_owned() }, &upcasters);
        match codec {
            Codec::Bincode => assert!(matches!(decoded, Err(CodecError::Decode(_)))),
            _ => assert_eq!(decoded, Ok(vec![New::Booked { cents: 2 }])),
        }
    }
}

#[test]
fn a_version_without_an_upcaster_is_reported_with_the_current_version() {
    let missing = |event_type: &str, stored, current| {
        let event_type = event_type.to_owned();
        Err(CodecError::MissingUpcaster { event_type, stored, current })
    };
    let newtype = Old::Newtype(1);
    for codec in ALL {
        assert_eq!(decode_parts(codec, &newtype, &Upcasters::new()), missing("Newtype", 1, 3));
        let half = Upcasters::new().upcast("Newtype", 1, |old: u32| Recast::to(2, old));
        assert_eq!(decode_parts(codec, &newtype, &half), missing("Newtype", 2, 3));
    }
    let commit = stored(Codec::Json, &newtype);
    let event = commit.view().events().next().unwrap();
    let current = event.is_current(&Upcasters::new(), |_| 3);
    assert_eq!(current, missing("Newtype", 1, 3).map(|_: Vec<New>| true));
}

#[test]
fn cyclic_or_multiplying_upcasters_are_stopped() {
    let cyclic = Upcasters::new().rename("Unit", 1, "B", 1).rename("B", 1, "Unit", 1);
    let ended = decode_parts(Codec::Bincode, &Old::Unit, &cyclic);
    assert!(matches!(ended, Err(CodecError::EndlessUpcasters { .. })), "{ended:?}");
    let mut more = Upcasters::new().rename("Unit", 1, "A", 2).leave_out("A", 20);
    for version in 2..20 {
        more = more.upcast("A", version, move |(): ()| {
            Recast::several([Recast::to(version + 1, ()), Recast::to(version + 1, ())])
        });
    }
    let ended = decode_parts(Codec::Bincode, &Old::Unit, &more);
    assert!(matches!(ended, Err(CodecError::TooManyParts { .. })), "{ended:?}");
}

#[test]
fn an_unknown_event_type_is_reported_by_name() {
    let gone = Upcasters::new().rename("Unit", 1, "Gone", 1);
    for codec in ALL {
        let event_type = "Gone".to_owned();
        let expected = Err(CodecError::UnknownEventType { event_type });
        assert_eq!(decode_parts(codec, &Old::Unit, &gone), expected);
    }
}

#[test]
fn the_first_part_keeps_the_id_and_the_others_have_their_own() {
    let commit = stored(Codec::Bincode, &Old::Struct { cents: 1, note: "x".to_owned() });
    let (view, event) = (commit.view(), commit.view().events().next().unwrap());
    let parts = event.parts(&upcasters(), version).unwrap();
    let header = |number: u32| view.header_of_part(&event, &parts[number as usize], number);
    let (first, second) = (header(0), header(1));
    assert_eq!(first.event_id, view.header(&event).event_id);
    assert_ne!(second.event_id, first.event_id);
    assert_eq!(second.event_id, header(1).event_id);
    assert_eq!((second.version, second.position), (first.version, first.position));
    assert_eq!((second.event_type.as_str(), second.schema_version), ("Noted", 1));
    let stored_as = second.stored_as.unwrap();
    let stored_as = (stored_as.event_type.as_str(), stored_as.schema_version, stored_as.part);
    assert_eq!(stored_as, ("Struct", 1, 1));
    assert_eq!(view.header(&event).stored_as, None);
}
