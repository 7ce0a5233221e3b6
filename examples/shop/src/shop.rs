//! The open shop: a runtime with its customers and views, and its errors.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use actuarius::error::{ReadError, StartError, WaitError};
use actuarius::projection::{AsOfError, ViewReadError};
use actuarius::store::StoreInfo;
use actuarius::{
    Aggregates, ExecuteError, Failure, Hosting, OpenError, Runtime, RuntimeBuilder, ShutdownReport,
};
use example_support::{ClientPanicked, share_out};
use thiserror::Error;

use crate::replay::Replay;
use crate::{Books, Customer, History, Progress, Refused, Replayed, Spender, Stopwatch, Views};

/// The number of command ids that each customer remembers. A second replay must recognise the oldest purchase of the
/// busiest customer, who has 217.
const REMEMBERED_COMMANDS: usize = 1_024;

/// The time limit for closing: enough for a snapshot of every customer on a slow disk.
const CLOSING: Duration = Duration::from_secs(60);

/// The time limit for the views to catch up: enough for millions of purchases on a slow disk.
const CATCHING_UP: Duration = Duration::from_secs(60);

/// The number of customers that are queried at the same time.
const ASKED_AT_ONCE: usize = 256;

/// An open shop.
pub struct Shop {
    pub(crate) runtime: Runtime,
    pub(crate) customers: Aggregates<Customer>,
    directory: PathBuf,
}

/// The errors of the shop.
#[derive(Debug, Error)]
pub enum ShopError {
    /// The store did not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A purchase was not acknowledged.
    #[error("purchase {number} of customer {customer}: {source}")]
    Purchase {
        /// The customer.
        customer: String,
        /// The number of the purchase among the customer's, from 1.
        number: usize,
        /// The reason.
        source: ExecuteError<Refused>,
    },
    /// A customer could not be queried.
    #[error("customer {customer}: {source}")]
    Query {
        /// The customer.
        customer: String,
        /// The reason.
        source: Failure,
    },
    /// The size of the store could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A view did not start.
    #[error(transparent)]
    View(#[from] StartError),
    /// A view of the past could not be built.
    #[error(transparent)]
    Past(#[from] AsOfError),
    /// A view did not catch up in time.
    #[error(transparent)]
    Waiting(#[from] WaitError),
    /// The rows of a view could not be read.
    #[error(transparent)]
    Rows(#[from] ViewReadError),
    /// The tables could not be opened or read.
    #[error("report.sqlite: {0}")]
    Report(#[from] rusqlite::Error),
    /// Closing took too long.
    #[error("the shop did not close in time: {0:?}")]
    Closing(ShutdownReport),
    /// A client panicked.
    #[error(transparent)]
    Client(#[from] ClientPanicked),
}

impl Shop {
    /// Opens the shop whose store is in `directory`, which is created if it does not exist.
    ///
    /// # Errors
    /// [`ShopError::Open`].
    pub async fn open(directory: &Path) -> Result<Self, ShopError> {
        Self::open_with(Runtime::builder(), directory).await
    }

    /// Opens the shop with this runtime.
    pub(crate) async fn open_with(
        builder: RuntimeBuilder,
        directory: &Path,
    ) -> Result<Self, ShopError> {
        let runtime = builder.open(directory).await?;
        let hosting = Hosting::default().remembered_commands(REMEMBERED_COMMANDS);
        let customers = runtime.host_with::<Customer>(hosting);
        Ok(Self { runtime, customers, directory: directory.to_owned() })
    }

    /// Sends every purchase of `history` that is not there already. The purchases of a customer are sent in order, and
    /// those of different customers by many clients at once.
    ///
    /// # Errors
    /// [`ShopError::Purchase`]: replaying again is safe.
    pub async fn replay(
        &self,
        history: &History,
        clients: usize,
        watch: Arc<dyn Stopwatch>,
        progress: Arc<dyn Progress>,
    ) -> Result<Replayed, ShopError> {
        let customers = self.customers.clone();
        Replay { customers, watch, progress }.run(history, clients).await
    }

    /// Queries every customer of `history`, adds up their purchases, and keeps the `best`.
    ///
    /// # Errors
    /// [`ShopError::Query`].
    pub async fn books(&self, history: &History, best: usize) -> Result<Books, ShopError> {
        let (customers, buyers) = (self.customers.clone(), history.buyers.clone());
        let spenders = share_out(ASKED_AT_ONCE, buyers.len(), move |piece| {
            let (customers, id) = (customers.clone(), buyers[piece].id.clone());
            async move {
                match customers.query(&id, Customer::bought).await {
                    Ok(bought) => Ok(Spender { id, bought }),
                    Err(source) => Err(ShopError::Query { customer: id, source }),
                }
            }
        });
        Ok(Books::of(spenders.await?, best))
    }

    /// Starts the views, which continue where they stopped.
    ///
    /// # Errors
    /// [`ShopError::View`], [`ShopError::Report`].
    pub async fn views(&self) -> Result<Views, ShopError> {
        Views::start(&self.runtime, &self.directory).await
    }

    /// Waits until the views show every purchase booked so far.
    ///
    /// # Errors
    /// [`ShopError::Waiting`]; the views keep their contents.
    pub async fn caught_up(&self) -> Result<(), ShopError> {
        Ok(self.runtime.caught_up(CATCHING_UP).await?)
    }

    /// The number of events and their size on disk.
    ///
    /// # Errors
    /// [`ShopError::Read`].
    pub fn on_disk(&self) -> Result<StoreInfo, ShopError> {
        Ok(self.runtime.reader()?.info()?)
    }

    /// Closes the shop. Every customer is saved in a snapshot.
    ///
    /// # Errors
    /// [`ShopError::Closing`]. Acknowledged purchases are on disk nevertheless.
    pub async fn close(self) -> Result<(), ShopError> {
        let report = self.runtime.shutdown(CLOSING).await;
        if report.is_clean() { Ok(()) } else { Err(ShopError::Closing(report)) }
    }
}
