//! How many transfers between accounts complete each second, begun by a call and by an event.

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
use bank::{Account, Order, Transfer, Way};

/// Each client has one transfer under way: from its first step to its end.
pub(super) async fn saga(options: &Options) -> Result<Vec<Row>> {
    Ok(vec![measured(options, Begins::ByCall).await?, measured(options, Begins::ByEvent).await?])
}

/// What a transfer begins with.
#[derive(Clone, Copy, PartialEq)]
enum Begins {
    ByCall,
    ByEvent,
}

impl Begins {
    fn scenario(self) -> &'static str {
        match self {
            Self::ByCall => "saga",
            Self::ByEvent => "saga-events",
        }
    }
}

async fn measured(options: &Options, begins: Begins) -> Result<Row> {
    let scratch = options.scratch()?;
    let mut row = Row::new(begins.scenario(), options, scratch.path());
    // Before the runtime looks its metrics up.
    syncs::so_far();
    let runtime = match options.store {
        StoreKind::Sled => Runtime::open(scratch.path().join("store")).await?,
        StoreKind::Memory => Runtime::in_memory().await?,
    };
    let transfers = Transfers::start(&runtime, row.workload.aggregates, begins).await?;
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
    begins: Begins,
    accounts: usize,
    number: Arc<AtomicU64>,
}

impl Transfers {
    async fn start(runtime: &Runtime, accounts: usize, begins: Begins) -> Result<Self> {
        let saga = runtime.saga::<Transfer>().codec(Codec::Bincode);
        let saga = saga.sends_to(&runtime.host::<Account>());
        let saga = if begins == Begins::ByEvent { saga.reacts_to::<Order>() } else { saga };
        let (sagas, orders) = (saga.start().await?, runtime.host::<Order>());
        Ok(Self { sagas, orders, begins, accounts, number: Arc::default() })
    }

    async fn transfer(&self, id: &str, way: Way) -> Result<InstanceStatus> {
        match self.begins {
            Begins::ByCall => Ok(self.sagas.run(id, move |it| it.begin(&way)).await?),
            Begins::ByEvent => {
                self.orders.execute(id, way).await?;
                Ok(self.sagas.end_of(id).await?)
            }
        }
    }
}

impl Target for Transfers {
    async fn send(&self, account: usize, _payload: String) -> Answer {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let named = |account: usize| Id::new(format!("account-{account}")).expect("it is short");
        let to = (account + 1 + number as usize % 97) % self.accounts.max(1);
        let way = Way { from: named(account), to: named(to), cents: 5 };
        match self.transfer(&format!("transfer-{number}"), way).await {
            Ok(InstanceStatus::Completed) => Answer::Done,
            Ok(other) => Answer::Failed(format!("a transfer ended otherwise: {other}")),
            Err(error) => Answer::Failed(error.to_string()),
        }
    }

    fn syncs(&self) -> u64 {
        syncs::so_far()
    }
}
