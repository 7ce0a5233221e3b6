use std::sync::Arc;

use crate::{CommandId, Metadata, Timestamp, Version};

/// What a decision may know beside state and command: whose it is, where it stands, the time, and
/// who asked. All of it is input, so a decision can be repeated in a test.
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
    /// A context for one command of the aggregate `id`, which stands at `version`.
    #[must_use]
    pub fn new(id: Arc<str>, version: Version, now: Timestamp, command_id: CommandId) -> Self {
        Self { id, version, now, clock: now, command_id, metadata: Metadata::default() }
    }

    /// The same context, when the clock shows another time than that of the decision.
    #[must_use]
    pub fn with_clock(mut self, clock: Timestamp) -> Self {
        self.clock = clock;
        self
    }

    /// The same context with the metadata of the request.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Metadata) -> Self {
        self.metadata = metadata;
        self
    }

    /// The id of the aggregate that decides.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// How many events the aggregate has; 0 when it does not exist yet.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// The time of the decision: the runtime's clock, or the test's. Never before the time of the
    /// aggregate's last event: when the clock was set back, it is that time until the clock has
    /// passed it.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// What the clock shows, even if that is before [`now`](Self::now). For waiting from here on:
    /// whoever waits goes by the clock, too.
    #[must_use]
    pub fn clock(&self) -> Timestamp {
        self.clock
    }

    /// The id of this request.
    #[must_use]
    pub fn command_id(&self) -> CommandId {
        self.command_id
    }

    /// Who asked, and as part of which story.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}
