//! The job: opens the shop, lets the customers order and checks the balance sheet.

use std::time::Duration;

use example_support::say;

use crate::Arguments;
use crate::customers::Customers;
use crate::report;
use crate::sheet::Sheet;
use crate::shop::{JobError, Shop};

/// Runs the whole job, and prints a section of the report for each step.
pub(crate) async fn run(arguments: &Arguments) -> Result<(), JobError> {
    say(report::HEADLINE);
    let shop = Shop::open(&arguments.data).await?;
    let in_progress = shop.settle().await?;
    say(report::opened(&arguments.data, in_progress));
    shop.stock().await?;

    let pay_within = Duration::from_millis(arguments.pay_within);
    let customers = Customers::new(&shop, arguments.orders, pay_within);
    say(report::ordered(&customers.order_all(arguments.at_once).await?));

    shop.settle().await?;
    let sheet = Sheet::of(&shop).await?;
    shop.close().await?;
    say(report::sheet(&sheet));
    match sheet.differences() {
        differences if differences.is_empty() => Ok(()),
        differences => Err(JobError::Difference(differences.join("; "))),
    }
}
