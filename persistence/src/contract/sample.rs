//! The events the cases store.

use actuarius_domain::StreamId;
use serde::{Deserialize, Serialize};

use crate::test_rng::TestRng;

/// One variant of each shape an event can have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Sample {
    /// A payload of no bytes with bincode.
    Marked,
    /// A payload of one byte with bincode.
    Counted(u8),
    Noted(String),
    Filed {
        name: String,
        number: i64,
    },
}

/// An event of about `bytes` bytes.
pub(super) fn note(rng: &mut TestRng, bytes: usize) -> Sample {
    Sample::Noted(text(rng, bytes))
}

/// Some small events, each different.
pub(super) fn small(rng: &mut TestRng, count: u64) -> Vec<Sample> {
    let one = |rng: &mut TestRng| match rng.below(4) {
        0 => Sample::Marked,
        1 => Sample::Counted(rng.next() as u8),
        2 => Sample::Filed { name: text(rng, 5), number: rng.next() as i64 },
        _ => {
            let bytes = rng.below(60) as usize;
            note(rng, bytes)
        }
    };
    (0..count).map(|_| one(rng)).collect()
}

/// A text no compression makes much smaller.
pub(super) fn text(rng: &mut TestRng, bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 8);
    while text.len() < bytes {
        // Sixty-four printable characters, one for each six bits or so of the roll.
        text.extend(rng.next().to_le_bytes().map(|byte| char::from(b'0' + (byte & 0x3f))));
    }
    text.truncate(bytes);
    text
}

/// The stream `id` of the category most cases use.
pub(super) fn stream(id: &str) -> StreamId {
    StreamId::new("sample", id).expect("the cases use valid ids")
}
