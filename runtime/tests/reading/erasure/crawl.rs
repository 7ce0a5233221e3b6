//! A marker as a personal value goes through every feature. Once its subject is forgotten, it is in no file, no log
//! line and no report, and no handler is given it.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actuarius::error::BoxError;
use actuarius::operations::ArchivePart;
use actuarius::projection::Keyed;
use actuarius::store::copy::Selection;
use actuarius::store::{export, ignore_progress};
use actuarius::subscription::{OnPoison, Retry, Subscription};
use actuarius::{
    Aggregates, Codec, Envelope, Hosting, Id, OpenError, Personal, Runtime, Timestamp,
};

use super::customers::{
    CODECS, Customer, CustomerCommand, CustomerEvent, Place, hosting, register, says, subject,
};
use super::saga::{Mailbox, Welcome};
use super::views::{Cards, cards, names};
use crate::common::eventually;
use crate::projections::log::Log;

const LONG: Duration = Duration::from_secs(60);

/// Where the first process ends.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
enum Stage {
    Stored,
    Parked,
    Archived,
    Scheduled,
    Saved,
}

const STAGES: [Stage; 5] =
    [Stage::Stored, Stage::Parked, Stage::Archived, Stage::Scheduled, Stage::Saved];

/// What a handler was given of each event, which it then refuses.
#[derive(Clone, Default)]
struct Refusing(Arc<Mutex<Vec<Option<String>>>>);

impl Refusing {
    fn take(&self) -> Vec<Option<String>> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    async fn subscribe(&self, runtime: &Runtime, name: &str, on_poison: OnPoison) -> Subscription {
        let given = self.clone();
        let on_event = move |event: Envelope<Customer>| {
            let is_ada = event.id.as_str() == "ada";
            let clear = match event.event {
                CustomerEvent::Registered { name } => name.into_value(),
                CustomerEvent::Ordered(address, _) => address.into_value().map(|it| it.street),
            };
            given.0.lock().unwrap().push(clear);
            async move { if is_ada { Err(BoxError::from("refused")) } else { Ok(()) } }
        };
        let builder = runtime.subscribe(name).on(on_event).on_poison(on_poison);
        builder.retry(Retry::default().attempts(1)).start().await.unwrap()
    }
}

/// A runtime with everything that can hold a personal value.
struct World {
    runtime: Runtime,
    customers: Aggregates<Customer>,
    parking: Subscription,
    halting: Subscription,
    given: Refusing,
    on_disk: Keyed<Cards>,
    _others: Box<dyn Send>,
}

impl World {
    async fn on(runtime: Runtime, codec: Codec) -> Self {
        let customers = runtime.host_with::<Customer>(hosting(codec));
        let mailboxes =
            runtime.host_with::<Mailbox>(Hosting::default().codec(codec).snapshot_every(1));
        let welcomes = runtime.saga::<Welcome>().reacts_to::<Customer>().sends_to(&mailboxes);
        let welcomes = welcomes.codec(codec).start().await.unwrap();
        let (in_memory, on_disk) = (names(&runtime).await, cards(&runtime).await);
        let given = Refusing::default();
        let parking = given.subscribe(&runtime, "parking", OnPoison::Park).await;
        let halting = given.subscribe(&runtime, "halting", OnPoison::Halt).await;
        let _others = Box::new((mailboxes, welcomes, in_memory));
        Self { runtime, customers, parking, halting, given, on_disk, _others }
    }

    /// Returns Ada's name, which is everywhere at the last stage.
    async fn live_until(&self, stage: Stage, elsewhere: &Path) -> String {
        register(&self.customers, "bob").await;
        let ada = register(&self.customers, "ada").await;
        self.customers.execute("ada", CustomerCommand::Order).await.unwrap();
        if stage >= Stage::Parked {
            self.parking.wait_for_within(self.runtime.head(), LONG).await.unwrap();
            while self.parking.parked().await.is_empty() {
                tokio::task::yield_now().await;
            }
        }
        if stage >= Stage::Archived {
            let archived = self.customers.archive("ada", ArchivePart::Whole).await.unwrap();
            assert!(archived.events > 0);
            self.customers.execute("ada", CustomerCommand::Order).await.unwrap();
        }
        if stage >= Stage::Scheduled {
            let mailboxes = self.runtime.host::<Mailbox>();
            let schedules = self.runtime.schedules().sends_to(&mailboxes).start().await.unwrap();
            let letter = Personal::new(subject("ada"), ada.clone());
            let (to, at) = (
                Id::<Mailbox>::new("later").unwrap(),
                Timestamp::from_micros(4_000_000_000_000_000),
            );
            schedules.schedule_as("letter", &to, letter, at).await.unwrap();
        }
        if stage >= Stage::Saved {
            self.on_disk.wait_for_within(self.runtime.head(), LONG).await.unwrap();
            let _ = self.runtime.backup(elsewhere.join("before")).await.unwrap();
        }
        ada
    }

