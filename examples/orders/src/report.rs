//! The report of the job, section by section.

use std::path::Path;

use example_support::Milestones;

use crate::customers::Ordered;
use crate::sheet::Sheet;

pub(crate) const HEADLINE: &str = "\
Orders on Actuarius
===================
Each order is a saga: goods are reserved, money is taken, a parcel is sent; a failure is compensated.";

/// The number of progress lines.
const LINES: u64 = 10;

pub(crate) fn opened(directory: &Path, in_progress: usize) -> String {
    let directory = directory.display();
    let orders = if in_progress == 1 { "order" } else { "orders" };
    format!("\nThe shop in {directory} is open. {in_progress} {orders} in progress have ended.")
}

/// The milestones at which a line is printed.
pub(crate) fn milestones(all: u64) -> Milestones {
    Milestones::new(all, LINES)
}

pub(crate) fn progress((ended, percent): (u64, u64)) -> String {
    format!("  {percent:>3} %  {ended:>9} have ended")
}

pub(crate) fn ordered(ordered: &Ordered) -> String {
    let Ordered { new, there_already, took } = ordered;
    let speed = u128::from(*new) * 1_000 / took.as_millis().max(1);
    format!(
        "
  ordered        {new}, {there_already} were there already
  time           {:.2} s
  speed          {speed} orders/s, including the time limit of unpaid orders",
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

  money received          {:>14}
  money refunded          {:>14}
  price of goods shipped  {:>14}

  ordered                 {:>14}
  fulfilled               {:>14}
  refused                 {:>14}
  in progress             {:>14}

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
