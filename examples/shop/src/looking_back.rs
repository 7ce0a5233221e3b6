//! The option `--as-of`: replays the file by day, and shows the past.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use example_support::say;
use shop::{Date, Figures, History, ShopByDay};

use crate::Arguments;
use crate::job::{BEST, JobError};
use crate::progress::Shown;
use crate::report;

/// The store below that of the replay. In this one, purchases are in the order of their days.
const DIRECTORY: &str = "by-day";

/// Replays the file with a clock that follows it, and shows the evening of a day.
pub(crate) async fn run(
    arguments: &Arguments,
    history: &History,
    day: Date,
) -> Result<(), JobError> {
    let directory = arguments.data.join(DIRECTORY);
    let shop = ShopByDay::open(&directory).await?;
    replay(&shop, &directory, history, arguments.clients).await?;
    let best = shop.best(day, BEST).await?;
    say(report::best_on(day, &best));
    let customer = arguments.customer.clone().or_else(|| Some(best.first()?.id.clone()));
    if let Some(customer) = customer {
        say(report::steps(&customer, &shop.steps(&customer, day).await?));
        let (purchases, changes) = shop.since(&customer, day).await?;
        say(report::since(day, purchases, &changes));
    }
    shop.close().await?;
    match best == Figures::of(&history.until(day), BEST).best {
        true => Ok(()),
        false => Err(JobError::Difference(directory.display().to_string())),
    }
}

async fn replay(
    shop: &ShopByDay,
    directory: &Path,
    history: &History,
    clients: usize,
) -> Result<(), JobError> {
    say(report::by_day_begins(directory));
    let shown = Arc::new(Shown::new(history.totals.bought.purchases));
    let began = Instant::now();
    let replayed = shop.replay(history, clients, shown.clone()).await;
    shown.end();
    replayed?;
    say(report::by_day_ended(began.elapsed()));
    Ok(())
}
