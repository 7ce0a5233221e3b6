//! The inputs of a decision beside the state and the command.

use std::sync::Arc;

use crate::{CommandId, Metadata, Timestamp, Version};

/// The inputs of a decision beside state and command: the aggregate's id and version, the time, and
/// the metadata of the request. All of them are values, so a decision can be repeated in a test.
#[derive(Debug, Clone, Default)]
pub struct Context {
    id: Arc<str>,
    version: Version,
    now: Timestamp,
    clock: Timestamp,
    command_id: CommandId,
    metadata: Metadata,
}

impl Context {
    /// Creates a context for one command of the aggregate `id` at `version`.
    #[must_use]
    pub fn new(id: Arc<str>, version: Version, now: Timestamp, command_id: CommandId) -> Self {
        Self { id, version, now, clock: now, command_id, metadata: Metadata::default() }
    }

    /// Sets the time of the clock, if it differs from the time of the decision.
    #[must_use]
    pub fn with_clock(mut self, clock: Timestamp) -> Self {
        self.clock = clock;
        self
    }

    /// Sets the metadata of the request.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Metadata) -> Self {
        self.metadata = metadata;
        self
    }

    /// Returns the id of the aggregate.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns how many events the aggregate has: 0 if it does not exist yet.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// Returns the time of the decision, from the clock of the runtime or of the test. It is never
    /// before the time of the aggregate's last event: if the clock was set back, it is that time until
    /// the clock has passed it.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Returns the time of the clock, even if that is before [`now`](Self::now). Use it to compute
    /// deadlines, because timers run by the clock, too.
    #[must_use]
    pub fn clock(&self) -> Timestamp {
        self.clock
    }

    /// Returns the id of this request.
    #[must_use]
    pub fn command_id(&self) -> CommandId {
        self.command_id
    }

    /// Returns the metadata of the request: its user, cause and correlation.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}
