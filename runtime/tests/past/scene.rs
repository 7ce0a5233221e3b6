//! A ledger whose clock is set by hand, on contents that outlive its runtime.
#![allow(missing_docs, unreachable_pub)]

use std::sync::Arc;
use std::time::Duration;

use actuarius::persistence::memory::{self, Contents};
use actuarius::{Aggregates, Hosting, ManualClock, Receipt, Runtime, Timestamp, Version};

use crate::common::{Command, Ledger};

pub struct Scene {
    pub runtime: Runtime,
    pub ledgers: Aggregates<Ledger>,
    pub clock: Arc<ManualClock>,
    contents: Arc<Contents>,
    hosting: Hosting,
}

impl Scene {
    pub async fn open(hosting: Hosting) -> Self {
        Self::over(Arc::default(), Arc::default(), hosting).await
    }

    async fn over(contents: Arc<Contents>, clock: Arc<ManualClock>, hosting: Hosting) -> Self {
        let store = memory::reopen(&contents);
        let builder = Runtime::builder().clock(clock.clone());
        let runtime = builder.on_store(store).await.unwrap();
        let ledgers = runtime.host_with(hosting.clone());
        Self { runtime, ledgers, clock, contents, hosting }
    }

    pub async fn restart(self) -> Self {
        assert!(self.runtime.shutdown(Duration::from_secs(60)).await.is_clean());
        Self::over(self.contents, self.clock, self.hosting).await
    }

    pub async fn add(&self, id: &str, amount: i64) -> Receipt {
        self.ledgers.execute(id, Command::Add(amount)).await.unwrap()
    }

    /// When each event was decided, in seconds.
    pub async fn seconds(&self, id: &str) -> Vec<i64> {
        let events = self.ledgers.events(id, Version::NONE).await.unwrap();
        events.iter().map(|it| it.header.time.as_micros() / 1_000_000).collect()
    }

    /// The versions that have a snapshot, the newest first.
    pub fn snapshots(&self, id: &str) -> Vec<u64> {
        let reader = self.runtime.reader().unwrap();
        let stream = actuarius::StreamId::new("ledger", id).unwrap();
        let (mut before, mut found) = (None, Vec::new());
        while let Some(snapshot) = reader.snapshot(&stream, before).unwrap() {
            before = Some(snapshot.version);
            found.push(snapshot.version.get());
        }
        found
    }
}

pub fn second(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000)
}
