use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use actuarius::Aggregates;
use actuarius::saga::Sagas;
use orders::{Fulfilment, Order, OrderCommand};
use tokio::task::JoinSet;

use crate::house::{House, Trouble, patiently};
use crate::plan;
use crate::report::{self, say};

/// Customers who order, and wait for what becomes of it.
#[derive(Clone)]
pub(crate) struct Customers {
    orders: Aggregates<Order>,
    fulfilments: Sagas<Fulfilment>,
    next: Arc<AtomicU64>,
    ended: Arc<AtomicU64>,
    all: u64,
    pay_within: Duration,
}

/// How it went.
pub(crate) struct Ordered {
    /// Orders that were placed now.
    pub(crate) new: u64,
    /// Orders that had been placed by an earlier run.
    pub(crate) there_already: u64,
    pub(crate) took: Duration,
}

impl Customers {
    pub(crate) fn new(house: &House, all: u64, pay_within: Duration) -> Self {
        let (orders, fulfilments) = (house.orders.clone(), house.fulfilments.clone());
        Self { orders, fulfilments, next: Arc::default(), ended: Arc::default(), all, pay_within }
    }

    /// Has `at_once` customers order one thing after the other, until all was ordered.
    pub(crate) async fn order_all(self, at_once: usize) -> Result<Ordered, Trouble> {
        let (began, all) = (Instant::now(), self.all);
        let mut customers = JoinSet::new();
        for _ in 0..at_once {
            customers.spawn(self.clone().order_on());
        }
        let mut new = 0;
        while let Some(customer) = customers.join_next().await {
            new += customer.map_err(|panic| Trouble::Customer(panic.to_string()))??;
        }
        Ok(Ordered { new, there_already: all - new, took: began.elapsed() })
    }

    /// One customer.
    async fn order_on(self) -> Result<u64, Trouble> {
        let mut new = 0;
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.all {
                return Ok(new);
            }
            new += u64::from(self.order(number).await?);
            let ended = self.ended.fetch_add(1, Ordering::Relaxed) + 1;
            if let Some(line) = report::progress(ended, self.all) {
                say(line);
            }
        }
    }

    /// Places an order and waits for its end. False if it had been placed before.
    async fn order(&self, number: u64) -> Result<bool, Trouble> {
        let name = format!("order-{number}");
        let place = OrderCommand::Place(plan::terms(number, self.pay_within));
        let placed = patiently(&self.orders, &name, "place", place).await?;
        self.fulfilments.end_of(name).await?;
        // Placed before, it is refused, or recognised by the name of the command.
        Ok(placed.is_ok_and(|receipt| !receipt.repeated))
    }
}
