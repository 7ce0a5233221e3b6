//! `Scope`: which events a follower receives. It is recorded beside its checkpoint, so that a follower that receives more
//! than before is noticed: it has passed the earlier ones of these events.
//!
//! It is the notes `follows/<name>/<number>`, whose values together are `(length u16 | aggregate type | length u16 |
//! event type) …`, integers little-endian. The event type `*` stands for all events of an aggregate type.

use std::collections::{BTreeMap, BTreeSet};

use actuarius_persistence::{NOTE_VALUE_BYTES_MAX, Notes, ReadError, Reader};

/// All events of an aggregate type, except the ends of streams.
const ALL: &str = "*";
/// The ends of streams.
const ENDS: &str = "$deleted";

/// How many notes it takes at most. A scope that does not fit is not recorded, and each start is accepted: it is more
/// than any program has, and far less than fits in one set of notes.
const NOTES_MAX: usize = 20;

/// The aggregate types and event types of a follower.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Scope {
    events: BTreeSet<(String, String)>,
    /// The names that event types had before, according to upcasters.
    former: BTreeMap<(String, String), Vec<String>>,
}

impl Scope {
    /// Adds all events of an aggregate type.
    pub(crate) fn add_all(&mut self, category: &str) {
        self.events.insert((category.to_owned(), ALL.to_owned()));
    }

    /// Adds the ends of the streams of an aggregate type.
    pub(crate) fn add_ends(&mut self, category: &str) {
        self.events.insert((category.to_owned(), ENDS.to_owned()));
    }

    /// Adds an event type, with the names that it had before.
    pub(crate) fn add(&mut self, category: &str, event_type: &str, former: Vec<String>) {
        let event = (category.to_owned(), event_type.to_owned());
        self.former.insert(event.clone(), former);
        self.events.insert(event);
    }

    /// Returns the aggregate types.
    pub(crate) fn types(&self) -> impl Iterator<Item = &str> {
        self.events.iter().map(|(category, _)| &**category)
    }

    /// Returns whether it has any event of an aggregate type.
    pub(crate) fn has(&self, category: &str) -> bool {
        self.types().any(|it| it == category)
    }

    /// Returns what it has and `recorded` does not, for a message.
    pub(crate) fn beyond(&self, recorded: &Self) -> Vec<String> {
        let is_new = |event: &&(String, String)| {
            let (category, name) = event;
            let had = |name: &str| recorded.events.contains(&(category.clone(), name.to_owned()));
            let former = self.former.get(event);
            let had_all = name != ENDS && had(ALL);
            !had(name) && !had_all && !former.is_some_and(|names| names.iter().any(|it| had(it)))
        };
        self.events.iter().filter(is_new).map(shown).collect()
    }

    /// Returns whether the same is recorded.
    pub(crate) fn is(&self, recorded: &Self) -> bool {
        self.events == recorded.events
    }

    /// Reads what is recorded of a follower; `None` if nothing is, or something else.
    ///
    /// # Errors
    /// [`ReadError`] of the store.
    pub(crate) fn read(reader: &dyn Reader, name: &str) -> Result<Option<Self>, ReadError> {
        let notes = reader.notes(prefix(name).as_bytes(), None, NOTES_MAX)?;
        let bytes: Vec<u8> = notes.iter().flat_map(|note| note.value.iter().copied()).collect();
        Ok(decode(&bytes).filter(|scope| !scope.events.is_empty()))
    }

    /// Returns the notes that record it.
    pub(crate) fn notes(&self, name: &str) -> Notes {
        let (mut notes, encoded) = (Notes::default(), self.encode());
        let mut pieces = encoded.chunks(NOTE_VALUE_BYTES_MAX);
        for number in 0..NOTES_MAX {
            let key = format!("{}{number:02}", prefix(name));
            // They fit: `NOTES_MAX` of the longest notes are less than a set may have.
            let _ = match pieces.next() {
                Some(piece) => notes.put(key, piece),
                None => notes.remove(key),
            };
        }
        notes
    }

