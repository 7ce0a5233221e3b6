//! The customers: each orders a transfer and waits for its end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actuarius::Aggregates;
use actuarius::saga::Sagas;
use bank::{Cents, OrderCommand, Transfer, TransferOrder, TransferRequest};
use example_support::{Milestones, Percentiles, answer, say, share_out};
use fastrand::Rng;

use crate::open_bank::{ACCOUNTS, Bank, JobError, account};
use crate::report;

/// Customers who order transfers and wait for their ends.
#[derive(Clone)]
pub(crate) struct Traffic {
    orders: Aggregates<TransferOrder>,
    transfers: Sagas<Transfer>,
    milestones: Arc<Milestones>,
    all: u64,
}

/// The result of all orders.
pub(crate) struct Report {
    /// Transfers ordered by this run.
    pub(crate) ordered: u64,
    /// Transfers ordered by an earlier run.
    pub(crate) there_already: u64,
    pub(crate) took: Duration,
    /// Microseconds from the order to the end of each transfer that this run ordered.
    pub(crate) times: Percentiles,
}

impl Traffic {
    pub(crate) fn new(bank: &Bank, all: u64) -> Self {
        let (orders, transfers) = (bank.orders.clone(), bank.transfers.clone());
        Self { orders, transfers, milestones: Arc::new(report::milestones(all)), all }
    }

    /// Lets `at_once` customers order one transfer after another until all are ordered.
    pub(crate) async fn run(self, at_once: usize) -> Result<Report, JobError> {
        let (began, all) = (Instant::now(), self.all);
        let order = move |number| {
            let customer = self.clone();
            async move { customer.order(number as u64).await }
        };
        let times = share_out(at_once, usize::try_from(all).unwrap_or(usize::MAX), order).await?;
        let times = Percentiles::of(times.into_iter().flatten());
        let ordered = times.len();
        Ok(Report { ordered, there_already: all - ordered, took: began.elapsed(), times })
    }

    /// Orders a transfer and waits for its end. Returns the time it took, or `None` if an earlier run ordered it.
    async fn order(&self, number: u64) -> Result<Option<u64>, JobError> {
        let Plan { request, is_recalled } = Plan::of(number);
        let (name, began) = (format!("transfer-{number}"), Instant::now());
        let placed = answer(&self.orders, &name, "place", OrderCommand::Place(request)).await?;
        // A repeated order is refused, or recognised by the id of its command.
        let is_new = placed.is_ok_and(|receipt| !receipt.repeated);
        if is_new && is_recalled {
            // The order may have ended already, and then refuses this, which is fine.
            let _ = answer(&self.orders, &name, "recall", OrderCommand::Recall).await?;
        }
        self.transfers.end_of(name).await?;
        self.milestones.advance().into_iter().for_each(|it| say(report::progress(it)));
        let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        Ok(is_new.then_some(micros))
    }
}

/// What a customer does.
struct Plan {
    request: TransferRequest,
    is_recalled: bool,
}

impl Plan {
    /// The plan for a number, which is the same in each run.
    fn of(number: u64) -> Self {
        let mut rng = Rng::with_seed(number);
        let from = rng.u64(0..ACCOUNTS);
        let to = (from + rng.u64(1..ACCOUNTS)) % ACCOUNTS;
        let named = |number| account(number).try_into().expect("the name of an account is an id");
        // Large compared with the balances, so that some accounts cannot cover it.
        let amount = Cents(rng.i64(1..=40_000));
        let request = TransferRequest { from: named(from), to: named(to), amount };
        Self { request, is_recalled: rng.u8(0..10) == 0 }
    }
}
