//! The measured aggregate and its commands.

use std::convert::Infallible;

use actuarius::{Aggregate, Context};
use fastrand::Rng;
use serde::{Deserialize, Serialize};

/// An aggregate with a small state, which counts recorded notes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    /// The number of notes.
    pub notes: u64,
    /// The number of their bytes.
    pub bytes: u64,
}

/// The command to record a note.
#[derive(Debug, Clone)]
pub struct Record(pub String);

/// The events of a journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum JournalEvent {
    /// A note was recorded.
    Recorded {
        /// The note.
        note: String,
    },
}

impl Aggregate for Journal {
    const TYPE: &'static str = "journal";
    type Command = Record;
    type Event = JournalEvent;
    type Error = Infallible;

    fn decide(&self, Record(note): Record, _: &Context) -> Result<Vec<JournalEvent>, Infallible> {
        Ok(vec![JournalEvent::Recorded { note }])
    }

    fn apply(&mut self, JournalEvent::Recorded { note }: &JournalEvent) {
        self.notes += 1;
        self.bytes += note.len() as u64;
    }
}

/// The beginning of every payload of the usual size, because records of a real service have a common part as well.
const COMMON: &str = r#"{"kind":"note","reference":""#;

/// The end of such a payload.
const END: &str = r#""}"#;

/// A payload of `bytes` bytes: a common frame around random hexadecimal digits, so that it compresses partially.
#[must_use]
pub fn payload(rng: &mut Rng, bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 16);
    let framed = bytes > COMMON.len() + END.len();
    if framed {
        text.push_str(COMMON);
    }
    let random_until = if framed { bytes - END.len() } else { bytes };
    while text.len() < random_until {
        push_hex(&mut text, rng.u64(..));
    }
    text.truncate(random_until);
    if framed {
        text.push_str(END);
    }
    text
}

/// Writes all digits at once. One by one, they would take a measurable time.
fn push_hex(text: &mut String, number: u64) {
    let digits: [u8; 16] =
        std::array::from_fn(|digit| b"0123456789abcdef"[(number >> (digit * 4)) as usize & 15]);
    text.push_str(std::str::from_utf8(&digits).unwrap_or_default());
}

/// The id of an aggregate by number, made without an allocation, because the driver must be cheap compared with what
/// it measures.
#[derive(Debug, Clone, Copy)]
pub struct Name([u8; 9]);

impl Name {
    /// The id of number `number`, of which the last eight digits are used.
    #[must_use]
    pub fn of(number: usize) -> Self {
        let (mut name, mut rest) = ([b'j'; 9], number);
        for digit in name[1..].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        Self(name)
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_have_the_requested_size_and_differ() {
        let mut rng = Rng::with_seed(1);
        for bytes in [0, 1, 16, 30, 31, 100, 1_000] {
            assert_eq!(payload(&mut rng, bytes).len(), bytes);
        }
        assert_ne!(payload(&mut rng, 100), payload(&mut rng, 100));
    }

    #[test]
    fn names_are_numbers() {
        assert_eq!(Name::of(0).as_str(), "j00000000");
        assert_eq!(Name::of(1_234_567).as_str(), "j01234567");
    }
}
