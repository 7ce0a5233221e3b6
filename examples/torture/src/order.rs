//! Checks the effects of the handler against the log: each event at least once, and in order.

use std::collections::{BTreeMap, HashMap, HashSet};

use actuarius::Position;

use crate::diary::Line;
use crate::log::{Log, Stream};

/// The first parked event of each journal. All later events of the journal are parked as well.
pub(crate) type ParkedFrom = BTreeMap<String, Position>;

impl Log {
    /// The errors in the effects of a handler that has finished all events up to `checkpoint`, except for the parked
    /// ones.
    pub(crate) fn errors_in(
        &self,
        diary: &[Line],
        checkpoint: Position,
        parked: &ParkedFrom,
    ) -> Vec<String> {
        let mut read = Read::of(self);
        diary.iter().for_each(|line| read.take(line));
        for (id, stream) in &self.streams {
            read.check(id, stream, checkpoint, parked.get(id).copied());
        }
        read.errors
    }
}

/// The state after a part of the diary.
struct Read<'a> {
    log: &'a Log,
    done: HashSet<Position>,
    /// The skipped events, and whether the skip was answered. If not, they may still be handled.
    skipped: BTreeMap<Position, bool>,
    /// The last event of each journal that had its effect, since the last restart or reset.
    last: HashMap<&'a str, usize>,
    /// The last event of each journal that had its effect, in the whole diary.
    very_last: HashMap<&'a str, usize>,
    /// A reset was requested and not answered, so it may happen at any time.
    is_resetting: bool,
    errors: Vec<String>,
}

impl<'a> Read<'a> {
    fn of(log: &'a Log) -> Self {
        Self {
            log,
            done: HashSet::new(),
            skipped: BTreeMap::new(),
            last: HashMap::new(),
            very_last: HashMap::new(),
            is_resetting: false,
            errors: Vec::new(),
        }
    }

    fn take(&mut self, line: &Line) {
        match line {
            Line::Effect(position, id) => self.effect(*position, id),
            Line::Life => {
                self.is_resetting = false;
                self.last.clear();
            }
            Line::Skipping(position) => drop(self.skipped.entry(*position).or_insert(false)),
            Line::Skipped(position) => drop(self.skipped.insert(*position, true)),
            Line::Resetting(place) => {
                // Later events may be handled again from here on.
                self.skipped.range_mut(place.next()..).for_each(|(_, answered)| *answered = false);
                self.is_resetting = true;
            }
            Line::Reset(place) => {
                self.skipped.split_off(&place.next());
                self.is_resetting = false;
                self.last.clear();
            }
        }
    }

    /// Checks one effect. Effects advance from event to event. After a restart or reset they go back to an event that
    /// is due or was handled before, and all later events follow again.
    fn effect(&mut self, position: Position, id: &str) {
        let found = self.log.streams.get_key_value(id).and_then(|(id, stream)| {
            let place = stream.entries.binary_search_by_key(&position, |it| it.position).ok()?;
            Some((id.as_str(), stream, place))
        });
        let Some((id, stream, place)) = found else {
            return self.errors.push(format!("position {position} is not an event of {id}"));
        };
        if self.skipped.get(&position) == Some(&true) {
            self.errors.push(format!("position {position} was skipped, and handled after that"));
        }
        self.very_last.insert(id, place);
        let before = self.last.insert(id, place);
        let before = before.filter(|before| !(self.is_resetting && *before > place));
        let left_out: Vec<_> = match before {
            Some(before) if before > place => vec![stream.entries[before].position],
            Some(before) => self.due(stream, before + 1, place).collect(),
            None => self.due(stream, 0, place).filter(|it| !self.done.contains(it)).collect(),
        };
        if !left_out.is_empty() {
            self.errors.push(format!("{id}: {position} is out of order with {left_out:?}"));
        }
        self.done.insert(position);
    }

