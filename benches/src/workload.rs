//! The aggregate that is measured, and the commands it gets.

use std::convert::Infallible;

use actuarius::{Aggregate, Context};
use fastrand::Rng;
use serde::{Deserialize, Serialize};

/// An aggregate with a small state: it counts what is recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    /// How many notes it has.
    pub notes: u64,
    /// How many bytes they have.
    pub bytes: u64,
}

/// A note to be recorded.
#[derive(Debug, Clone)]
pub struct Record(pub String);

/// What happens to a journal.
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

/// What every payload of the usual size begins with, as records of a real service have in common.
const COMMON: &str = r#"{"kind":"note","reference":""#;

/// What it ends with.
const END: &str = r#""}"#;

/// A payload of `bytes` bytes: a common frame around random hexadecimal digits, so that it
/// compresses neither to nothing nor not at all.
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

/// All digits at once: one by one, they would take as long as a part of what is measured.
fn push_hex(text: &mut String, number: u64) {
    let digits: [u8; 16] =
        std::array::from_fn(|digit| b"0123456789abcdef"[(number >> (digit * 4)) as usize & 15]);
    text.push_str(std::str::from_utf8(&digits).unwrap_or_default());
}

/// The id of an aggregate by number, made without an allocation: the driver must stay cheap beside
/// what it measures.
#[derive(Debug, Clone, Copy)]
pub struct Name([u8; 9]);

impl Name {
    /// The id of number `number`, of which the last eight digits count.
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
    fn payloads_have_the_size_asked_for_and_differ() {
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
