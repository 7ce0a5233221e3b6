//! [`Linger`]: how long a group waits for more appends.

use std::time::Duration;

/// How many requests must be inside the runtime before a group waits for more of them. With fewer, the wait costs more
/// than the sync it saves.
const LINGER_FROM: usize = 256;

/// How long a group waits for more appends at a time, and how many times: a fraction of the time of a
/// sync. The thread sleeps instead of blocking on the channel, so that senders need not wake it.
pub(super) const LINGER: Duration = Duration::from_micros(60);
const LINGER_TIMES: usize = 4;

/// How a group waits for more commands.
///
/// After a large group, its callers send their next commands one by one. Writing the first few at once
/// would make them pay for a sync of their own, and the others wait for it. Half of all requests inside
/// is the best a group can get: the other half is being decided at that time.
#[derive(Default)]
pub(super) struct Linger {
    /// The commands in the group.
    pub(super) commands: usize,
    /// The commands in the group at the last check.
    before: usize,
    times: usize,
}

impl Linger {
    /// Returns whether to wait once more. If nothing arrived the last time, it is not worth it.
    pub(super) fn is_worth_it(&mut self, inside: usize) -> bool {
        let grows = self.times == 0 || self.commands > self.before;
        let wanted = inside >= LINGER_FROM && self.commands < inside / 2;
        self.before = self.commands;
        self.times += 1;
        wanted && grows && self.times <= LINGER_TIMES
    }
}
