use std::path::PathBuf;

use actuarius::store::backup::Until;
use actuarius::store::chain::ChainEnd;
use actuarius::{Position, StreamId, Version};
use clap::{Args, Parser, Subcommand};

use crate::moment::At;
use crate::trouble::Trouble;

const LONG_ABOUT: &str = "\
Looks into the store of a runtime that is not running, checks it and copies it; of a backup a copy.

The exit code is 0 when all is well, 1 when something was found that should not be (damage), and 2 when an \
argument cannot be used or the work could not be done.";

/// Looks into the store of a runtime that is not running, checks it and copies it.
///
/// For a subcommand of a program of your own: parse it with `clap`, and give it to
/// [`Tool::run_with`](crate::Tool::run_with).
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, long_about = LONG_ABOUT)]
pub struct Arguments {
    /// The directory of the store
    #[arg(long, short, global = true, env = "ACTUARIUS_STORE", value_name = "DIR")]
    pub(crate) store: Option<PathBuf>,
    /// The file of the master keys, to read and to forget personal data
    #[arg(long, global = true, env = "ACTUARIUS_MASTER_KEYS", value_name = "FILE")]
    pub(crate) master_keys: Option<PathBuf>,
    /// Write JSON: one document, or one for each line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// What the store is: its identity, the end of its log, its size; of a backup its runs
    Info,
    /// All streams, in the order in which they began
    Streams(Streams),
    /// What one aggregate is, or was
    Show(Show),
    /// The last events of the log
    Tail(Tail),
    /// The events of one stream, with the state behind each if its type is registered
    History(History),
    /// The subscriptions, how far each is, and what it has parked
    Subscriptions,
    /// The sagas and how many instances of each are where; or the instances of one
    Sagas(Sagas),
    /// Events that a subscription has set aside
    #[command(subcommand)]
    Parked(Parked),
    /// Checks that everything in a store or a backup is what was stored
    Verify(Verify),
    /// Takes a backup; into a directory that has one, of what is new since
    Backup {
        /// The directory of the backup, made if it is not there
        to: PathBuf,
    },
    /// Restores a backup into an empty directory
    Restore(Restore),
    /// Moves events into the archive, from where they are read as before
    Archive(Archive),
    /// Deletes a stream for good
    Delete(Delete),
    /// Forgets a data subject for good: destroys its key, and removes views that may hold its clear text
    Forget(Forget),
    /// The keys of data subjects
    #[command(subcommand)]
    Keys(Keys),
    /// Gives back the room of what was archived or deleted
    Compact,
    /// Writes events as lines of JSON from which they can be imported byte by byte
    Export(Export),
    /// Reads exported lines into a store
    Import {
        /// The file; `-` is standard input
        from: PathBuf,
        /// The directory of the store, made if it is not there
        to: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Streams {
    /// Only streams of this aggregate type
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) aggregate_type: Option<String>,
    /// Only streams whose ids begin with this
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) prefix: String,
    /// At most so many
    #[arg(long, short = 'n', value_name = "N", default_value_t = u64::MAX, hide_default_value = true)]
    pub(crate) limit: u64,
}

/// How a stream is named.
#[derive(Debug, Args)]
pub(crate) struct Stream {
    /// The stream, as TYPE/ID: the type goes up to the first slash
    #[arg(value_name = "STREAM")]
    name: String,
    /// The aggregate type; STREAM is then the id alone
    #[arg(long = "type", value_name = "TYPE")]
    aggregate_type: Option<String>,
}

impl Stream {
    pub(crate) fn id(&self) -> Result<StreamId, Trouble> {
        match &self.aggregate_type {
            Some(category) => Ok(StreamId::new(category.as_str(), self.name.as_str())?),
            None => stream(&self.name),
        }
    }
}