    /// Checks that Ada's name is nowhere, and that handlers are given nothing of her.
    async fn check(&self, place: &Place, elsewhere: &Path, ada: &str, context: &str) {
        self.given.take();
        assert!(!place.says(ada), "{context}: a file");
        let _ = self.runtime.backup(elsewhere.join("after")).await.unwrap();
        assert!(!says(elsewhere, ada), "{context}: a backup");
        let (mut lines, reader) = (Vec::new(), self.runtime.reader().unwrap());
        export::write(&*reader, &mut lines, &Selection::all(), &mut ignore_progress).unwrap();
        assert!(!String::from_utf8_lossy(&lines).contains(ada), "{context}: an export");
        self.parking.wait_for_within(self.runtime.head(), LONG).await.unwrap();
        let parked = self.parking.parked().await;
        let said = format!("{parked:?} {:?} {:?}", self.runtime.health(), self.halting.status());
        assert!(!said.contains(ada), "{context}: {said}");
        for parked in parked {
            let _ = self.parking.retry_parked(&parked.key).await;
        }
        self.halting.resume();
        eventually(|| self.given.0.lock().unwrap().iter().any(Option::is_none)).await;
        let given = self.given.take();
        assert!(!given.contains(&Some(ada.to_owned())), "{context}: {given:?}");
        let street = format!("{ada} Street");
        assert!(!given.contains(&Some(street)), "{context}: {given:?}");
        assert!(!Log::of_this_process().text().contains(ada), "{context}: a log line");
    }
}

async fn reopened(place: &Place) -> Runtime {
    loop {
        match place.builder().open(&place.data).await {
            Err(OpenError::Locked { .. }) => {}
            opened => return opened.unwrap(),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forgotten_marker_is_nowhere_while_the_runtime_runs_and_after_the_next_start() {
    Log::of_this_process();
    for codec in CODECS {
        let (place, elsewhere) = (Place::new(), tempfile::tempdir().unwrap());
        let world = World::on(place.open().await, codec).await;
        let ada = world.live_until(Stage::Saved, elsewhere.path()).await;
        assert!(place.says(&ada), "a view on disk has the clear text");
        let forgotten = world.runtime.forget(subject("ada")).await.unwrap();
        assert!(forgotten.is_complete(), "{forgotten:?}");
        world.check(&place, elsewhere.path(), &ada, &format!("{codec:?}, running")).await;
        let runtime = world.runtime.clone();
        drop(world);
        assert!(runtime.shutdown(LONG).await.is_clean());
        drop(runtime);
        assert!(!place.says(&ada), "{codec:?}: after the end");
    }
}

/// All tasks of the first process are aborted, as in a killed one. The next one forgets the subject.
#[test]
fn a_marker_is_forgotten_whatever_the_process_before_was_killed_at() {
    Log::of_this_process();
    for (stage, codec) in STAGES.into_iter().zip(CODECS.into_iter().cycle()) {
        let (place, elsewhere) = (Place::new(), tempfile::tempdir().unwrap());
        let tasks = tokio::runtime::Runtime::new().unwrap();
        let ada = tasks.block_on(async {
            let world = World::on(place.open().await, codec).await;
            world.live_until(stage, elsewhere.path()).await
        });
        tasks.shutdown_background();
        let tasks = tokio::runtime::Runtime::new().unwrap();
        tasks.block_on(async {
            let world = World::on(reopened(&place).await, codec).await;
            let forgotten = world.runtime.forget(subject("ada")).await.unwrap();
            assert!(forgotten.had_key && forgotten.is_complete(), "{stage:?}: {forgotten:?}");
            world.check(&place, elsewhere.path(), &ada, &format!("{codec:?}, {stage:?}")).await;
        });
    }
}
