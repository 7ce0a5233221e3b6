//! A runtime with one of everything, whose handles outlive what ends.

use actuarius::erasure::keys::FileMasterKeys;
use actuarius::error::BoxError;
use actuarius::projection::{InMemory, Keyed, KeyedProjection, Rows, View};
use actuarius::saga::{Correlation, Effects, ReactsTo, Saga, Sagas, Schedules};
use actuarius::store::fault::{self, Faults};
use actuarius::store::{Store, sled};
use actuarius::subscription::Subscription;
use actuarius::{Aggregates, Envelope, Runtime};
use serde::{Deserialize, Serialize};

use crate::common::{Bell, Command, Event, Ledger, Sum};

/// The row of each ledger.
pub(crate) struct ByLedger;

impl View for ByLedger {
    type Key = String;
    type Row = i64;
}

impl KeyedProjection<Ledger> for ByLedger {
    fn project(rows: &mut Rows<'_, Self>, envelope: &Envelope<Ledger>) {
        if let Event::Added(amount) = envelope.event {
            rows.update(envelope.id.as_str(), |total| *total += amount);
        }
    }
}

/// A saga whose instances live until they are cancelled.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Errand;

impl Saga for Errand {
    const TYPE: &'static str = "errand";
    type Deadline = ();
}

/// It starts without an event, and so reads every one in vain.
impl ReactsTo<Bell> for Errand {
    fn correlate(_: &Envelope<Bell>) -> Correlation {
        Correlation::ignore()
    }

    fn react(&mut self, _: &Envelope<Bell>) -> Effects<Self> {
        Effects::none()
    }
}

/// The handles. The runtime's and the aggregates' may be dropped.
pub(crate) struct Scene {
    pub(crate) runtime: Runtime,
    pub(crate) ledgers: Aggregates<Ledger>,
    pub(crate) sum: InMemory<Sum>,
    pub(crate) rows: Keyed<ByLedger>,
    pub(crate) mailer: Subscription,
    pub(crate) errands: Sagas<Errand>,
    pub(crate) schedules: Schedules,
    pub(crate) directory: tempfile::TempDir,
}

/// The ids of ledgers that exist and are not in memory, one for each call that loads one.
pub(crate) const COLD: [&str; 4] = ["cold 1", "cold 2", "cold 3", "cold 4"];

impl Scene {
    pub(crate) async fn open() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = sled::open(directory.path().join("data")).unwrap();
        Self::on(store, directory).await
    }

    /// On a store that fails on demand, which has no archive.
    pub(crate) async fn with_faults() -> (Self, Faults) {
        let directory = tempfile::tempdir().unwrap();
        let (store, faults) = fault::over(sled::open(directory.path().join("data")).unwrap());
        (Self::on(store, directory).await, faults)
    }

    async fn on(store: Store, directory: tempfile::TempDir) -> Self {
        let master = FileMasterKeys::generate(directory.path().join("master"), "first").unwrap();
        let runtime = Runtime::builder().personal_data(master).on_store(store).await.unwrap();
        let (ledgers, bells) = (runtime.host::<Ledger>(), runtime.host::<Bell>());
        for id in COLD.into_iter().chain(["warm"]) {
            ledgers.execute(id, Command::Add(1)).await.unwrap();
        }
        for id in COLD {
            ledgers.passivate(id).unwrap();
        }
        crate::common::eventually(|| ledgers.resident() == 1).await;
        let sum = runtime.projection::<Sum>("sum").on::<Ledger>().start().await.unwrap();
        let rows = runtime.keyed::<ByLedger>("rows").on::<Ledger>().start().await.unwrap();
        let handler = |_: Envelope<Ledger>| async { Ok::<(), BoxError>(()) };
        let mailer = runtime.subscribe("mailer").on(handler).start().await.unwrap();
        let errands =
            runtime.saga::<Errand>().reacts_to::<Bell>().sends_nothing().start().await.unwrap();
        errands.begin("first", |_| Effects::none()).await.unwrap();
        let schedules = runtime.schedules().sends_to(&bells).start().await.unwrap();
        let head = runtime.head();
        sum.wait_for(head).await.unwrap();
        rows.wait_for(head).await.unwrap();
        mailer.wait_for(head).await.unwrap();
        Self { runtime, ledgers, sum, rows, mailer, errands, schedules, directory }
    }
}
