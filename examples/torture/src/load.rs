//! The clients that send commands and print their promises.

use std::fmt::Display;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use actuarius::{Aggregates, Failure, Position, Receipt};
use fastrand::Rng;

use crate::{Item, Journal, Stopped, WriteOptions};

/// The state shared by the clients of one run.
pub(crate) struct Load {
    options: WriteOptions,
    journals: Aggregates<Journal>,
    /// The first part of every item's id.
    run: String,
    until: Option<Instant>,
    /// The number of commands begun.
    taken: AtomicU64,
    /// Set if a client has stopped after a failure, which stops all clients.
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

    /// Sends commands one after another until all are sent or a failure occurs.
    pub(crate) async fn client(self: Arc<Self>, number: u32) -> Result<(), Stopped> {
        let mut rng = Rng::with_seed(self.options.seed.wrapping_add(u64::from(number)));
        let mut sent = 0;
        while self.continues() {
            sent += 1;
            let parts = rng.u32(1..=self.options.parts.max(1));
            let item = Item::new(&self.run, number, sent, parts, self.options.payload_bytes);
            let journal = rng.u32(0..self.options.ids.max(1)).to_string();
            let ended = self.turn(&journal, &item).await;
            if ended.is_err() {
                self.stopped.store(true, Ordering::Relaxed);
                return ended;
            }
            if rng.f64() < self.options.passivation_chance {
                // A number is a valid id, and it does not matter whether the aggregate is active.
                let _ = self.journals.passivate(journal);
            }
        }
        Ok(())
    }

    fn continues(&self) -> bool {
        !self.stopped.load(Ordering::Relaxed)
            && self.until.is_none_or(|until| Instant::now() < until)
            && self.taken.fetch_add(1, Ordering::Relaxed) < self.options.most_commands()
    }

    async fn turn(&self, journal: &str, item: &Item) -> Result<(), Stopped> {
        say("TRY", item)?;
        match self.journals.execute(journal, item.clone()).command_id(item.id()).await {
            Ok(receipt) if is_first(&receipt, item) => say("ACK", item),
            Ok(receipt) => print_error(item, &format!("error: acknowledged as {receipt:?}")),
            Err(error) => match error.failure() {
                // Nothing was written, and the next command may be accepted.
                Some(Failure::Overloaded(_)) => print_error(item, &error).or(Ok(())),
                _ => print_error(item, &error),
            },
        }
    }
}

/// Whether this execution wrote the command with all its events.
fn is_first(receipt: &Receipt, item: &Item) -> bool {
    !receipt.repeated && receipt.events == u64::from(item.parts())
}

/// Prints a line in a single write, so that a reader can act on it at once.
pub(crate) fn say(word: &str, what: &impl Display) -> Result<(), Stopped> {
    let line = format!("{word} {what}\n");
    let mut out = io::stdout().lock();
    out.write_all(line.as_bytes()).and_then(|()| out.flush()).map_err(Stopped::Output)
}

fn print_error(item: &Item, why: &impl ToString) -> Result<(), Stopped> {
    eprintln!("ERR {item} {}", why.to_string());
    Err(Stopped::Failed)
}