    /// Encodes it; nothing if it does not fit.
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for text in self.events.iter().flat_map(|(category, name)| [category, name]) {
            let Ok(length) = u16::try_from(text.len()) else { return Vec::new() };
            out.extend_from_slice(&length.to_le_bytes());
            out.extend_from_slice(text.as_bytes());
        }
        if out.len() > NOTES_MAX * NOTE_VALUE_BYTES_MAX { Vec::new() } else { out }
    }
}

fn prefix(name: &str) -> String {
    format!("follows/{name}/")
}

/// Returns the notes that forget what is recorded of a follower.
pub(crate) fn forgetting(name: &str) -> Notes {
    Scope::default().notes(name)
}

fn shown((category, name): &(String, String)) -> String {
    match &**name {
        ALL => format!("all events of `{category}`"),
        ENDS => format!("the deletions of `{category}`"),
        name => format!("`{name}` of `{category}`"),
    }
}

fn decode(mut bytes: &[u8]) -> Option<Scope> {
    let mut scope = Scope::default();
    while !bytes.is_empty() {
        let event = (text(&mut bytes)?, text(&mut bytes)?);
        scope.events.insert(event);
    }
    Some(scope)
}

fn text(bytes: &mut &[u8]) -> Option<String> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    let (text, rest) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
    *bytes = rest;
    std::str::from_utf8(text).ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use actuarius_persistence::{Batch, memory};

    use super::*;

    fn of(events: &[(&str, &str)]) -> Scope {
        let mut scope = Scope::default();
        events.iter().for_each(|(category, name)| scope.add(category, name, vec![]));
        scope
    }

    #[test]
    fn what_is_recorded_is_read_back_whatever_was_recorded_before() {
        let mut store = memory::open();
        assert_eq!(Scope::read(&*store.reader, "letters").unwrap(), None);
        let many: Vec<String> = (0..1_000).map(|number| format!("event number {number}")).collect();
        let many: Vec<_> = many.iter().map(|name| ("account", &**name)).collect();
        for scope in [of(&many), of(&[("account", "Opened"), ("order", "*")])] {
            let notes = vec![scope.notes("letters"), of(&[("bell", "*")]).notes("letter")];
            store.writer.commit(&Batch { notes, ..Batch::default() }).unwrap();
            assert_eq!(
                Scope::read(&*store.reader, "letters").unwrap().unwrap().events,
                scope.events
            );
        }
        let notes = vec![forgetting("letters")];
        store.writer.commit(&Batch { notes, ..Batch::default() }).unwrap();
        assert_eq!(Scope::read(&*store.reader, "letters").unwrap(), None);
        assert!(Scope::read(&*store.reader, "letter").unwrap().unwrap().has("bell"));
    }

    #[test]
    fn only_what_was_not_received_before_is_new() {
        let before = of(&[("account", "Opened"), ("order", "*")]);
        assert_eq!(of(&[("account", "Opened"), ("order", "Paid")]).beyond(&before), [""; 0]);
        let mut now = of(&[("account", "*"), ("order", "*"), ("bell", "Rung")]);
        now.add_ends("order");
        assert_eq!(
            now.beyond(&before),
            ["all events of `account`", "`Rung` of `bell`", "the deletions of `order`"]
        );
    }

    #[test]
    fn a_renamed_event_type_is_not_new() {
        let mut now = Scope::default();
        now.add("account", "Begun", vec!["Opened".to_owned()]);
        assert_eq!(now.beyond(&of(&[("account", "Opened")])), [""; 0]);
        assert_eq!(now.beyond(&of(&[("account", "Closed")])), ["`Begun` of `account`"]);
    }

    /// A part of it was recorded, and every later start was refused for the rest.
    #[test]
    fn a_scope_that_does_not_fit_is_not_recorded() {
        let long = "x".repeat(30_000);
        let names: Vec<String> = (0..3).map(|number| format!("{long}{number}")).collect();
        let events: Vec<_> = names.iter().map(|name| ("account", &**name)).collect();
        assert!(!of(&events[..2]).encode().is_empty());
        assert_eq!(of(&events).encode(), [0; 0]);
    }

    #[test]
    fn bytes_that_are_cut_are_no_scope() {
        let whole = of(&[("account", "Opened")]).encode();
        assert!(decode(&whole).is_some());
        assert!((1..whole.len()).all(|length| decode(&whole[..length]).is_none()));
    }
}
