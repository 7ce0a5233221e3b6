//! One life of a process: an open store with all its followers.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actuarius::erasure::keys::MasterKeyRing;
use actuarius::operations::ArchivePart;
use actuarius::projection::{InDatabase, InMemory, Keyed};
use actuarius::saga::Sagas;
use actuarius::subscription::{Retry, Subscription};
use actuarius::{Aggregates, Envelope, Hosting, Runtime};

use super::world::{Counting, Heard, InMemoryJars, Jar, KeyedJars, Shelf, Tally, by_jar};

/// Longer than any test takes.
pub(super) const LONG: Duration = Duration::from_secs(600);

/// What survives a process.
pub(super) struct Place {
    directory: tempfile::TempDir,
    master: MasterKeyRing,
    pub(super) shelf: Shelf,
    pub(super) heard: Heard,
}

impl Place {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let master = MasterKeyRing::generate("only").unwrap();
        Self { directory, master, shelf: Shelf::default(), heard: Heard::default() }
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }
}

pub(super) struct Life {
    pub(super) runtime: Runtime,
    pub(super) jars: Aggregates<Jar>,
    pub(super) tallies: Aggregates<Tally>,
    pub(super) in_memory: InMemory<InMemoryJars>,
    pub(super) keyed: Keyed<KeyedJars>,
    in_database: InDatabase<Shelf>,
    pub(super) scribe: Subscription,
    counting: Sagas<Counting>,
}

fn at_once() -> Retry {
    Retry::default().waits(Duration::ZERO, Duration::ZERO)
}

impl Life {
    pub(super) async fn begin(place: &Place) -> Self {
        let builder = Runtime::builder().personal_data(place.master.clone());
        let runtime = builder.open(place.data()).await.unwrap();
        let jars = runtime.host_with::<Jar>(Hosting::default().snapshot_every(4));
        let tallies = runtime.host::<Tally>();
        let in_memory = runtime.projection("in-memory").on::<Jar>();
        let in_memory = in_memory.on_deleted::<Jar>(InMemoryJars::end);
        let in_memory = in_memory.save_every(Duration::ZERO).start().await.unwrap();
        let keyed = runtime.keyed::<KeyedJars>("keyed").on::<Jar>();
        let keyed = keyed.on_deleted::<Jar>(|rows, deleted| rows.remove(deleted.id.as_str()));
        let keyed = keyed.start().await.unwrap();
        let in_database = runtime.database("shelf", place.shelf.reopened()).on::<Jar>();
        let in_database = in_database.on_deleted::<Jar>().batch_events(3).start().await.unwrap();
        let (heard, attempts) = (place.heard.clone(), Arc::<Mutex<BTreeSet<u64>>>::default());
        let handler = move |envelope: Envelope<Jar>| {
            let outcome = heard.handle(&envelope, &mut attempts.lock().unwrap());
            async { outcome }
        };
        let scribe = runtime.subscribe("scribe").on(handler).ordered_by(by_jar).workers(3);
        let scribe = scribe.retry(at_once()).checkpoint_every(Duration::ZERO);
        let scribe = scribe.start().await.unwrap();
        let counting = runtime.saga::<Counting>().reacts_to::<Jar>().sends_to(&tallies);
        let counting = counting.start().await.unwrap();
        Self { runtime, jars, tallies, in_memory, keyed, in_database, scribe, counting }
    }

    pub(super) async fn archive(&self, jar: &str) {
        self.jars.archive(jar, ArchivePart::Whole).await.unwrap();
    }

    pub(super) fn pause(&self, which: u64) {
        match which {
            0 => drop(self.in_memory.pause()),
            1 => drop(self.keyed.pause()),
            2 => drop(self.in_database.pause()),
            3 => drop(self.scribe.pause()),
            _ => drop(self.counting.events().map(Subscription::pause)),
        }
    }

    pub(super) fn resume(&self, which: u64) {
        match which {
            0 => self.in_memory.resume(),
            1 => self.keyed.resume(),
            2 => self.in_database.resume(),
            3 => self.scribe.resume(),
            _ => self.counting.events().into_iter().for_each(Subscription::resume),
        }
    }

    pub(super) async fn catch_up(&self) {
        (0..5).for_each(|which| self.resume(which));
        self.runtime.caught_up(LONG).await.unwrap();
    }

    /// Waits until nothing more follows from what is stored.
    pub(super) async fn settle(&self) {
        self.catch_up().await;
        self.counting.settled(LONG).await.unwrap();
        self.runtime.caught_up(LONG).await.unwrap();
    }

    pub(super) async fn restart(self, place: &Place) -> Self {
        assert!(self.runtime.shutdown(LONG).await.is_clean());
        drop(self);
        Self::begin(place).await
    }

    /// Ends without a shutdown: what is not durable is lost.
    pub(super) async fn kill(self, place: &Place) -> Self {
        let _ = self.runtime.shutdown(Duration::ZERO).await;
        drop(self);
        Self::begin(place).await
    }
}
