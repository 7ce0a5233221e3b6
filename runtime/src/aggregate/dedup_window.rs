//! [`DedupWindow`]: the recent commands of an aggregate, by which repeated commands are recognized.

use std::collections::VecDeque;

use actuarius_domain::{CommandId, Position, Version};

/// The last commands of one aggregate whose ids were chosen by their callers, with their results: a
/// repeated command id gets the first receipt again.
///
/// It holds the newest `capacity` such commands. Snapshots contain it, and replay refills it from the
/// commits, so it survives passivation and restart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct DedupWindow {
    commands: VecDeque<Remembered>,
}

/// The result of one command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Remembered {
    pub(crate) id: CommandId,
    /// The version of its last event.
    pub(crate) version: Version,
    pub(crate) events: u64,
    /// The position of its last event; [`Position::NONE`] while the append is in flight.
    pub(crate) position: Position,
}

impl DedupWindow {
    /// Returns the command if it is still remembered. Scans from the newest, because retries come soon, and
    /// a scan of a few hundred ids costs less than a map per aggregate.
    pub(crate) fn find(&self, id: CommandId) -> Option<Remembered> {
        self.commands.iter().rev().find(|command| command.id == id).copied()
    }

    pub(crate) fn remember(&mut self, command: Remembered, capacity: usize) {
        while self.commands.len() >= capacity.max(1) {
            self.commands.pop_front();
        }
        if capacity > 0 {
            self.commands.push_back(command);
        }
    }

    /// Sets the positions of the commands after version `base`, which have become durable: the event
    /// after `base` has the position `first`.
    pub(crate) fn stored(&mut self, base: Version, first: Position) {
        for command in self.commands.iter_mut().rev().take_while(|it| it.version > base) {
            command.position = first.plus(command.version.get() - base.get() - 1);
        }
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &Remembered> {
        self.commands.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(name: &str, version: u64) -> Remembered {
        Remembered {
            id: name.into(),
            version: Version::new(version),
            events: 1,
            position: Position::NONE,
        }
    }

    #[test]
    fn the_oldest_command_is_dropped_first() {
        let mut window = DedupWindow::default();
        for (version, name) in ["a", "b", "c"].into_iter().enumerate() {
            window.remember(command(name, version as u64 + 1), 2);
        }
        assert_eq!(window.find("a".into()), None);
        assert_eq!(window.find("b".into()), Some(command("b", 2)));
        assert_eq!(window.iter().len(), 2);
    }

    #[test]
    fn positions_are_set_from_versions_once_stored() {
        let mut window = DedupWindow::default();
        window.remember(command("old", 3), 9);
        window.stored(Version::new(2), Position::new(100));
        window.remember(command("new", 5), 9);
        window.stored(Version::new(3), Position::new(200));
        assert_eq!(window.find("old".into()).map(|it| it.position), Some(Position::new(100)));
        assert_eq!(window.find("new".into()).map(|it| it.position), Some(Position::new(201)));
    }

    #[test]
    fn a_window_of_zero_remembers_nothing() {
        let mut window = DedupWindow::default();
        window.remember(command("a", 1), 0);
        assert_eq!(window.find("a".into()), None);
    }
}
