use crate::Arguments;
use crate::house::{House, Trouble};
use crate::report::{self, say};
use crate::sheet::Sheet;
use crate::traffic::Traffic;

/// The whole job, a section of the report for each step.
pub(crate) async fn run(arguments: &Arguments) -> Result<(), Trouble> {
    say(report::HEADLINE);
    let house = House::open(&arguments.data).await?;
    let under_way = house.settle().await?;
    say(report::opened(&arguments.data, under_way));
    house.open_accounts().await?;

    let traffic = Traffic::new(&house, arguments.transfers).run(arguments.at_once).await?;
    say(report::traffic(&traffic));

    house.settle().await?;
    let sheet = Sheet::of(&house).await?;
    house.close().await?;
    say(report::sheet(&sheet));
    match sheet.differences() {
        differences if differences.is_empty() => Ok(()),
        differences => Err(Trouble::Difference(differences.join("; "))),
    }
}
