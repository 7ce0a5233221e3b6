use std::path::Path;
use std::time::Duration;

use actuarius::error::{BoxError, StartError, WaitError};
use actuarius::projection::InMemory;
use actuarius::saga::Sagas;
use actuarius::subscription::Subscription;
use actuarius::{
    Aggregate, Aggregates, Envelope, ExecuteError, Failure, OpenError, Receipt, Runtime,
    ShutdownReport,
};
use orders::{
    Fulfilment, Item, ItemCommand, ItemRefused, Order, Payment, PaymentCommand, Shipment,
};
use thiserror::Error;

use crate::books::Books;
use crate::plan::{self, ITEMS, named};

/// How long it may take until every event is heard, and until all is closed: long enough for a slow
/// disk.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many orders under way are looked at together.
const PAGE: usize = 1_000;

/// How often and how long it is waited when the runtime has no room: five seconds in all.
const RETRIES: u32 = 500;
const RETRY_AFTER: Duration = Duration::from_millis(10);

/// The open shop.
pub(crate) struct House {
    runtime: Runtime,
    pub(crate) items: Aggregates<Item>,
    pub(crate) orders: Aggregates<Order>,
    pub(crate) fulfilments: Sagas<Fulfilment>,
    pub(crate) books: InMemory<Books>,
}

/// Why the job did not end well.
#[derive(Debug, Error)]
pub(crate) enum Trouble {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Failed(#[from] Failure),
    #[error("item {0} cannot be stocked: {1}")]
    Stock(u64, ItemRefused),
    #[error("order {0} waits for a person: {1}")]
    Waits(String, String),
    #[error("not everything was heard: {0}")]
    Waiting(#[from] WaitError),
    #[error("a customer went away: {0}")]
    Customer(String),
    #[error("the shop did not close in time: {0:?}")]
    Closing(ShutdownReport),
    #[error("the sheet does not close: {0}")]
    Difference(String),
}

impl House {
    /// Opens the shop. Orders that were under way go on at once.
    pub(crate) async fn open(directory: &Path) -> Result<Self, Trouble> {
        let runtime = Runtime::open(directory).await?;
        let (items, orders) = (runtime.host(), runtime.host());
        let (payments, shipments) = (runtime.host::<Payment>(), runtime.host::<Shipment>());
        let fulfilments = runtime.saga::<Fulfilment>();
        let fulfilments = fulfilments.reacts_to::<Order>().reacts_to::<Payment>();
        let fulfilments = fulfilments.sends_to(&items).sends_to(&payments).sends_to(&shipments);
        let fulfilments = fulfilments.sends_to(&orders).start().await?;
        let books = runtime.projection::<Books>("books").on::<Order>().on::<Payment>();
        let books = books.on::<Shipment>().start().await?;
        let house = Self { runtime, items, orders, fulfilments, books };
        house.have_invoices_paid(payments).await?;
        Ok(house)
    }

    /// Customers who get an invoice pay it, but for those who never do. It goes on where it was.
    async fn have_invoices_paid(
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
                    // A card has paid already, and an invoice may not be wanted any more.
                    Ok(_) | Err(ExecuteError::Rejected(_)) => Ok(()),
                    Err(failed) => Err::<_, BoxError>(failed.into()),
                }
            }
        };
        self.runtime.subscribe("customers").on_only(["Asked"], pay).workers(256).start().await
    }

    /// Waits until every order has come to its end, and says how many were under way.
    pub(crate) async fn settle(&self) -> Result<usize, Trouble> {
        let mut ended = 0;
        loop {
            self.runtime.caught_up(PATIENCE).await?;
            let under_way = self.fulfilments.list("", PAGE, |_| true);
            if under_way.is_empty() {
                return Ok(ended);
            }
            ended += under_way.len();
            for order in under_way {
                if order.status.is_in_trouble() {
                    return Err(Trouble::Waits(order.id, order.status.to_string()));
                }
                self.fulfilments.end_of(order.id).await?;
            }
        }
    }

    /// Fills the shelves, once.
    pub(crate) async fn stock(&self) -> Result<(), Trouble> {
        for number in 0..ITEMS {
            let item = named::<Item>("item", number);
            if !self.items.exists(&item).await? {
                let stock = ItemCommand::Stock(plan::stock(number));
                let stocked = patiently(&self.items, item.as_str(), "stock", stock).await?;
                stocked.map_err(|refused| Trouble::Stock(number, refused))?;
            }
        }
        Ok(())
    }

    /// Closes the shop.
    pub(crate) async fn close(self) -> Result<(), Trouble> {
        let report = self.runtime.shutdown(PATIENCE).await;
        if report.is_clean() { Ok(()) } else { Err(Trouble::Closing(report)) }
    }
}

/// Sends a command, again while the answer says that this may help: its name, made of the `verb`, makes
/// that safe. The aggregate's answer is its own, a failure is trouble.
pub(crate) async fn patiently<A: Aggregate<Command: Clone>>(
    aggregates: &Aggregates<A>,
    id: &str,
    verb: &str,
    command: A::Command,
) -> Result<Result<Receipt, A::Error>, Trouble> {
    let mut attempts = 0;
    loop {
        let sent = aggregates.execute(id, command.clone()).command_id(format!("{id}/{verb}"));
        match sent.await {
            Ok(receipt) => return Ok(Ok(receipt)),
            Err(ExecuteError::Rejected(refused)) => return Ok(Err(refused)),
            Err(ExecuteError::Failed(failure)) if failure.is_retryable() && attempts < RETRIES => {
                attempts += 1;
                tokio::time::sleep(RETRY_AFTER).await;
            }
            Err(ExecuteError::Failed(failure)) => return Err(failure.into()),
        }
    }
}
