//! The job: replays the purchases, shows the views, and compares all sums after a restart.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use example_support::say;
use shop::{Books, Figures, History, HistoryError, Shop, ShopError, Views};
use thiserror::Error;

use crate::Arguments;
use crate::progress::Shown;
use crate::report::{self, Row};

/// The number of best customers that are shown.
pub(crate) const BEST: usize = 10;

/// Why the job failed.
#[derive(Debug, Error)]
pub(crate) enum JobError {
    #[error(transparent)]
    Input(#[from] HistoryError),
    #[error(transparent)]
    Shop(#[from] ShopError),
    #[error("the sums differ. Does {0} contain purchases of another file?")]
    Difference(String),
}

impl JobError {
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Shop(_) | Self::Difference(_) => 1,
            Self::Input(_) => 2,
        }
    }
}

/// The figures of the shop, from three sources.
#[derive(PartialEq)]
struct Answers {
    /// From queries to each customer.
    books: Books,
    /// From the views.
    views: Figures,
    /// From the tables, in SQL.
    tables: Figures,
}

/// Runs the whole job, and prints a section of the report for each step. Returns the purchases of the file.
pub(crate) async fn run(arguments: &Arguments) -> Result<History, JobError> {
    say(report::HEADLINE);
    let history = History::read(&arguments.file)?;
    say(report::input(&arguments.file, &history));

    let shop = Shop::open(&arguments.data).await?;
    replay(&shop, &history, arguments).await?;
    let before = view(&shop, &history).await?;
    shop.close().await?;

    let after = reopened(&arguments.data, &history).await?;
    prove(&arguments.data, &history, &before, &after)?;
    Ok(history)
}

async fn replay(shop: &Shop, history: &History, arguments: &Arguments) -> Result<(), JobError> {
    say(report::replay_begins(arguments.clients, &arguments.data));
    let shown = Arc::new(Shown::new(history.totals.bought.purchases));
    let watch = Arc::new(Instant::now());
    let replayed = shop.replay(history, arguments.clients, watch, shown.clone()).await;
    shown.end();
    say(report::replayed(&replayed?));
    Ok(())
}

/// Waits until the views have caught up, and shows them.
async fn view(shop: &Shop, history: &History) -> Result<Answers, JobError> {
    let began = Instant::now();
    let views = shop.views().await?;
    shop.caught_up().await?;
    say(report::views(&views.lag_at_start(), began.elapsed(), views.report_file()));
    let answers = ask(shop, history, &views).await?;
    say(report::months(&answers.views));
    say(report::best(&answers.views.best));
    say(report::tiers(&answers.views));
    say(report::tables(views.report_file(), &answers.tables));
    Ok(answers)
}

/// Opens the shop again, as after a restart of the machine: everything is read from disk.
async fn reopened(directory: &Path, history: &History) -> Result<Answers, JobError> {
    let shop = Shop::open(directory).await?;
    let views = shop.views().await?;
    let answers = ask(&shop, history, &views).await?;
    say(report::on_disk(directory, &shop.on_disk()?, &views.lag_at_start()));
    shop.close().await?;
    Ok(answers)
}

async fn ask(shop: &Shop, history: &History, views: &Views) -> Result<Answers, JobError> {
    shop.caught_up().await?;
    let books = shop.books(history, BEST).await?;
    Ok(Answers { books, views: views.figures(BEST)?, tables: views.reported(BEST)? })
}

fn prove(
    directory: &Path,
    history: &History,
    before: &Answers,
    after: &Answers,
) -> Result<(), JobError> {
    let file = Figures::of(history, BEST);
    say(report::proof(&[
        Row::of("lines of the file", &history.totals),
        Row::of("customers, before closing", &before.books.totals),
        Row::of("customers, after reopening", &after.books.totals),
        Row("months, in memory", None, after.views.by_month()),
        Row::of("rows by spend, on disk", &after.views.by_tier()),
        Row::of("tables, in SQL", &after.tables.by_tier()),
    ]));
    let agree = after.books.totals == history.totals
        && after.books.best == file.best
        && [&after.views, &after.tables] == [&file, &file];
    if !agree || before != after {
        return Err(JobError::Difference(directory.display().to_string()));
    }
    say("  All sums agree, to the cent.");
    Ok(())
}