    /// The events of a stream between two places that must be handled.
    fn due(&self, stream: &'a Stream, from: usize, to: usize) -> impl Iterator<Item = Position> {
        let entries = stream.entries.get(from..to).unwrap_or_default();
        let positions = entries.iter().map(|entry| entry.position);
        positions.filter(|position| !self.skipped.contains_key(position))
    }

    /// Checks that every event up to the checkpoint had its effect or is parked, and that the last event came last.
    fn check(
        &mut self,
        id: &str,
        stream: &'a Stream,
        checkpoint: Position,
        from: Option<Position>,
    ) {
        let is_finished =
            |position: Position| position <= checkpoint && from.is_none_or(|from| position < from);
        let end = stream.entries.partition_point(|entry| is_finished(entry.position));
        let missing = self.due(stream, 0, end).filter(|it| !self.done.contains(it));
        let missing: Vec<_> = missing.collect();
        if !missing.is_empty() {
            self.errors.push(format!("{id}: finished up to {checkpoint}, without {missing:?}"));
        }
        let Some(last) = self.very_last.get(id) else { return };
        let later: Vec<_> = self.due(stream, last + 1, end).collect();
        if !later.is_empty() {
            let last = stream.entries[*last].position;
            self.errors.push(format!("{id}: {last} came last, and {later:?} did not follow again"));
        }
    }
}

#[cfg(test)]
mod tests {
    use actuarius::Version;

    use super::*;
    use crate::Entry;

    /// Events 1 to 4 are of the journal `a`.
    fn log() -> Log {
        let entries = (1..=4).map(|number| Entry {
            version: Version::new(number),
            position: Position::new(number),
            digest: 0,
        });
        let mut log = Log::default();
        log.streams.insert("a".to_owned(), Stream { entries: entries.collect() });
        log
    }

    /// The number of errors if all four events are finished, except for the parked ones.
    fn errors(diary: &str, parked: Option<u64>) -> usize {
        let line = |word: &str| match word.split_at(1) {
            ("L", _) => Line::Life,
            ("?", number) => Line::Skipping(at(number)),
            ("!", number) => Line::Skipped(at(number)),
            ("<", number) => Line::Resetting(at(number)),
            (">", number) => Line::Reset(at(number)),
            _ => Line::Effect(at(word), "a".to_owned()),
        };
        let diary: Vec<_> = diary.split(' ').map(line).collect();
        let parked = parked.map(|position| ("a".to_owned(), Position::new(position)));
        log().errors_in(&diary, Position::new(4), &parked.into_iter().collect()).len()
    }

    fn at(number: &str) -> Position {
        Position::new(number.parse().expect("a number"))
    }

    #[test]
    fn a_repeated_event_is_followed_by_all_later_events() {
        for right in ["1 2 3 4", "1 1 2 3 3 4", "1 2 L 1 2 3 L 3 4", "1 2 <0 3 1 >0 2 3 4"] {
            assert_eq!(errors(right, None), 0, "{right}");
        }
        for wrong in ["1 2 3", "1 3 4", "1 2 4 3", "1 2 3 4 L 2", "1 2 L 4", "1 2 3 4 L 2 4", "9"] {
            assert!(errors(wrong, None) > 0, "{wrong}");
        }
    }

    #[test]
    fn a_parked_event_may_be_left_out_and_a_skipped_event_must_be() {
        assert!(errors("1 2", Some(3)) == 0 && errors("1", Some(3)) > 0);
        for right in ["1 ?2 !2 3 4", "1 ?2 L 2 3 4", "1 ?2 L 3 4", "1 ?2 !2 <1 >1 2 3 4"] {
            assert_eq!(errors(right, None), 0, "{right}");
        }
        for wrong in ["1 ?2 !2 2 3 4", "1 ?2 !2 3 4 L 2 3 4", "1 ?2 !2 <1 >1 3 4"] {
            assert!(errors(wrong, None) > 0, "{wrong}");
        }
    }
}
