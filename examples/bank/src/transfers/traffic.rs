use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use actuarius::Aggregates;
use actuarius::saga::Sagas;
use bank::{Cents, OrderCommand, Transfer, TransferOrder, Wanted};
use fastrand::Rng;
use hdrhistogram::Histogram;
use tokio::task::JoinSet;

use crate::house::{ACCOUNTS, House, Trouble, account, patiently};
use crate::report::{self, say};

/// Customers who order transfers, and wait for their ends.
#[derive(Clone)]
pub(crate) struct Traffic {
    orders: Aggregates<TransferOrder>,
    transfers: Sagas<Transfer>,
    next: Arc<AtomicU64>,
    ended: Arc<AtomicU64>,
    all: u64,
}

/// How it went.
pub(crate) struct Report {
    /// Transfers that were ordered now.
    pub(crate) ordered: u64,
    /// Transfers that had been ordered by an earlier run.
    pub(crate) there_already: u64,
    pub(crate) took: Duration,
    /// Microseconds from the order to the end of its transfer, of each that was ordered now.
    pub(crate) times: Histogram<u64>,
}

impl Traffic {
    pub(crate) fn new(house: &House, all: u64) -> Self {
        let (orders, transfers) = (house.orders.clone(), house.transfers.clone());
        Self { orders, transfers, next: Arc::default(), ended: Arc::default(), all }
    }

    /// Has `at_once` customers order one transfer after the other, until all were ordered.
    pub(crate) async fn run(self, at_once: usize) -> Result<Report, Trouble> {
        let (began, all) = (Instant::now(), self.all);
        let mut customers = JoinSet::new();
        for _ in 0..at_once {
            customers.spawn(self.clone().order_on());
        }
        let mut times = Histogram::new(3).expect("three digits are a valid precision");
        while let Some(customer) = customers.join_next().await {
            let took = customer.map_err(|panic| Trouble::Client(panic.to_string()))??;
            for micros in took {
                times.record(micros).expect("the histogram grows as needed");
            }
        }
        let ordered = times.len();
        Ok(Report { ordered, there_already: all - ordered, took: began.elapsed(), times })
    }

    /// One customer.
    async fn order_on(self) -> Result<Vec<u64>, Trouble> {
        let mut times = Vec::new();
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.all {
                return Ok(times);
            }
            times.extend(self.order(number).await?);
            let ended = self.ended.fetch_add(1, Ordering::Relaxed) + 1;
            if let Some(line) = report::progress(ended, self.all) {
                say(line);
            }
        }
    }

    /// Orders a transfer, and waits for its end. None if it had been ordered before.
    async fn order(&self, number: u64) -> Result<Option<u64>, Trouble> {
        let Plan { wanted, is_recalled } = Plan::of(number);
        let (name, began) = (format!("transfer-{number}"), Instant::now());
        let place = OrderCommand::Place(wanted);
        let placed = patiently(&self.orders, &name, "place", place).await?;
        // Placed before, it is refused, or recognised by the name of the command.
        let is_new = placed.is_ok_and(|receipt| !receipt.repeated);
        if is_new && is_recalled {
            // It may have come to its end already, and then it says so: that is no trouble.
            let _ = patiently(&self.orders, &name, "recall", OrderCommand::Recall).await?;
        }
        self.transfers.end_of(name).await?;
        let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        Ok(is_new.then_some(micros))
    }
}

/// What a customer does.
struct Plan {
    wanted: Wanted,
    is_recalled: bool,
}

impl Plan {
    /// The same for the same number, in each run.
    fn of(number: u64) -> Self {
        let mut dice = Rng::with_seed(number);
        let from = dice.u64(0..ACCOUNTS);
        let to = (from + dice.u64(1..ACCOUNTS)) % ACCOUNTS;
        let named = |number| account(number).try_into().expect("the name of an account is an id");
        // Much, seen from what is in the accounts: some do not have it.
        let amount = Cents(dice.i64(1..=40_000));
        let wanted = Wanted { from: named(from), to: named(to), amount };
        Self { wanted, is_recalled: dice.u8(0..10) == 0 }
    }
}
