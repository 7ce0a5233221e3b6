use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use shop::{Date, Figures, History, ShopByDay};

use crate::Arguments;
use crate::job::{BEST, Failed};
use crate::progress::{self, Shown};
use crate::report::{self, say};

/// Beside the store of the replay: in this one, purchases stand in the order of their days.
const DIRECTORY: &str = "by-day";

/// Replays the file by its own clock, and asks what was on the evening of a day.
pub(crate) async fn run(arguments: &Arguments, history: &History, day: Date) -> Result<(), Failed> {
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
        false => Err(Failed::Difference(directory.display().to_string())),
    }
}

async fn replay(
    shop: &ShopByDay,
    directory: &Path,
    history: &History,
    clients: usize,
) -> Result<(), Failed> {
    say(report::by_day_begins(directory));
    let shown = Arc::new(Shown::new(history.totals.bought.purchases));
    let began = Instant::now();
    let replayed = shop.replay(history, clients, shown.clone()).await;
    progress::end(&shown);
    replayed?;
    say(report::by_day_ended(began.elapsed()));
    Ok(())
}
