//! The note of one timer of one aggregate: until when it is armed, and which time was delivered last.
//!
//! ```text
//! key    timers/<bytes of the type>/<type><bytes of the id>/<id><name>
//! value  layout u8 = 1 | flags u8: 1 armed, 2 delivered | armed i64 | delivered i64
//! ```
//!
//! Times are microseconds, little-endian; one that is missing is 0.

use actuarius_domain::Timestamp;
use actuarius_persistence::Notes;
use bytes::Buf;

const LAYOUT: u8 = 1;
const ARMED: u8 = 1;
const DELIVERED: u8 = 2;

/// What the note of a timer says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    /// When the aggregate is to be asked, at the latest. The state may say a later time, or none.
    pub(crate) armed: Option<Timestamp>,
    /// The time that was delivered last.
    pub(crate) delivered: Option<Timestamp>,
}

/// The time of a timer whose aggregate is to be asked now, because the time that its state says is not known.
pub(crate) const ASK_NOW: Timestamp = Timestamp::from_micros(i64::MIN);

/// The earliest time that a state can say.
pub(super) const EARLIEST: Timestamp = Timestamp::from_micros(i64::MIN + 1);

/// Returns the prefix of the keys of all timers of an aggregate type.
pub(crate) fn prefix_of_type(aggregate: &str) -> String {
    format!("timers/{}/{aggregate}", aggregate.len())
}

/// Returns the prefix of the keys of all timers of an aggregate.
pub(crate) fn prefix_of(aggregate: &str, id: &str) -> String {
    format!("{}{}/{id}", prefix_of_type(aggregate), id.len())
}

/// Returns id and name of the timer with this key, which starts with `prefix`, that of its type.
pub(crate) fn parse<'k>(key: &'k [u8], prefix: &str) -> Option<(&'k str, &'k str)> {
    let rest = std::str::from_utf8(key).ok()?.strip_prefix(prefix)?;
    let (length, rest) = rest.split_once('/')?;
    rest.split_at_checked(length.parse().ok()?)
}

impl Marks {
    pub(crate) const ASK_NOW: Self = Self { armed: Some(ASK_NOW), delivered: None };

    pub(crate) fn encode(self) -> [u8; 18] {
        let mut out = [0; 18];
        out[0] = LAYOUT;
        for (place, (flag, time)) in
            [(ARMED, self.armed), (DELIVERED, self.delivered)].iter().enumerate()
        {
            if let Some(time) = time {
                out[1] |= flag;
                out[2 + 8 * place..][..8].copy_from_slice(&time.as_micros().to_le_bytes());
            }
        }
        out
    }

    /// Decodes a note. Returns `None` if it is no such note.
    pub(crate) fn decode(mut value: &[u8]) -> Option<Self> {
        if value.len() != 18 || value.get_u8() != LAYOUT {
            return None;
        }
        let flags = value.get_u8();
        let mut time = |flag| {
            let micros = value.get_i64_le();
            (flags & flag > 0).then_some(Timestamp::from_micros(micros))
        };
        Some(Self { armed: time(ARMED), delivered: time(DELIVERED) })
    }
}

/// Returns a change of the note of a timer; `None` removes it.
pub(crate) fn change(aggregate: &str, id: &str, timer: &str, marks: Option<Marks>) -> Notes {
    let (mut notes, key) = (Notes::default(), format!("{}{timer}", prefix_of(aggregate, id)));
    let changed = match marks {
        Some(marks) => notes.put(key, marks.encode()),
        None => notes.remove(key),
    };
    changed.expect("type, id and name are far shorter together than the longest key of a note");
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_as_it_was_written_and_nothing_else_is_taken_for_one() {
        let times = [
            None,
            Some(ASK_NOW),
            Some(Timestamp::from_micros(0)),
            Some(Timestamp::from_micros(77)),
        ];
        for armed in times {
            for delivered in times {
                let marks = Marks { armed, delivered };
                let bytes = marks.encode();
                assert_eq!(Marks::decode(&bytes), Some(marks));
                assert_eq!(Marks::decode(&bytes[..17]), None);
                assert_eq!(Marks::decode(&[&bytes[..], &[0]].concat()), None);
            }
        }
        assert_eq!(Marks::decode(&[2; 18]), None, "an unknown layout");
    }

    /// Ids and names may contain any character, also those that separate the parts of a key.
    #[test]
    fn two_timers_never_share_a_key() {
        let names = ["a", "1/a", "/", "a/1/", "11/a", "ä"];
        let mut keys = std::collections::BTreeSet::new();
        for aggregate in names {
            for id in names {
                for timer in names {
                    let notes = change(aggregate, id, timer, None);
                    let key = notes.iter().next().expect("one change").key.clone();
                    let prefix = prefix_of_type(aggregate);
                    assert_eq!(parse(&key, &prefix), Some((id, timer)));
                    assert!(key.starts_with(prefix_of(aggregate, id).as_bytes()));
                    assert!(keys.insert(key), "{aggregate} {id} {timer}");
                }
            }
        }
    }
}
