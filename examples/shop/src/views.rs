//! What the shop wants to know of its sales, computed from the log: no customer is asked.
//!
//! `months` is a value in memory, `spend` rows by key on disk, `report` tables in a SQLite file,
//! and `tables` asks them.

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

use crate::{Customer, Figures, Tier, Trouble};

/// The file with the tables, beside the store.
const REPORT_FILE: &str = "report.sqlite";

/// The running views of a shop. Drop them before the shop is opened again.
pub struct Views {
    months: InMemory<Months>,
    spend: Keyed<Spend>,
    report_file: PathBuf,
    behind: Behind,
}

/// How many events each view had still to take when it was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behind {
    /// The months.
    pub months: u64,
    /// The customers by spend.
    pub spend: u64,
    /// The tables.
    pub report: u64,
}

impl Views {
    /// Starts each view where it was when it was last stopped, or with the first event. They follow
    /// the log from then on.
    pub(crate) async fn start(runtime: &Runtime, directory: &Path) -> Result<Self, Trouble> {
        let report_file = directory.join(REPORT_FILE);
        let months = runtime.projection::<Months>("months").on::<Customer>().start().await?;
        let behind_months = months.lag();
        let spend = runtime.keyed::<Spend>("spend").on::<Customer>().version(Spend::VERSION);
        let spend = spend.start().await?;
        let behind_spend = spend.lag();
        let report = runtime.database("report", Report::open(&report_file)?);
        let report = report.on::<Customer>().start().await?;
        let behind = Behind { months: behind_months, spend: behind_spend, report: report.lag() };
        Ok(Self { months, spend, report_file, behind })
    }

    /// How many events each view had still to take when it was started: none, when it had seen all
    /// before the shop was closed.
    #[must_use]
    pub fn behind(&self) -> Behind {
        self.behind
    }

    /// The figures: months from the value in memory, customers from the rows on disk. It reads the
    /// row of every customer, and keeps the `best`.
    ///
    /// # Errors
    /// [`Trouble::Rows`]; nothing was changed.
    pub fn figures(&self, best: usize) -> Result<Figures, Trouble> {
        let months = self.months.read(|months| months.0.clone());
        let tiers = Tier::ALL.map(|tier| Ok((tier, spend::totals(&self.spend, tier)?)));
        let tiers = tiers.into_iter().collect::<Result<_, Trouble>>()?;
        Ok(Figures { months, best: spend::best(&self.spend, best)?, tiers })
    }

    /// The same figures from the tables, read through a connection of its own, as any other program
    /// can while the shop is open.
    ///
    /// # Errors
    /// [`Trouble::Report`]; nothing was changed.
    pub fn reported(&self, best: usize) -> Result<Figures, Trouble> {
        Ok(tables::figures(&self.report_file, best)?)
    }

    /// The file with the tables.
    #[must_use]
    pub fn report_file(&self) -> &Path {
        &self.report_file
    }
}
