//! A ledger whose clock is set by hand, on a store that outlives its runtime.
#![allow(missing_docs, unreachable_pub)]

use std::sync::Arc;
use std::time::Duration;

use actuarius::clock::ManualClock;
use actuarius::store::memory::{self, Contents};
use actuarius::store::{Store, sled};
use actuarius::{Aggregates, Hosting, Receipt, Runtime, Timestamp, Version};
use tempfile::TempDir;

use crate::common::{Command, Ledger};

pub struct Scene {
    pub runtime: Runtime,
    pub ledgers: Aggregates<Ledger>,
    pub clock: Arc<ManualClock>,
    ground: Ground,
    hosting: Hosting,
}

/// The store of a scene.
pub enum Ground {
    Memory(Arc<Contents>),
    Disk(TempDir),
}

impl Ground {
    pub fn disk() -> Self {
        Self::Disk(tempfile::tempdir().unwrap())
    }

    fn open(&self) -> Store {
        match self {
            Self::Memory(contents) => memory::reopen(contents),
            Self::Disk(directory) => sled::open(directory.path()).unwrap(),
        }
    }
}

impl Scene {
    pub async fn open(hosting: Hosting) -> Self {
        Self::on(Ground::Memory(Arc::default()), hosting).await
    }

    pub async fn on(ground: Ground, hosting: Hosting) -> Self {
        Self::over(ground, Arc::default(), hosting).await
    }

    async fn over(ground: Ground, clock: Arc<ManualClock>, hosting: Hosting) -> Self {
        let builder = Runtime::builder().clock(clock.clone());
        let runtime = builder.on_store(ground.open()).await.unwrap();
        let ledgers = runtime.host_with(hosting.clone());
        Self { runtime, ledgers, clock, ground, hosting }
    }

    pub async fn restart(self) -> Self {
        assert!(self.runtime.shutdown(Duration::from_secs(60)).await.is_clean());
        drop((self.ledgers, self.runtime));
        Self::over(self.ground, self.clock, self.hosting).await
    }

    pub async fn add(&self, id: &str, amount: i64) -> Receipt {
        self.ledgers.execute(id, Command::Add(amount)).await.unwrap()
    }

    /// Returns the time of each event in seconds.
    pub async fn seconds(&self, id: &str) -> Vec<i64> {
        let events = self.ledgers.events(id, Version::NONE).await.unwrap();
        events.iter().map(|it| it.header.time.as_micros() / 1_000_000).collect()
    }

    /// Returns the versions that have a snapshot, newest first.
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
