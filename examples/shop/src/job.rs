use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use shop::{Books, History, HistoryError, Shop, Totals, Trouble};
use thiserror::Error;

use crate::Arguments;
use crate::progress::{self, Shown};
use crate::report::{self, say};

/// How many of the best customers are shown.
const BEST: usize = 10;

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

/// The whole job, a section of the report for each step.
pub(crate) async fn run(arguments: &Arguments) -> Result<(), Failed> {
    say(report::HEADLINE);
    let history = History::read(&arguments.file)?;
    say(report::input(&arguments.file, &history));

    let shop = Shop::open(&arguments.data).await?;
    replay(&shop, &history, arguments).await?;
    let before = shop.books(&history, BEST).await?;
    say(report::best(&before.best));
    shop.close().await?;

    let after = reopened(&arguments.data, &history).await?;
    prove(&arguments.data, &history.totals, &before, &after)
}

async fn replay(shop: &Shop, history: &History, arguments: &Arguments) -> Result<(), Failed> {
    say(report::replay_begins(arguments.clients, &arguments.data));
    let shown = Arc::new(Shown::new(history.totals.purchases));
    let watch = Arc::new(Instant::now());
    let replayed = shop.replay(history, arguments.clients, watch, shown.clone()).await;
    progress::end(&shown);
    say(report::replayed(&replayed?));
    Ok(())
}

/// Opens the shop once more, as after a restart of the machine: all it knows is what is on disk.
async fn reopened(directory: &Path, history: &History) -> Result<Books, Failed> {
    let shop = Shop::open(directory).await?;
    let books = shop.books(history, BEST).await?;
    say(report::on_disk(directory, &shop.on_disk()?));
    shop.close().await?;
    Ok(books)
}

fn prove(directory: &Path, file: &Totals, before: &Books, after: &Books) -> Result<(), Failed> {
    let rows = [
        ("lines of the file", file),
        ("customers, before closing", &before.totals),
        ("customers, after reopening", &after.totals),
    ];
    say(report::proof(&rows));
    if *file != before.totals || before != after {
        return Err(Failed::Difference(directory.display().to_string()));
    }
    say("  All sums agree, to the cent.");
    Ok(())
}
