//! The open shop: its runtime, its aggregates and its saga, and the errors of the job.

use std::path::Path;
use std::time::Duration;

use actuarius::error::{BoxError, StartError};
use actuarius::projection::InMemory;
use actuarius::saga::Sagas;
use actuarius::subscription::Subscription;
use actuarius::{Aggregates, Envelope, ExecuteError, Failure, OpenError, Runtime, ShutdownReport};
use example_support::{ClientPanicked, SettleError, answer, settle};
use orders::{
    Fulfilment, Item, ItemCommand, ItemRefused, Order, Payment, PaymentCommand, Shipment,
};
use thiserror::Error;

use crate::books::Books;
use crate::plan::{self, ITEMS, named};

/// The time limit for closing the shop: enough for a slow disk.
const CLOSING: Duration = Duration::from_secs(60);

/// The open shop.
pub(crate) struct Shop {
    runtime: Runtime,
    pub(crate) items: Aggregates<Item>,
    pub(crate) orders: Aggregates<Order>,
    pub(crate) fulfilments: Sagas<Fulfilment>,
    pub(crate) books: InMemory<Books>,
}

/// Why the job failed.
#[derive(Debug, Error)]
pub(crate) enum JobError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Failed(#[from] Failure),
    #[error("item {0} cannot be stocked: {1}")]
    Stock(u64, ItemRefused),
    #[error("fulfilments: {0}")]
    Fulfilments(#[from] SettleError),
    #[error(transparent)]
    Customer(#[from] ClientPanicked),
    #[error("the shop did not close in time: {0:?}")]
    Closing(ShutdownReport),
    #[error("the sheet does not close: {0}")]
    Difference(String),
}

impl Shop {
    /// Opens the shop. Orders in progress continue at once.
    pub(crate) async fn open(directory: &Path) -> Result<Self, JobError> {
        let runtime = Runtime::open(directory).await?;
        let (items, orders) = (runtime.host(), runtime.host());
        let (payments, shipments) = (runtime.host::<Payment>(), runtime.host::<Shipment>());
        let fulfilments = runtime.saga::<Fulfilment>();
        let fulfilments = fulfilments.reacts_to::<Order>().reacts_to::<Payment>();
        let fulfilments = fulfilments.sends_to(&items).sends_to(&payments).sends_to(&shipments);
        let fulfilments = fulfilments.sends_to(&orders).start().await?;
        let books = runtime.projection::<Books>("books").on::<Order>().on::<Payment>();
        let books = books.on::<Shipment>().start().await?;
        let shop = Self { runtime, items, orders, fulfilments, books };
        shop.let_customers_pay(payments).await?;
        Ok(shop)
    }

    /// Lets customers pay their invoices, except for those who never do. The subscription resumes where it stopped.
    async fn let_customers_pay(
        &self,
        payments: Aggregates<Payment>,
    ) -> Result<Subscription, StartError> {
        let pay = move |envelope: Envelope<Payment>| {
            let payments = payments.clone();
            async move {
                if !plan::is_honoured(envelope.id.as_str()) {
                    return Ok(());
                }
                match payments.execute(&envelope.id, PaymentCommand::Pay).await {
                    // A card has already paid, and an invoice may have been cancelled.
                    Ok(_) | Err(ExecuteError::Rejected(_)) => Ok(()),
                    Err(failed) => Err::<_, BoxError>(failed.into()),
                }
            }
        };
        self.runtime.subscribe("customers").on_only(["Asked"], pay).workers(256).start().await
    }

    /// Waits until every order has ended, and returns how many were in progress.
    pub(crate) async fn settle(&self) -> Result<usize, JobError> {
        Ok(settle(&self.runtime, &self.fulfilments).await?)
    }

    /// Stocks every item, once.
    pub(crate) async fn stock(&self) -> Result<(), JobError> {
        for number in 0..ITEMS {
            let item = named::<Item>("item", number);
            if !self.items.exists(&item).await? {
                let stock = ItemCommand::Stock(plan::stock(number));
                let stocked = answer(&self.items, item.as_str(), "stock", stock).await?;
                stocked.map_err(|refused| JobError::Stock(number, refused))?;
            }
        }
        Ok(())
    }

    /// Closes the shop.
    pub(crate) async fn close(self) -> Result<(), JobError> {
        let report = self.runtime.shutdown(CLOSING).await;
        if report.is_clean() { Ok(()) } else { Err(JobError::Closing(report)) }
    }
}
