use std::fmt::Display;
use std::io::Write as _;
use std::path::Path;

use crate::sheet::Sheet;
use crate::traffic::Report;

pub(crate) const HEADLINE: &str = "\
Transfers on Actuarius
======================
Each transfer is a saga: a withdrawal, a deposit, and the money back if the deposit is refused.";

/// Into how many lines the way is divided.
const LINES: u64 = 10;

/// Prints. A reader who has closed the pipe does not stop the job.
pub(crate) fn say(text: impl Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

pub(crate) fn opened(directory: &Path, under_way: usize) -> String {
    let directory = directory.display();
    format!("\nThe bank in {directory} is open. Under way were {under_way}; they have ended.")
}

/// A line whenever another part of the way is done: by count, so that the same job prints the same.
pub(crate) fn progress(ended: u64, all: u64) -> Option<String> {
    let passed = |ended: u64| u128::from(ended) * u128::from(LINES) / u128::from(all.max(1));
    let percent = passed(ended) * u128::from(100 / LINES);
    (passed(ended) > passed(ended - 1)).then(|| format!("  {percent:>3} %  {ended:>9} have ended"))
}

pub(crate) fn traffic(report: &Report) -> String {
    let Report { ordered, there_already, took, times } = report;
    let speed = u128::from(*ordered) * 1_000 / took.as_millis().max(1);
    let millis = |quantile| times.value_at_quantile(quantile) / 1_000;
    format!(
        "
  ordered        {ordered}, {there_already} were there already
  time           {:.2} s
  speed          {speed} transfers/s
  order to end   {} ms in the middle, {} ms for 99 in 100, {} ms at most",
        took.as_secs_f64(),
        millis(0.5),
        millis(0.99),
        millis(1.0),
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
  under way               {:>14}

  The sheet {verdict}.",
        orders.placed, transfers.completed, transfers.compensated, transfers.failed, transfers.live,
    )
}
