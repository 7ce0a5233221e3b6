use std::time::Duration;

use crate::Arguments;
use crate::customers::Customers;
use crate::house::{House, Trouble};
use crate::report::{self, say};
use crate::sheet::Sheet;

/// The whole job, a section of the report for each step.
pub(crate) async fn run(arguments: &Arguments) -> Result<(), Trouble> {
    say(report::HEADLINE);
    let house = House::open(&arguments.data).await?;
    let under_way = house.settle().await?;
    say(report::opened(&arguments.data, under_way));
    house.stock().await?;

    let pay_within = Duration::from_millis(arguments.pay_within);
    let customers = Customers::new(&house, arguments.orders, pay_within);
    say(report::ordered(&customers.order_all(arguments.at_once).await?));

    house.settle().await?;
    let sheet = Sheet::of(&house).await?;
    house.close().await?;
    say(report::sheet(&sheet));
    match sheet.differences() {
        differences if differences.is_empty() => Ok(()),
        differences => Err(Trouble::Difference(differences.join("; "))),
    }
}
