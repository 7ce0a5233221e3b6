//! [`Hosting`]: the options of one hosted aggregate type.

use std::time::Duration;

use actuarius_persistence::Codec;

/// The options of one hosted aggregate type. The defaults suit a service with many small aggregates.
///
/// ```
/// use std::time::Duration;
/// use actuarius::{Codec, Hosting};
///
/// let hosting = Hosting::default()
///     .passivate_after(Duration::from_secs(300))
///     .snapshot_every(100)
///     .codec(Codec::Json);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Hosting {
    pub(crate) passivate_after: Option<Duration>,
    pub(crate) resident_limit: usize,
    pub(crate) snapshot_every: Option<u64>,
    pub(crate) snapshot_when_loading_took: Option<Duration>,
    pub(crate) snapshot_on_passivation: bool,
    pub(crate) snapshots_kept: u32,
    pub(crate) snapshots_kept_for: Option<Duration>,
    pub(crate) codec: Codec,
    pub(crate) snapshot_codec: Codec,
    pub(crate) is_codec_trusted: bool,
    pub(crate) inbox_limit: usize,
    pub(crate) remembered_commands: usize,
}

impl Default for Hosting {
    fn default() -> Self {
        Self {
            passivate_after: Some(Duration::from_secs(120)),
            resident_limit: 100_000,
            snapshot_every: Some(1_000),
            snapshot_when_loading_took: Some(Duration::from_millis(50)),
            snapshot_on_passivation: true,
            snapshots_kept: 2,
            snapshots_kept_for: None,
            codec: Codec::default(),
            snapshot_codec: Codec::SNAPSHOTS,
            is_codec_trusted: false,
            inbox_limit: 4_096,
            remembered_commands: 256,
        }
    }
}

impl Hosting {
    /// Unloads aggregates that have not been used for `idle`. Default: 2 minutes.
    #[must_use]
    pub fn passivate_after(mut self, idle: Duration) -> Self {
        self.passivate_after = Some(idle);
        self
    }

    /// Never unloads aggregates for being idle, only when the [resident limit](Self::resident_limit) is
    /// exceeded.
    #[must_use]
    pub fn never_passivate(mut self) -> Self {
        self.passivate_after = None;
        self
    }

    /// Sets how many aggregates of this type stay in memory, at least 1; beyond it, the least recently
    /// used are unloaded first. Busy aggregates are never unloaded, so under load the number may exceed
    /// the limit by as many aggregates as have waiting requests. Default: 100,000 (about 0.2 GB with
    /// small states).
    #[must_use]
    pub fn resident_limit(mut self, aggregates: usize) -> Self {
        self.resident_limit = aggregates.max(1);
        self
    }

    /// Takes a snapshot whenever `events` events (at least 1) were stored since the last one. Default:
    /// 1,000.
    ///
    /// The state that was read back from a snapshot becomes the live one: what its serde does not keep, such as a
    /// skipped field, is lost then, and not only when the aggregate is unloaded.
    #[must_use]
    pub fn snapshot_every(mut self, events: u64) -> Self {
        self.snapshot_every = Some(events.max(1));
        self
    }

    /// Takes a snapshot after a recovery that took at least `time`. Default: 50 ms.
    #[must_use]
    pub fn snapshot_when_loading_took(mut self, time: Duration) -> Self {
        self.snapshot_when_loading_took = Some(time);
        self
    }

    /// Takes no snapshots: every recovery replays all events.
    #[must_use]
    pub fn without_snapshots(mut self) -> Self {
        self.snapshot_every = None;
        self.snapshot_when_loading_took = None;
        self.snapshot_on_passivation = false;
        self
    }

    /// Sets whether an aggregate that is unloaded takes a snapshot if it has changed since its last one.
    /// Default: true.
    ///
    /// Under load such a snapshot may wait in memory before it is stored, up to 32 MiB of them in a runtime. If the process
    /// is killed before that, the next activation starts from an older one, and replays more events.
    #[must_use]
    pub fn snapshot_on_passivation(mut self, snapshot: bool) -> Self {
        self.snapshot_on_passivation = snapshot;
        self
    }

    /// Sets how many snapshots of each aggregate are kept, at least 1. Older ones are used when the newest
    /// is damaged, and to compute past states. Default: 2.
    #[must_use]
    pub fn snapshots_kept(mut self, snapshots: u32) -> Self {
        self.snapshots_kept = snapshots.max(1);
        self
    }

    /// Sets how long snapshots are kept: taking a new one removes those older than `age`, even if they are
    /// fewer than [`snapshots_kept`](Self::snapshots_kept). The newest one is always kept. Default:
    /// unlimited.
    #[must_use]
    pub fn snapshots_kept_for(mut self, age: Duration) -> Self {
        self.snapshots_kept_for = Some(age);
        self
    }

    /// Sets how new events are encoded; stored ones keep their codec. Default: MessagePack, which can be
    /// read by later versions of the type, and in the tool. bincode takes less space and time.
    #[must_use]
    pub fn codec(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self
    }

    /// Sets how new snapshots are encoded; stored ones keep their codec. Default: bincode, because a
    /// snapshot of a state that has another shape today is computed again from the events.
    #[must_use]
    pub fn snapshot_codec(mut self, codec: Codec) -> Self {
        self.snapshot_codec = codec;
        self
    }

    /// Stores events without decoding them again. By default, each event is decoded from the bytes that are
    /// to be stored, and the decoded event is applied to the state. An event that does not read back is
    /// refused with [`Failure::Unstorable`](crate::Failure::Unstorable) before anything is written.
    ///
    /// Decoding takes about as long as encoding: well under a microsecond for a small event. Leave it
    /// out only for events that are so large that it shows, and whose types a test encodes and decodes
    /// in all their forms. An event that does not read back is then acknowledged, and quarantines its
    /// aggregate when it is loaded again.
    #[must_use]
    pub fn trust_codec(mut self) -> Self {
        self.is_codec_trusted = true;
        self
    }

    /// Sets how many requests may wait for one aggregate, at least 1; more are refused with
    /// [`Failure::Overloaded`](crate::Failure::Overloaded). Default: 4,096, which a hot aggregate
    /// processes in a few milliseconds.
    #[must_use]
    pub fn inbox_limit(mut self, requests: usize) -> Self {
        self.inbox_limit = requests.max(1);
        self
    }

    /// Sets how many commands with an id chosen by the caller each aggregate remembers, so that a repeated
    /// command gets the first receipt. The newest ones are remembered, across passivation, snapshots and
    /// restarts. A remembered command takes 48 bytes while its aggregate is in memory. Default: 256.
    #[must_use]
    pub fn remembered_commands(mut self, commands: usize) -> Self {
        self.remembered_commands = commands;
        self
    }
}
