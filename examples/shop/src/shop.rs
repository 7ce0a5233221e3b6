use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use actuarius::error::{ReadError, StartError, WaitError};
use actuarius::projection::{AsOfError, ViewReadError};
use actuarius::store::StoreInfo;
use actuarius::{
    Aggregates, ExecuteError, Failure, Hosting, OpenError, Runtime, RuntimeBuilder, ShutdownReport,
};
use thiserror::Error;

use crate::clients::share_out;
use crate::replay::Replay;
use crate::{Books, Customer, History, Progress, Refused, Replayed, Spender, Stopwatch, Views};

/// How many commands each customer remembers. A second replay must recognise the oldest purchase
/// of the busiest customer, who has 217.
const REMEMBERED_COMMANDS: usize = 1_024;

/// How long closing may take: room for a snapshot of every customer on a slow disk.
const CLOSING: Duration = Duration::from_secs(60);

/// How long views may take to catch up: room for millions of purchases on a slow disk.
const CATCHING_UP: Duration = Duration::from_secs(60);

/// How many customers are asked at a time.
const ASKED_AT_ONCE: usize = 256;

/// An open shop.
pub struct Shop {
    pub(crate) runtime: Runtime,
    pub(crate) customers: Aggregates<Customer>,
    directory: PathBuf,
}

/// Why the shop could not do its work.
#[derive(Debug, Error)]
pub enum Trouble {
    /// The store did not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A purchase was not acknowledged.
    #[error("purchase {number} of customer {customer}: {source}")]
    Purchase {
        /// Whose purchase.
        customer: String,
        /// Which of theirs, from 1.
        number: usize,
        /// Why not.
        source: ExecuteError<Refused>,
    },
    /// A customer could not be asked.
    #[error("customer {customer}: {source}")]
    Query {
        /// Which customer.
        customer: String,
        /// Why not.
        source: Failure,
    },
    /// The store could not say how large it is.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A view did not start.
    #[error(transparent)]
    View(#[from] StartError),
    /// A view of the past could not be built.
    #[error(transparent)]
    Past(#[from] AsOfError),
    /// A view did not show everything in time.
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
    /// A client ended before its work.
    #[error("a client ended before its work: {0}")]
    Client(String),
}

impl Shop {
    /// Opens the shop whose store is in `directory`, which is made if it does not exist.
    ///
    /// # Errors
    /// [`Trouble::Open`].
    pub async fn open(directory: &Path) -> Result<Self, Trouble> {
        Self::open_with(Runtime::builder(), directory).await
    }

    /// Opens it with other than the defaults.
    pub(crate) async fn open_with(
        builder: RuntimeBuilder,
        directory: &Path,
    ) -> Result<Self, Trouble> {
        let runtime = builder.open(directory).await?;
        let hosting = Hosting::default().remembered_commands(REMEMBERED_COMMANDS);
        let customers = runtime.host_with::<Customer>(hosting);
        Ok(Self { runtime, customers, directory: directory.to_owned() })
    }

    /// Sends every purchase of `history` that is not there already. A customer's purchases are
    /// sent in order, those of different customers by many clients at once.
    ///
    /// # Errors
    /// [`Trouble::Purchase`]: replaying again is safe.
    pub async fn replay(
        &self,
        history: &History,
        clients: usize,
        watch: Arc<dyn Stopwatch>,
        progress: Arc<dyn Progress>,
    ) -> Result<Replayed, Trouble> {
        let customers = self.customers.clone();
        Replay { customers, watch, progress }.run(history, clients).await
    }

    /// Asks every customer of `history` what they bought, and keeps the `best`.
    ///
    /// # Errors
    /// [`Trouble::Query`].
    pub async fn books(&self, history: &History, best: usize) -> Result<Books, Trouble> {
        let (customers, buyers) = (self.customers.clone(), history.buyers.clone());
        let spenders = share_out(ASKED_AT_ONCE, buyers.len(), move |piece| {
            let (customers, id) = (customers.clone(), buyers[piece].id.clone());
            async move {
                match customers.query(&id, Customer::bought).await {
                    Ok(bought) => Ok(Spender { id, bought }),
                    Err(source) => Err(Trouble::Query { customer: id, source }),
                }
            }
        });
        Ok(Books::of(spenders.await?, best))
    }

    /// Starts the views, which go on where they were.
    ///
    /// # Errors
    /// [`Trouble::View`], [`Trouble::Report`].
    pub async fn views(&self) -> Result<Views, Trouble> {
        Views::start(&self.runtime, &self.directory).await
    }

    /// Waits until the views show every purchase that was booked so far.
    ///
    /// # Errors
    /// [`Trouble::Waiting`]; they keep what they have.
    pub async fn caught_up(&self) -> Result<(), Trouble> {
        Ok(self.runtime.caught_up(CATCHING_UP).await?)
    }

    /// What the store takes on disk.
    ///
    /// # Errors
    /// [`Trouble::Read`].
    pub fn on_disk(&self) -> Result<StoreInfo, Trouble> {
        Ok(self.runtime.reader()?.info()?)
    }

    /// Closes the shop. Every customer leaves memory through a snapshot.
    ///
    /// # Errors
    /// [`Trouble::Closing`]. What was acknowledged is on disk all the same.
    pub async fn close(self) -> Result<(), Trouble> {
        let report = self.runtime.shutdown(CLOSING).await;
        if report.is_clean() { Ok(()) } else { Err(Trouble::Closing(report)) }
    }
}
