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

/// A payment of today.
#[derive(Debug, PartialEq, Deserialize)]
enum Payment {
    Paid {
        cents: i64,
        fee: u64,
        #[serde(default)]
        memo: Option<Option<String>>,
    },
}

/// Returns what `5`, stored as version 1 of `Paid`, is read as if the upcaster returns `content`.
fn paid<T: Serialize + Send + Sync + Clone + 'static>(
    codec: Codec,
    content: T,
) -> Result<Payment, CodecError> {
    let upcasters = Upcasters::new()
        .upcast("Newtype", 1, move |_: u32| Recast::renamed("Paid", 1, content.clone()));
    let commit = stored(codec, &Old::Newtype(5));
    let event = commit.view().events().next().unwrap();
    event.parts(&upcasters, |_| 1)?.remove(0).decode()
}

/// The cents of each old payment became its fee, and the fee its cents: an upcaster returned a struct with the
/// same fields in another order, and bincode stored no names.
#[test]
fn what_an_upcaster_returns_is_read_by_its_names() {
    #[derive(Clone, Serialize)]
    struct Swapped {
        fee: u64,
        cents: u64,
    }
    for codec in ALL {
        let read = paid(codec, Swapped { fee: 1, cents: 500 });
        assert_eq!(read, Ok(Payment::Paid { cents: 500, fee: 1, memo: None }), "{codec:?}");
        let read = paid(codec, serde_json::json!({ "cents": -3, "fee": 2, "memo": null }));
        assert_eq!(read, Ok(Payment::Paid { cents: -3, fee: 2, memo: None }), "{codec:?}");
        let too_large = paid(codec, Swapped { fee: 1, cents: u64::MAX });
        assert!(matches!(too_large, Err(CodecError::Decode(_))), "{too_large:?}");
    }
}

/// A memo disappeared, because the struct of the upcaster had named it otherwise, and the event has a default.
#[test]
fn a_field_that_today_s_event_does_not_have_is_an_error_with_bincode() {
    #[derive(Clone, Serialize)]
    struct Renamed {
        cents: i64,
        fee: u64,
        note: Option<String>,
    }
    let read = paid(Codec::Bincode, Renamed { cents: 1, fee: 2, note: Some("x".to_owned()) });
    let Err(CodecError::Decode(why)) = read else { panic!("{read:?}") };
    assert!(why.contains("unknown field, expected one of `cents`"), "{why}");
    let read = paid(Codec::Bincode, serde_json::json!({ "cents": 1, "fee": 2, "note": "x" }));
    assert!(matches!(read, Err(CodecError::Decode(_))), "{read:?}");
    #[derive(Clone, Serialize)]
    struct Rounded {
        cents: i64,
        fee: f64,
    }
    let read = paid(Codec::Bincode, Rounded { cents: 1, fee: 2.0 });
    assert!(matches!(read, Err(CodecError::Decode(_))), "{read:?}");
}

/// What bincode keeps apart, and MessagePack would not, stays apart after an upcaster.
#[test]
fn an_optional_value_that_is_there_and_empty_stays_so_with_bincode() {
    let memo = |memo: Option<Option<String>>| {
        #[derive(Clone, Serialize)]
        struct Paid {
            cents: i64,
            fee: u64,
            memo: Option<Option<String>>,
        }
        let Payment::Paid { memo, .. } =
            paid(Codec::Bincode, Paid { cents: 1, fee: 2, memo }).unwrap();
        memo
    };
    for case in [None, Some(None), Some(Some("x".to_owned()))] {
        assert_eq!(memo(case.clone()), case);
    }
}

/// Programs whose upcasters return a tuple for fields, or a struct for a tuple, are read as before.
#[test]
fn what_has_no_names_is_read_in_its_order() {
    for codec in ALL {
        let read = paid(codec, (7, 8_u64, None::<()>));
        assert_eq!(read, Ok(Payment::Paid { cents: 7, fee: 8, memo: None }), "{codec:?}");
    }
    #[derive(Serialize)]
    struct Both {
        name: String,
        number: u32,
    }
    let upcasters = Upcasters::new().upcast("Newtype", 1, |number: u32| {
        Recast::renamed("Named", 1, Both { name: "x".to_owned(), number })
    });
    let read = decode_parts(Codec::Bincode, &Old::Newtype(5), &upcasters);
    assert_eq!(read, Ok(vec![New::Named("x".to_owned(), 5)]));
}

