use std::fmt::Display;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use actuarius::{Aggregates, Failure, Position, Receipt};
use fastrand::Rng;

use crate::{Item, Journal, Stopped, WriteOptions};

/// What the clients of one run share.
pub(crate) struct Load {
    options: WriteOptions,
    journals: Aggregates<Journal>,
    /// The first part of every item's id.
    run: String,
    until: Option<Instant>,
    /// How many commands have been taken on.
    taken: AtomicU64,
    /// A client has stopped for a failure, so all do.
    stopped: AtomicBool,
}

impl Load {
    pub(crate) fn new(
        options: &WriteOptions,
        journals: Aggregates<Journal>,
        head: Position,
    ) -> Arc<Self> {
        let seconds = options.seconds.map(Duration::from_secs_f64);
        Arc::new(Self {
            options: options.clone(),
            journals,
            run: format!("{:x}-{head}", options.seed),
            until: seconds.map(|time| Instant::now() + time),
            taken: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
        })
    }

    /// Sends commands, one after the other, until the load is done or something fails.
    pub(crate) async fn client(self: Arc<Self>, number: u32) -> Result<(), Stopped> {
        let mut dice = Rng::with_seed(self.options.seed.wrapping_add(u64::from(number)));
        let mut sent = 0;
        while self.goes_on() {
            sent += 1;
            let parts = dice.u32(1..=self.options.parts.max(1));
            let item = Item::new(&self.run, number, sent, parts, self.options.payload_bytes);
            let journal = dice.u32(0..self.options.ids.max(1)).to_string();
            let ended = self.turn(&journal, &item).await;
            if ended.is_err() {
                self.stopped.store(true, Ordering::Relaxed);
                return ended;
            }
            if dice.f64() < self.options.passivation_chance {
                // A digit is a valid id, and whether the aggregate is in memory does not matter.
                let _ = self.journals.passivate(journal);
            }
        }
        Ok(())
    }

    fn goes_on(&self) -> bool {
        !self.stopped.load(Ordering::Relaxed)
            && self.until.is_none_or(|until| Instant::now() < until)
            && self.taken.fetch_add(1, Ordering::Relaxed) < self.options.most_commands()
    }

    async fn turn(&self, journal: &str, item: &Item) -> Result<(), Stopped> {
        say("TRY", item)?;
        match self.journals.execute(journal, item.clone()).command_id(item.id()).await {
            Ok(receipt) if is_first(&receipt, item) => say("ACK", item),
            Ok(receipt) => complain(item, &format!("error: acknowledged as {receipt:?}")),
            Err(error) => match error.failure() {
                // Nothing was written and nothing is wrong: the next command may fit.
                Some(Failure::Overloaded(_)) => complain(item, &error).or(Ok(())),
                _ => complain(item, &error),
            },
        }
    }
}

/// Whether the command was carried out now, with all its events.
fn is_first(receipt: &Receipt, item: &Item) -> bool {
    !receipt.repeated && receipt.events == u64::from(item.parts())
}

/// One line, one write: whoever reads it may act on it at once.
pub(crate) fn say(word: &str, what: &impl Display) -> Result<(), Stopped> {
    let line = format!("{word} {what}\n");
    let mut out = io::stdout().lock();
    out.write_all(line.as_bytes()).and_then(|()| out.flush()).map_err(Stopped::Unheard)
}

fn complain(item: &Item, why: &impl ToString) -> Result<(), Stopped> {
    eprintln!("ERR {item} {}", why.to_string());
    Err(Stopped::Failed)
}
