//! Where a zoo lives: a store in memory or on disk, with its views, that outlives a runtime.

use std::sync::Arc;
use std::time::Duration;

use actuarius::clock::ManualClock;
use actuarius::store::memory::{self, Contents};
use actuarius::store::views::Views;
use actuarius::{Runtime, Timestamp};
use tempfile::TempDir;

/// Longer than any test takes.
pub const LONG: Duration = Duration::from_secs(120);

/// What became of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// They are stored, and the same after a restart.
    Kept,
    /// Nothing is written.
    Refused,
}

/// A store that outlives a runtime.
pub struct World {
    place: Place,
    pub clock: Arc<ManualClock>,
}

enum Place {
    Memory(Arc<Contents>, Views),
    Disk(TempDir),
}

impl World {
    pub fn in_memory() -> Self {
        Self::at(Place::Memory(Arc::default(), Views::in_memory()))
    }

    pub fn on_disk() -> Self {
        Self::at(Place::Disk(tempfile::tempdir().expect("a folder")))
    }

    fn at(place: Place) -> Self {
        Self { place, clock: Arc::new(ManualClock::at(Timestamp::from_micros(1_000_000_000))) }
    }

    pub async fn open(&self) -> Runtime {
        let builder = Runtime::builder().clock(self.clock.clone());
        let opened = match &self.place {
            Place::Memory(contents, views) => {
                builder.views(views.clone()).on_store(memory::reopen(contents)).await
            }
            Place::Disk(folder) => builder.open(folder.path().join("store")).await,
        };
        opened.expect("it opens")
    }

    pub async fn close(&self, runtime: Runtime) {
        assert!(runtime.shutdown(LONG).await.is_clean(), "it closes");
    }
}