/// The stream `TYPE/ID`.
pub(crate) fn stream(name: &str) -> Result<StreamId, Trouble> {
    let wrong = || Trouble::Other(format!("{name:?} names no stream: write TYPE/ID"));
    let (category, id) = name.split_once('/').ok_or_else(wrong)?;
    Ok(StreamId::new(category, id)?)
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    #[command(flatten)]
    pub(crate) stream: Stream,
    /// When: a version (17), a position of the log (position:1234) or a time, in UTC unless it says otherwise
    /// (2026-11-21T10:00:00Z); a day is the end of that day
    #[arg(long, value_name = "WHEN")]
    pub(crate) at: Option<At>,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The end of the chain as it was noted once, as POSITION:LINK: the history up to there must be the same.
    /// `info` tells it
    #[arg(long, value_name = "POSITION:LINK")]
    pub(crate) expect: Vec<ChainEnd>,
    /// Also that each snapshot of a registered type is what its events come to
    #[arg(long)]
    pub(crate) full: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The directory of the backup
    pub(crate) from: PathBuf,
    /// The directory of the new store
    pub(crate) to: PathBuf,
    /// Up to when: a position of the log, or a time
    #[arg(long, value_name = "POSITION|TIME", value_parser = until)]
    pub(crate) at: Option<Until>,
}

#[derive(Debug, Args)]
pub(crate) struct Archive {
    /// One stream, as TYPE/ID
    #[arg(value_name = "STREAM", conflicts_with_all = ["aggregate_type", "prefix"])]
    pub(crate) stream: Option<String>,
    /// All streams of this aggregate type
    #[arg(long = "type", value_name = "TYPE", required_unless_present = "stream")]
    pub(crate) aggregate_type: Option<String>,
    /// Of these, the ones whose ids begin with this
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) prefix: String,
    /// All events, of aggregates that are closed. Otherwise those that the newest snapshot holds
    #[arg(long)]
    pub(crate) whole: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Delete {
    #[command(flatten)]
    pub(crate) stream: Stream,
    /// The id may be used again; versions go on
    #[arg(long)]
    pub(crate) reusable: bool,
    /// Yes, delete it
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Forget {
    /// The subject, as the program calls it
    pub(crate) subject: String,
    /// Yes, forget it
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// How many there are, and which master keys they are wrapped with
    Info,
    /// Wraps all of them with the current master key: no other one is needed behind it
    Rotate,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The file, which must not be there yet; standard output unless told
    pub(crate) to: Option<PathBuf>,
    /// Only streams of this aggregate type
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) aggregate_type: Option<String>,
    /// Only streams whose ids begin with this
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) prefix: String,
    /// Only up to this position
    #[arg(long, value_name = "POSITION", value_parser = position)]
    pub(crate) at: Option<Position>,
}

#[derive(Debug, Args)]
pub(crate) struct Tail {
    /// How many events
    #[arg(long, short = 'n', value_name = "N", default_value_t = 10)]
    pub(crate) number: u64,
    /// The first N events behind this position, instead of the last ones
    #[arg(long, value_name = "POSITION", value_parser = position)]
    pub(crate) after: Option<Position>,
}

#[derive(Debug, Args)]
pub(crate) struct History {
    #[command(flatten)]
    pub(crate) stream: Stream,
    /// Begin with this version
    #[arg(long, value_name = "VERSION", default_value = "1", value_parser = version)]
    pub(crate) from: Version,
    /// At most so many events
    #[arg(long, short = 'n', value_name = "N", default_value_t = u64::MAX, hide_default_value = true)]
    pub(crate) limit: u64,
    /// Without the state behind each event
    #[arg(long)]
    pub(crate) no_state: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Sagas {
    /// List the instances of this saga; with /ID, the steps of one instance
    #[arg(value_name = "SAGA[/ID]")]
    pub(crate) saga: Option<String>,
    /// List also those that have ended lately
    #[arg(long)]
    pub(crate) ended: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Parked {
    /// The first parked event of each key; or all that are listed of one key
    List {
        /// The subscription
        subscription: String,
        /// The key
        key: Option<String>,
    },
    /// Drop the first event parked under a key: it is never handled. Those behind it stay parked
    Skip {
        /// The subscription
        subscription: String,
        /// The key
        key: String,
        /// The position of the event, so that no other one is dropped
        #[arg(long, value_name = "POSITION", value_parser = position)]
        position: Position,
    },
}

fn position(text: &str) -> Result<Position, std::num::ParseIntError> {
    text.parse().map(Position::new)
}

/// In a log there are no versions: a number is a position.
fn until(text: &str) -> Result<Until, String> {
    Ok(match text.parse()? {
        At::Version(version) => Until::Position(Position::new(version.get())),
        At::Position(position) => Until::Position(position),
        At::Time(time) => Until::Time(time),
    })
}

fn version(text: &str) -> Result<Version, std::num::ParseIntError> {
    text.parse().map(Version::new)
}
