use std::fmt::Display;
use std::io::Write as _;
use std::path::Path;

use crate::customers::Ordered;
use crate::sheet::Sheet;

pub(crate) const HEADLINE: &str = "\
Orders on Actuarius
===================
Each order is a saga: goods are reserved, money is taken, a parcel is sent; and what fails is undone.";

/// Into how many lines the way is divided.
const LINES: u64 = 10;

/// Prints. A reader who has closed the pipe does not stop the job.
pub(crate) fn say(text: impl Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

pub(crate) fn opened(directory: &Path, under_way: usize) -> String {
    let directory = directory.display();
    format!("\nThe shop in {directory} is open. Under way were {under_way}; they have ended.")
}

/// A line whenever another part of the way is done: by count, so that the same job prints the same.
pub(crate) fn progress(ended: u64, all: u64) -> Option<String> {
    let passed = |ended: u64| u128::from(ended) * u128::from(LINES) / u128::from(all.max(1));
    let percent = passed(ended) * u128::from(100 / LINES);
    (passed(ended) > passed(ended - 1)).then(|| format!("  {percent:>3} %  {ended:>9} have ended"))
}

pub(crate) fn ordered(ordered: &Ordered) -> String {
    let Ordered { new, there_already, took } = ordered;
    let speed = u128::from(*new) * 1_000 / took.as_millis().max(1);
    format!(
        "
  ordered        {new}, {there_already} were there already
  time           {:.2} s
  speed          {speed} orders/s, with the time given to those who do not pay",
        took.as_secs_f64(),
    )
}

pub(crate) fn sheet(sheet: &Sheet) -> String {
    let Sheet { stock, left, reserved, books, .. } = sheet;
    let verdict = if sheet.differences().is_empty() { "closes" } else { "DOES NOT CLOSE" };
    format!(
        "
Balance sheet
-------------
  stock at first          {stock:>14}
  stock left              {left:>14}
  shipped                 {:>14}
  reserved                {reserved:>14}

  money that came         {:>14}
  money that went back    {:>14}
  price of what shipped   {:>14}

  ordered                 {:>14}
  fulfilled               {:>14}
  refused                 {:>14}
  under way               {:>14}

  The sheet {verdict}.",
        books.shipped,
        books.paid,
        books.refunded,
        books.price,
        books.placed,
        books.fulfilled,
        books.refused,
        sheet.fulfilments.live,
    )
}
