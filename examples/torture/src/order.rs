use std::collections::{BTreeMap, HashMap, HashSet};

use actuarius::Position;

use crate::diary::Line;
use crate::log::{Log, Stream};

/// From which event on a journal's events are parked.
pub(crate) type ParkedFrom = BTreeMap<String, Position>;

impl Log {
    /// What is wrong with the effects of a handler that has finished everything up to `checkpoint`,
    /// except for what is parked.
    pub(crate) fn object_to(
        &self,
        diary: &[Line],
        checkpoint: Position,
        parked: &ParkedFrom,
    ) -> Vec<String> {
        let mut read = Read::of(self);
        diary.iter().for_each(|line| read.take(line));
        for (id, stream) in &self.streams {
            read.hold(id, stream, checkpoint, parked.get(id).copied());
        }
        read.objections
    }
}

/// What a diary has said so far.
struct Read<'a> {
    log: &'a Log,
    done: HashSet<Position>,
    /// The events that were skipped, and whether that was answered: if not, they may be handled.
    skipped: BTreeMap<Position, bool>,
    /// Which event of a journal had its effect last, as the diary goes on without a break.
    last: HashMap<&'a str, usize>,
    /// And however often it was broken.
    very_last: HashMap<&'a str, usize>,
    /// A reset was asked for and not answered, so it may happen at any time.
    is_resetting: bool,
    objections: Vec<String>,
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
            objections: Vec::new(),
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
                // What is behind it may come again from here on, or not yet.
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

    /// Effects go on from event to event. Behind a break they go back to one that is due or was there
    /// before; all behind it comes again with it.
    fn effect(&mut self, position: Position, id: &str) {
        let found = self.log.streams.get_key_value(id).and_then(|(id, stream)| {
            let place = stream.entries.binary_search_by_key(&position, |it| it.position).ok()?;
            Some((id.as_str(), stream, place))
        });
        let Some((id, stream, place)) = found else {
            return self.objections.push(format!("position {position} is no event of {id}"));
        };
        if self.skipped.get(&position) == Some(&true) {
            self.objections
                .push(format!("position {position} was skipped, and handled after that"));
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
            self.objections.push(format!("{id}: {position} is out of order with {left_out:?}"));
        }
        self.done.insert(position);
    }

    /// The events of a stream between two places that must be handled.
    fn due(&self, stream: &'a Stream, from: usize, to: usize) -> impl Iterator<Item = Position> {
        let entries = stream.entries.get(from..to).unwrap_or_default();
        let positions = entries.iter().map(|entry| entry.position);
        positions.filter(|position| !self.skipped.contains_key(position))
    }

    /// Everything before the checkpoint had its effect, the last event last, or is parked.
    fn hold(&mut self, id: &str, stream: &'a Stream, checkpoint: Position, from: Option<Position>) {
        let is_finished =
            |position: Position| position <= checkpoint && from.is_none_or(|from| position < from);
        let end = stream.entries.partition_point(|entry| is_finished(entry.position));
        let missing = self.due(stream, 0, end).filter(|it| !self.done.contains(it));
        let missing: Vec<_> = missing.collect();
        if !missing.is_empty() {
            self.objections.push(format!("{id}: finished up to {checkpoint}, without {missing:?}"));
        }
        let Some(last) = self.very_last.get(id) else { return };
        let behind: Vec<_> = self.due(stream, last + 1, end).collect();
        if !behind.is_empty() {
            let last = stream.entries[*last].position;
            self.objections.push(format!("{id}: {last} came last, and {behind:?} not again"));
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

    /// What is wrong with it, all four events being finished, but for those parked.
    fn objections(diary: &str, parked: Option<u64>) -> usize {
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
        log().object_to(&diary, Position::new(4), &parked.into_iter().collect()).len()
    }

    fn at(number: &str) -> Position {
        Position::new(number.parse().expect("a number"))
    }

    #[test]
    fn what_comes_again_comes_with_all_behind_it() {
        for right in ["1 2 3 4", "1 1 2 3 3 4", "1 2 L 1 2 3 L 3 4", "1 2 <0 3 1 >0 2 3 4"] {
            assert_eq!(objections(right, None), 0, "{right}");
        }
        for wrong in ["1 2 3", "1 3 4", "1 2 4 3", "1 2 3 4 L 2", "1 2 L 4", "1 2 3 4 L 2 4", "9"] {
            assert!(objections(wrong, None) > 0, "{wrong}");
        }
    }

    #[test]
    fn what_is_parked_or_skipped_may_be_left_out_and_what_was_skipped_must_be() {
        assert!(objections("1 2", Some(3)) == 0 && objections("1", Some(3)) > 0);
        for right in ["1 ?2 !2 3 4", "1 ?2 L 2 3 4", "1 ?2 L 3 4", "1 ?2 !2 <1 >1 2 3 4"] {
            assert_eq!(objections(right, None), 0, "{right}");
        }
        for wrong in ["1 ?2 !2 2 3 4", "1 ?2 !2 3 4 L 2 3 4", "1 ?2 !2 <1 >1 3 4"] {
            assert!(objections(wrong, None) > 0, "{wrong}");
        }
    }
}
