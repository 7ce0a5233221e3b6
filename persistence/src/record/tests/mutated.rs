//! Mutated commits and mutated values in each codec: none panics, and none allocates without a bound.

use std::collections::BTreeMap;

use super::*;
use crate::mutations::{Mutations, Peak};

const PEAK: Peak = |work| allocation_counter::measure(work).bytes_max;

/// Corrects length and checksum of a frame.
fn reseal(frame: &mut [u8]) {
    if frame.len() >= FRAME_HEAD {
        seal_frame(frame).expect("small enough");
    }
}

/// A stub has no bytes of events, so nothing bounded the number of events it claims: the position of the last one
/// overflowed, which panicked in a debug build and named a wrong position in a release build.
#[test]
fn no_mutated_commit_panics_or_allocates_without_a_bound() {
    let events = [Sample::Marked, Sample::Noted("hello".to_owned())];
    let bare = append(&Metadata::default(), &events).frames;
    let stub = crate::stub_frame(
        &Commit::from_frame(&bare.clone().into(), Position::new(9)).expect("whole"),
        Gone::Removed,
    );
    let samples = [frame(), bare, stub.to_vec()];
    let decoder = Mutations::of("a commit", samples).resealed(|frame| reseal(frame));
    decoder.run(PEAK, |bytes| {
        for position in [Position::new(9), Position::new(u64::MAX - 1)] {
            if let Ok((commit, _)) = Commit::take(&Bytes::copy_from_slice(bytes), position) {
                let _ = (commit.last_position(), commit.last_version(), commit.hash());
                let view = commit.view();
                let _ = view.metadata();
                view.events().for_each(|event| drop(event.decode::<Sample>()));
            }
        }
    });
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Rich {
    Unit,
    Text(String),
    Numbers(u8, i64, u128, f64, char),
    Nested {
        names: Vec<String>,
        bytes: Vec<u8>,
        by: BTreeMap<String, Vec<u64>>,
        more: Option<Box<Rich>>,
    },
    List(Vec<Rich>),
}

fn rich() -> [Rich; 5] {
    let leaf = Rich::Nested {
        names: vec!["ada".to_owned(), String::new()],
        bytes: vec![0, 255, 7],
        by: BTreeMap::from([("k".to_owned(), vec![1, 1 << 40])]),
        more: Some(Box::new(Rich::Text("ß".to_owned()))),
    };
    let numbers = Rich::Numbers(7, -8, 1 << 100, 1.5, 'é');
    [
        Rich::Unit,
        Rich::Text("seventeen".to_owned()),
        numbers,
        leaf.clone(),
        Rich::List(vec![leaf; 3]),
    ]
}

/// A length that damaged bytes name is not what a decoder reserves. bincode counts what it reserves for a value of up
/// to 64 KiB against 2 MiB; serde reserves 1 MiB at most for each list, however long it claims to be.
#[test]
fn no_mutated_value_panics_or_allocates_without_a_bound_in_any_codec() {
    let codecs =
        [("bincode", Codec::Bincode), ("JSON", Codec::Json), ("MessagePack", Codec::MessagePack)];
    for (name, codec) in codecs {
        let samples = rich().map(|value| {
            let mut bytes = Vec::new();
            codec.encode(&value, &mut bytes).expect("encodable");
            bytes
        });
        let decoder = Mutations::of(name, samples).may_allocate(4 * 1024 * 1024, 256);
        decoder.run(PEAK, |bytes| drop(codec.decode::<Rich>(bytes)));
    }
}

/// The content of an event is decoded by the name of its variant.
#[test]
fn no_mutated_event_panics_or_allocates_without_a_bound_in_any_codec() {
    let codecs =
        [("bincode", Codec::Bincode), ("JSON", Codec::Json), ("MessagePack", Codec::MessagePack)];
    for (name, codec) in codecs {
        let encode = |event: &Rich| {
            let mut bytes = Vec::new();
            let name = codec.encode_event(event, &mut bytes).expect("encodable");
            (name, bytes)
        };
        let encoded = rich().map(|event| encode(&event));
        let samples = encoded.clone().map(|(_, bytes)| bytes);
        let decoder = Mutations::of(name, samples).may_allocate(4 * 1024 * 1024, 256);
        decoder.run(PEAK, |bytes| {
            encoded.iter().for_each(|(name, _)| drop(codec.decode_event::<Rich>(name, bytes)));
        });
    }
}
