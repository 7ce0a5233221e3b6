//! The scenario `saga`: transfers completed per second, started by a call and by an event.

mod bank;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actuarius::saga::{InstanceStatus, Sagas};
use actuarius::{Aggregates, Codec, Id, Runtime};

use crate::clients::{Answer, Extent, Load, Seen, Target, drive};
use crate::distribution::Chooser;
use crate::options::Options;
use crate::row::{Row, median};
use crate::subject::StoreKind;
use crate::{Result, syncs};
use bank::{Account, Order, Request, Transfer};

/// Measures transfers from their first step to their end. Each client has one transfer in progress.
pub(super) async fn saga(options: &Options) -> Result<Vec<Row>> {
    Ok(vec![measured(options, Start::ByCall).await?, measured(options, Start::ByEvent).await?])
}

/// How a transfer is started.
#[derive(Clone, Copy, PartialEq)]
enum Start {
    ByCall,
    ByEvent,
}

impl Start {
    fn scenario(self) -> &'static str {
        match self {
            Self::ByCall => "saga",
            Self::ByEvent => "saga-events",
        }
    }
}

async fn measured(options: &Options, start: Start) -> Result<Row> {
    let scratch = options.scratch()?;
    let mut row = Row::new(start.scenario(), options, scratch.path());
    // The recorder must be installed before the runtime registers its metrics.
    syncs::so_far();
    let runtime = match options.store {
        StoreKind::Sled => Runtime::open(scratch.path().join("store")).await?,
        StoreKind::Memory => Runtime::in_memory().await?,
    };
    let transfers = Transfers::start(&runtime, row.workload.aggregates, start).await?;
    let load = Load {
        clients: row.workload.clients,
        chooser: Arc::new(Chooser::new(row.workload.distribution, row.workload.aggregates)),
        payload_bytes: 0,
        warm_up: options.warm_up(),
        extent: Extent::For(options.round_time()),
        seed: options.seed,
    };
    let (mut rates, mut all) = (Vec::new(), Seen::default());
    for _ in 0..options.rounds() {
        let seen = drive(&transfers, &load).await?;
        rates.push(seen.rate());
        all.add(&seen);
    }
    let rate = median(&rates).unwrap_or_default();
    row = row.with_seen(&all).with_figure(rate, "transfers/s");
    row.workload.rounds = options.rounds();
    (row.commands_per_second, row.events_per_sync) = (None, None);
    row.transfers_per_second = Some(rate);
    let syncs_each = all.syncs as f64 / all.done.count().max(1) as f64;
    Ok(row.with_detail("syncs_per_transfer", syncs_each))
}

#[derive(Clone)]
struct Transfers {
    sagas: Sagas<Transfer>,
    orders: Aggregates<Order>,
    start: Start,
    accounts: usize,
    number: Arc<AtomicU64>,
}

impl Transfers {
    async fn start(runtime: &Runtime, accounts: usize, start: Start) -> Result<Self> {
        let saga = runtime.saga::<Transfer>().codec(Codec::Bincode);
        let saga = saga.sends_to(&runtime.host::<Account>());
        let saga = if start == Start::ByEvent { saga.reacts_to::<Order>() } else { saga };
        let (sagas, orders) = (saga.start().await?, runtime.host::<Order>());
        Ok(Self { sagas, orders, start, accounts, number: Arc::default() })
    }

    async fn transfer(&self, id: &str, request: Request) -> Result<InstanceStatus> {
        match self.start {
            Start::ByCall => Ok(self.sagas.run(id, move |it| it.begin(&request)).await?),
            Start::ByEvent => {
                self.orders.execute(id, request).await?;
                Ok(self.sagas.end_of(id).await?)
            }
        }
    }
}

impl Target for Transfers {
    async fn send(&self, account: usize, _payload: String) -> Answer {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let named =
            |account: usize| Id::new(format!("account-{account}")).expect("the id is short");
        let to = (account + 1 + number as usize % 97) % self.accounts.max(1);
        let request = Request { from: named(account), to: named(to), cents: 5 };
        match self.transfer(&format!("transfer-{number}"), request).await {
            Ok(InstanceStatus::Completed) => Answer::Done,
            Ok(other) => Answer::Failed(format!("a transfer ended with {other}")),
            Err(error) => Answer::Failed(error.to_string()),
        }
    }

    fn syncs(&self) -> u64 {
        syncs::so_far()
    }
}
