//! The customers: each places an order and waits for its end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actuarius::Aggregates;
use actuarius::saga::Sagas;
use example_support::{Milestones, answer, say, share_out};
use orders::{Fulfilment, Order, OrderCommand};

use crate::plan;
use crate::report;
use crate::shop::{JobError, Shop};

/// Customers who order and wait for the result.
#[derive(Clone)]
pub(crate) struct Customers {
    orders: Aggregates<Order>,
    fulfilments: Sagas<Fulfilment>,
    milestones: Arc<Milestones>,
    all: u64,
    pay_within: Duration,
}

/// The result of all orders.
pub(crate) struct Ordered {
    /// Orders placed by this run.
    pub(crate) new: u64,
    /// Orders placed by an earlier run.
    pub(crate) there_already: u64,
    pub(crate) took: Duration,
}

impl Customers {
    pub(crate) fn new(shop: &Shop, all: u64, pay_within: Duration) -> Self {
        let (orders, fulfilments) = (shop.orders.clone(), shop.fulfilments.clone());
        let milestones = Arc::new(report::milestones(all));
        Self { orders, fulfilments, milestones, all, pay_within }
    }

    /// Lets `at_once` customers place one order after another until all are placed.
    pub(crate) async fn order_all(self, at_once: usize) -> Result<Ordered, JobError> {
        let (began, all) = (Instant::now(), self.all);
        let order = move |number| {
            let customer = self.clone();
            async move { customer.order(number as u64).await }
        };
        let placed = share_out(at_once, usize::try_from(all).unwrap_or(usize::MAX), order).await?;
        let new = placed.into_iter().filter(|is_new| *is_new).count() as u64;
        Ok(Ordered { new, there_already: all - new, took: began.elapsed() })
    }

    /// Places an order and waits for its end. Returns false if an earlier run placed it.
    async fn order(&self, number: u64) -> Result<bool, JobError> {
        let name = format!("order-{number}");
        let place = OrderCommand::Place(plan::terms(number, self.pay_within));
        let placed = answer(&self.orders, &name, "place", place).await?;
        self.fulfilments.end_of(name).await?;
        self.milestones.advance().into_iter().for_each(|it| say(report::progress(it)));
        // A repeated order is refused, or recognised by the id of its command.
        Ok(placed.is_ok_and(|receipt| !receipt.repeated))
    }
}
