use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use shop::{Books, Figures, History, HistoryError, Shop, Trouble, Views};
use thiserror::Error;

use crate::Arguments;
use crate::progress::{self, Shown};
use crate::report::{self, Row, say};

/// How many of the best customers are shown.
pub(crate) const BEST: usize = 10;

/// Why the job did not end well.
#[derive(Debug, Error)]
pub(crate) enum Failed {
    #[error(transparent)]
    Input(#[from] HistoryError),
    #[error(transparent)]
    Shop(#[from] Trouble),
    #[error("the sums differ. Does {0} hold purchases of another file?")]
    Difference(String),
}

impl Failed {
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Shop(_) | Self::Difference(_) => 1,
            Self::Input(_) => 2,
        }
    }
}

/// What the shop says of itself.
#[derive(PartialEq)]
struct Said {
    /// Asked customer by customer.
    books: Books,
    /// Asked of the views.
    views: Figures,
    /// Asked of the tables, in SQL.
    tables: Figures,
}

/// The whole job, a section of the report for each step. The file that was read comes back.
pub(crate) async fn run(arguments: &Arguments) -> Result<History, Failed> {
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

async fn replay(shop: &Shop, history: &History, arguments: &Arguments) -> Result<(), Failed> {
    say(report::replay_begins(arguments.clients, &arguments.data));
    let shown = Arc::new(Shown::new(history.totals.bought.purchases));
    let watch = Arc::new(Instant::now());
    let replayed = shop.replay(history, arguments.clients, watch, shown.clone()).await;
    progress::end(&shown);
    say(report::replayed(&replayed?));
    Ok(())
}

/// Lets the views take what was replayed, and shows them.
async fn view(shop: &Shop, history: &History) -> Result<Said, Failed> {
    let began = Instant::now();
    let views = shop.views().await?;
    shop.caught_up().await?;
    say(report::views(&views.behind(), began.elapsed(), views.report_file()));
    let said = ask(shop, history, &views).await?;
    say(report::months(&said.views));
    say(report::best(&said.views.best));
    say(report::tiers(&said.views));
    say(report::tables(views.report_file(), &said.tables));
    Ok(said)
}

/// Opens the shop once more, as after a restart of the machine: all it knows is what is on disk.
async fn reopened(directory: &Path, history: &History) -> Result<Said, Failed> {
    let shop = Shop::open(directory).await?;
    let views = shop.views().await?;
    let said = ask(&shop, history, &views).await?;
    say(report::on_disk(directory, &shop.on_disk()?, &views.behind()));
    shop.close().await?;
    Ok(said)
}

async fn ask(shop: &Shop, history: &History, views: &Views) -> Result<Said, Failed> {
    shop.caught_up().await?;
    let books = shop.books(history, BEST).await?;
    Ok(Said { books, views: views.figures(BEST)?, tables: views.reported(BEST)? })
}

fn prove(directory: &Path, history: &History, before: &Said, after: &Said) -> Result<(), Failed> {
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
        return Err(Failed::Difference(directory.display().to_string()));
    }
    say("  All sums agree, to the cent.");
    Ok(())
}