/// What serde can write, an upcaster can return.
#[test]
fn every_kind_of_value_passes_an_upcaster_with_bincode() {
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    enum Kind {
        Unit,
        Newtype(Option<u8>),
        Tuple(char, f32),
        Struct { bytes: Vec<u8>, raw: Box<[i8; 2]> },
        Mixed(Vec<u64>, Vec<Number>, (Option<u8>, u8)),
    }
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Number(u16);
    type Large = (u128, i128, f64, bool, std::time::Duration, std::net::IpAddr);
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct All {
        kinds: Vec<Kind>,
        map: std::collections::BTreeMap<(u8, String), Option<()>>,
        unit: (),
        large: Large,
        numbers: (i8, i16, i32, u16, u32, char),
    }
    #[derive(Debug, PartialEq, Deserialize)]
    enum Event {
        Paid(All),
    }
    let all = All {
        kinds: vec![
            Kind::Unit,
            Kind::Newtype(Some(3)),
            Kind::Newtype(None),
            Kind::Tuple('x', 0.1),
            Kind::Struct { bytes: vec![1, 2], raw: Box::new([-1, 2]) },
            Kind::Struct { bytes: vec![7; 2_000_000], raw: Box::new([0, 0]) },
            Kind::Mixed(vec![1, 255, 256, 3], vec![Number(1), Number(2)], (Some(1), 2)),
        ],
        map: [((1, "a".to_owned()), Some(())), ((2, "b".to_owned()), None)].into(),
        unit: (),
        large: (
            u128::MAX,
            i128::MIN,
            f64::NEG_INFINITY,
            true,
            std::time::Duration::from_nanos(7),
            [127, 0, 0, 1].into(),
        ),
        numbers: (-1, -2, -3, 4, 5, 'c'),
    };
    let upcasters = {
        let all = all.clone();
        Upcasters::new()
            .upcast("Newtype", 1, move |_: u32| Recast::to(2, all.clone()))
            // Read again as the input of the next one.
            .upcast("Newtype", 2, |old: All| Recast::renamed("Paid", 1, old))
    };
    let commit = stored(Codec::Bincode, &Old::Newtype(5));
    let event = commit.view().events().next().unwrap();
    let part = event.parts(&upcasters, |_| 1).unwrap().remove(0);
    assert_eq!(part.decode(), Ok(Event::Paid(all)));
}

/// An event of 200 levels, which an earlier release had stored, was read until it needed an upcaster: then its
/// aggregate could not be loaded any more.
#[test]
fn an_upcaster_may_return_what_is_as_deep_as_what_is_read() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Deep {
        Leaf,
        Node(Box<Deep>),
    }
    #[derive(Debug, Serialize, Deserialize)]
    enum Event {
        Grown(Deep),
    }
    const LEVELS: usize = 200;
    let bincode = [&[1; LEVELS][..], &[0]].concat();
    let messagepack = [&b"\x81\xa4Node".repeat(LEVELS)[..], b"\xa4Leaf"].concat();
    for (codec, payload) in [(Codec::Bincode, bincode), (Codec::MessagePack, messagepack)] {
        let event = super::super::EncodedEvent::new("Grown", 1, codec, payload);
        let mut append = Append::new(StreamId::new("a", "b").unwrap(), Version::NONE);
        let commit = NewCommit {
            time: Timestamp::default(),
            command_id: "it".into(),
            named_by_caller: false,
            metadata: &Metadata::default(),
        };
        append.push_encoded(commit, &[event]).unwrap();
        let frame = Bytes::copy_from_slice(append.frames().next().unwrap().0);
        let commit = Commit::from_frame(&frame, Position::new(1)).unwrap();
        let event = commit.view().events().next().unwrap();
        let grown = |upcasters: &Upcasters| -> Result<Event, CodecError> {
            event.parts(upcasters, |_| 2)?.remove(0).decode()
        };
        let Event::Grown(mut deep) =
            grown(&Upcasters::new().upcast("Grown", 1, |old: Deep| Recast::to(2, old))).unwrap();
        let mut levels = 0;
        while let Deep::Node(inner) = deep {
            (deep, levels) = (*inner, levels + 1);
        }
        assert_eq!(levels, LEVELS);
        let deeper = Upcasters::new().upcast("Grown", 1, |old: Deep| {
            Recast::to(2, (0..2_000).fold(old, |inner, _| Deep::Node(Box::new(inner))))
        });
        assert!(matches!(grown(&deeper), Err(CodecError::TooDeep)), "{codec:?}");
        // A migration encodes it again, but no command can.
        let event = grown(&Upcasters::new().upcast("Grown", 1, |old: Deep| Recast::to(2, old)));
        let event = event.unwrap();
        super::super::EncodedEvent::encode(&event, |_| 2, codec).expect("as deep as it was");
        assert_eq!(codec.encode_event(&event, &mut Vec::new()), Err(CodecError::TooDeep));
    }
}
