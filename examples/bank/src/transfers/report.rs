//! The report of the job, section by section.

use std::path::Path;

use example_support::Milestones;

use crate::sheet::Sheet;
use crate::traffic::Report;

pub(crate) const HEADLINE: &str = "\
Transfers on Actuarius
======================
Each transfer is a saga: a withdrawal, a deposit, and the money back if the deposit is refused.";

/// The number of progress lines.
const LINES: u64 = 10;

pub(crate) fn opened(directory: &Path, in_progress: usize) -> String {
    let directory = directory.display();
    let transfers = if in_progress == 1 { "transfer" } else { "transfers" };
    format!("\nThe bank in {directory} is open. {in_progress} {transfers} in progress have ended.")
}

/// The milestones at which a line is printed.
pub(crate) fn milestones(all: u64) -> Milestones {
    Milestones::new(all, LINES)
}

pub(crate) fn progress((ended, percent): (u64, u64)) -> String {
    format!("  {percent:>3} %  {ended:>9} have ended")
}

pub(crate) fn traffic(report: &Report) -> String {
    let Report { ordered, there_already, took, times } = report;
    let speed = u128::from(*ordered) * 1_000 / took.as_millis().max(1);
    let millis = |per_mille| times.per_mille(per_mille) / 1_000;
    format!(
        "
  ordered        {ordered}, {there_already} were there already
  time           {:.2} s
  speed          {speed} transfers/s
  order to end   median {} ms, p99 {} ms, max {} ms",
        took.as_secs_f64(),
        millis(500),
        millis(990),
        millis(1_000),
    )
}

pub(crate) fn sheet(sheet: &Sheet) -> String {
    let Sheet { opened, found, orders, transfers } = sheet;
    let (opened, found) = (opened.to_string(), found.to_string());
    let verdict = if sheet.differences().is_empty() { "closes" } else { "DOES NOT CLOSE" };
    format!(
        "
Balance sheet
-------------
  put into the accounts   {opened:>14}
  in the accounts         {found:>14}

  ordered                 {:>14}
  completed               {:>14}
  compensated             {:>14}
  failed                  {:>14}
  in progress             {:>14}

  The sheet {verdict}.",
        orders.placed, transfers.completed, transfers.compensated, transfers.failed, transfers.live,
    )
}
