//! The events that the cases store.

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

/// Returns an event of about `bytes` bytes.
pub(super) fn note(rng: &mut TestRng, bytes: usize) -> Sample {
    Sample::Noted(text(rng, bytes))
}

/// Returns small, different events.
pub(super) fn small(rng: &mut TestRng, count: u64) -> Vec<Sample> {
    let one = |rng: &mut TestRng| match rng.below(4) {
        0 => Sample::Marked,
        1 => Sample::Counted(rng.next_u64() as u8),
        2 => Sample::Filed { name: text(rng, 5), number: rng.next_u64() as i64 },
        _ => {
            let bytes = rng.below(60) as usize;
            note(rng, bytes)
        }
    };
    (0..count).map(|_| one(rng)).collect()
}

/// Returns a text that hardly compresses.
pub(super) fn text(rng: &mut TestRng, bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 8);
    while text.len() < bytes {
        // One of sixty-four printable characters for each random byte.
        text.extend(rng.next_u64().to_le_bytes().map(|byte| char::from(b'0' + (byte & 0x3f))));
    }
    text.truncate(bytes);
    text
}

/// Returns the stream `id` of the category that most cases use.
pub(super) fn stream(id: &str) -> StreamId {
    StreamId::new("sample", id).expect("the cases use valid ids")
}
