//! The views of the sales, computed from the log without queries to customers.
//!
//! `months` is a value in memory, `spend` is rows by key on disk, `report` is tables in a SQLite file, and `tables`
//! queries them.

mod months;
mod report;
mod spend;
mod tables;

use std::path::{Path, PathBuf};

use actuarius::Runtime;
use actuarius::projection::{InMemory, Keyed};

pub use months::Months;
pub use report::Report;
pub use spend::Spend;
pub use tables::BY_TIER;

use crate::{Customer, Figures, ShopError, Tier};

/// The file with the tables, beside the store.
const REPORT_FILE: &str = "report.sqlite";

/// The running views of a shop. Drop them before the shop is opened again.
pub struct Views {
    months: InMemory<Months>,
    spend: Keyed<Spend>,
    report_file: PathBuf,
    lags: Lags,
}

/// The number of events that each view had to catch up on when it was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lags {
    /// The view `months`.
    pub months: u64,
    /// The view `spend`.
    pub spend: u64,
    /// The view `report`.
    pub report: u64,
}

impl Views {
    /// Starts each view where it last stopped, or with the first event. From then on it follows the log.
    pub(crate) async fn start(runtime: &Runtime, directory: &Path) -> Result<Self, ShopError> {
        let report_file = directory.join(REPORT_FILE);
        let months = runtime.projection::<Months>("months").on::<Customer>().start().await?;
        let months_lag = months.lag();
        let spend = runtime.keyed::<Spend>("spend").on::<Customer>().version(Spend::VERSION);
        let spend = spend.start().await?;
        let spend_lag = spend.lag();
        let report = runtime.database("report", Report::open(&report_file)?);
        let report = report.on::<Customer>().start().await?;
        let lags = Lags { months: months_lag, spend: spend_lag, report: report.lag() };
        Ok(Self { months, spend, report_file, lags })
    }

    /// The number of events that each view had to catch up on when it was started: zero if it had caught up before the
    /// shop was closed.
    #[must_use]
    pub fn lag_at_start(&self) -> Lags {
        self.lags
    }

    /// The figures: months from the value in memory, customers from the rows on disk. Reads the row of every customer,
    /// and keeps the `best`.
    ///
    /// # Errors
    /// [`ShopError::Rows`]; nothing was changed.
    pub fn figures(&self, best: usize) -> Result<Figures, ShopError> {
        let months = self.months.read(|months| months.0.clone());
        let tiers = Tier::ALL.map(|tier| Ok((tier, spend::totals(&self.spend, tier)?)));
        let tiers = tiers.into_iter().collect::<Result<_, ShopError>>()?;
        Ok(Figures { months, best: spend::best(&self.spend, best)?, tiers })
    }

    /// The same figures from the tables, read through a separate connection, as any other program can while the shop is
    /// open.
    ///
    /// # Errors
    /// [`ShopError::Report`]; nothing was changed.
    pub fn reported(&self, best: usize) -> Result<Figures, ShopError> {
        Ok(tables::figures(&self.report_file, best)?)
    }

    /// The file with the tables.
    #[must_use]
    pub fn report_file(&self) -> &Path {
        &self.report_file
    }
}
