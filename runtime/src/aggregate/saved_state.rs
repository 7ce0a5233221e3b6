//! The payload of a snapshot: the remembered commands and the state.
//!
//! `layout u8 = 2 | codec u8 | shape u64 | commands u32 | per command: id 16, version u64, events u64,
//! position u64 | state`, integers little-endian. The store adds checksum and header.

use actuarius_domain::{Aggregate, Position, Version};
use actuarius_persistence::{Codec, CodecError};
use uuid::Uuid;

use super::dedup_window::{DedupWindow, Remembered};
use crate::base::panics::{Contained, guarded};
use crate::schema::shape::{codec_for, fingerprint};

/// Layout 1 did not record the shape of the state, so it could decode to a wrong one.
const LAYOUT: u8 = 2;
const COMMAND_BYTES: usize = 40;

/// Encodes the state, and returns the bytes and the state that a recovery decodes from them: a snapshot that reads
/// back as another state is worse than none. A state whose shape is not known is encoded with a self-describing
/// codec instead.
pub(crate) fn encode<A: Aggregate>(
    state: &A,
    window: &DedupWindow,
    codec: Codec,
) -> Result<(Vec<u8>, Contained<A>), CodecError> {
    let codec = codec_for::<A>(codec);
    let mut out = Vec::with_capacity(14 + COMMAND_BYTES * window.iter().len() + 64);
    out.push(LAYOUT);
    out.push(codec.byte());
    out.extend_from_slice(&fingerprint::<A>().to_le_bytes());
    out.extend_from_slice(&(window.iter().len() as u32).to_le_bytes());
    for command in window.iter() {
        out.extend_from_slice(command.id.as_bytes());
        out.extend_from_slice(&command.version.get().to_le_bytes());
        out.extend_from_slice(&command.events.to_le_bytes());
        out.extend_from_slice(&command.position.get().to_le_bytes());
    }
    let read_back = || codec.encode_checked(state, &mut out).map(Contained::new);
    let decoded = guarded(read_back).map_err(CodecError::Encode)??;
    Ok((out, decoded))
}

/// Decodes the state and the commands of a payload: the newest `capacity` commands at most.
pub(crate) fn decode<A: Aggregate>(
    payload: &[u8],
    capacity: usize,
) -> Result<(A, DedupWindow), CodecError> {
    let short = || CodecError::Decode("the snapshot is cut short".to_owned());
    let (&[layout, codec], rest) = payload.split_first_chunk().ok_or_else(short)?;
    if layout != LAYOUT {
        return Err(CodecError::Decode(format!("unknown layout {layout}")));
    }
    let (shape, rest) = rest.split_first_chunk().ok_or_else(short)?;
    if u64::from_le_bytes(*shape) != fingerprint::<A>() {
        return Err(CodecError::Decode("the state has another shape".to_owned()));
    }
    let (count, rest) = rest.split_first_chunk().ok_or_else(short)?;
    let bytes = (u32::from_le_bytes(*count) as usize).checked_mul(COMMAND_BYTES);
    let (commands, state) =
        bytes.and_then(|bytes| rest.split_at_checked(bytes)).ok_or_else(short)?;
    let mut window = DedupWindow::default();
    for command in commands.chunks_exact(COMMAND_BYTES) {
        window.remember(decode_command(command).ok_or_else(short)?, capacity);
    }
    let codec = Codec::from_byte(codec)?;
    let state = guarded(|| codec.decode(state)).map_err(CodecError::Decode)??;
    Ok((state, window))
}

fn decode_command(bytes: &[u8]) -> Option<Remembered> {
    let (id, rest) = bytes.split_first_chunk::<16>()?;
    let (version, rest) = rest.split_first_chunk()?;
    let (events, rest) = rest.split_first_chunk()?;
    let (position, _) = rest.split_first_chunk()?;
    Some(Remembered {
        id: Uuid::from_bytes(*id).into(),
        version: Version::new(u64::from_le_bytes(*version)),
        events: u64::from_le_bytes(*events),
        position: Position::new(u64::from_le_bytes(*position)),
    })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use actuarius_domain::Context;
    use serde::{Deserialize, Serialize};

    use super::*;
    use actuarius_persistence::mutations::Mutations;

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    struct Sum(u64);

    impl Aggregate for Sum {
        const TYPE: &'static str = "sum";
        type Command = ();
        type Event = ();
        type Error = Infallible;
        fn decide(&self, (): (), _: &Context) -> Result<Vec<()>, Infallible> {
            Ok(vec![])
        }
        fn apply(&mut self, (): &()) {}
    }

    fn window() -> DedupWindow {
        let mut window = DedupWindow::default();
        for number in 1..=3 {
            let id = format!("command-{number}").into();
            let (version, position) = (Version::new(number), Position::new(10 * number));
            window.remember(Remembered { id, version, events: 1, position }, 9);
        }
        window
    }

    #[test]
    fn state_and_commands_round_trip_with_every_codec() {
        for codec in [Codec::Bincode, Codec::Json, Codec::MessagePack] {
            let (payload, decoded) = encode(&Sum(7), &window(), codec).expect("encodable");
            assert_eq!(*decoded, Sum(7));
            assert_eq!(decode(&payload, 9), Ok((Sum(7), window())));
        }
    }

    #[test]
    fn a_smaller_window_keeps_the_newest_commands() {
        let (payload, _) = encode(&Sum(7), &window(), Codec::Bincode).expect("encodable");
        let (_, kept) = decode::<Sum>(&payload, 1).expect("decodable");
        assert_eq!(kept.iter().len(), 1);
        assert!(kept.find("command-3".into()).is_some());
    }

    #[test]
    fn a_payload_cut_anywhere_is_refused() {
        let (payload, _) = encode(&Sum(700), &window(), Codec::Bincode).expect("encodable");
        for length in 0..payload.len() {
            assert!(decode::<Sum>(&payload[..length], 9).is_err(), "cut at {length}");
        }
    }

    /// The same bytes would decode to another number.
    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    struct Difference(i64);

    impl Aggregate for Difference {
        const TYPE: &'static str = "sum";
        type Command = ();
        type Event = ();
        type Error = Infallible;
        fn decide(&self, (): (), _: &Context) -> Result<Vec<()>, Infallible> {
            Ok(vec![])
        }
        fn apply(&mut self, (): &()) {}
    }

    #[test]
    fn a_state_of_another_shape_or_of_an_unknown_one_is_refused() {
        let (payload, _) = encode(&Sum(7), &window(), Codec::Bincode).expect("encodable");
        assert!(decode::<Sum>(&payload, 9).is_ok());
        assert!(decode::<Difference>(&payload, 9).is_err());
        let first_layout = [&[1], &payload[1..2], &payload[10..]].concat();
        assert!(decode::<Sum>(&first_layout, 9).is_err());
    }

    #[test]
    fn no_mutated_snapshot_panics_or_allocates_without_a_bound() {
        let codecs = [Codec::Bincode, Codec::Json, Codec::MessagePack];
        let samples = codecs.map(|codec| encode(&Sum(7), &window(), codec).expect("encodable").0);
        let decoder = Mutations::of("the state of an aggregate", samples);
        decoder.run(
            |work| allocation_counter::measure(work).bytes_max,
            |bytes| drop(decode::<Sum>(bytes, 9)),
        );
    }
}
