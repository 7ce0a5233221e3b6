//! The job: opens the bank, runs the transfers and checks the balance sheet.

use example_support::say;

use crate::Arguments;
use crate::open_bank::{Bank, JobError};
use crate::report;
use crate::sheet::Sheet;
use crate::traffic::Traffic;

/// Runs the whole job, and prints a section of the report for each step.
pub(crate) async fn run(arguments: &Arguments) -> Result<(), JobError> {
    say(report::HEADLINE);
    let bank = Bank::open(&arguments.data).await?;
    let in_progress = bank.settle().await?;
    say(report::opened(&arguments.data, in_progress));
    bank.open_accounts().await?;

    let traffic = Traffic::new(&bank, arguments.transfers).run(arguments.at_once).await?;
    say(report::traffic(&traffic));

    bank.settle().await?;
    let sheet = Sheet::of(&bank).await?;
    bank.close().await?;
    say(report::sheet(&sheet));
    match sheet.differences() {
        differences if differences.is_empty() => Ok(()),
        differences => Err(JobError::Difference(differences.join("; "))),
    }
}
