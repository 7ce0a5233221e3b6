//! The arguments of the command line: every subcommand, its flags and their help texts.

use std::path::PathBuf;

use actuarius::history::TimePolicy;
use actuarius::store::backup::Until;
use actuarius::store::chain::ChainEnd;
use actuarius::{Position, StreamId, Version};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::error::ToolError;
use crate::moment::At;

const LONG_ABOUT: &str = "\
Inspects, checks and copies the store of a runtime that is not running, or a backup, which it never changes.

The exit code is 0 on success, 1 if a problem was found (for example damage), and 2 if an argument is \
invalid or the work could not be done.";

/// Inspects, checks and copies the store of a runtime that is not running.
///
/// To offer the commands as a subcommand of your own program, parse this with `clap` and pass it to
/// [`Tool::run_with`](crate::Tool::run_with).
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, long_about = LONG_ABOUT)]
pub struct Arguments {
    /// The directory of the store
    #[arg(long, short, global = true, env = "ACTUARIUS_STORE", value_name = "DIR")]
    pub(crate) store: Option<PathBuf>,
    /// The file of the master keys, which read and forget personal data
    #[arg(long, global = true, env = "ACTUARIUS_MASTER_KEYS", value_name = "FILE")]
    pub(crate) master_keys: Option<PathBuf>,
    /// Read what is left of a store that does not open, or ends before its last acknowledged event. The store is
    /// copied to a temporary directory, and only the copy is opened
    #[arg(long, global = true)]
    pub(crate) forensics: bool,
    /// Write JSON: one document, or one document per line for lists
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the identity, size and end of the log of a store; for a backup, its runs
    Info,
    /// List all streams, in the order in which they began
    Streams(Streams),
    /// Show the state of one aggregate, now or in the past
    Show(Show),
    /// List the last events of the log
    Tail(Tail),
    /// List the events of one stream, with the state after each if its type is registered
    History(History),
    /// List the subscriptions, their positions, and their parked events
    Subscriptions,
    /// Count the instances of each saga by status; list the instances of one saga, or the steps of one instance
    Sagas(Sagas),
    /// List or skip the events that a subscription has parked, or let its next start retry them
    #[command(subcommand)]
    Parked(Parked),
    /// Check that everything in a store or a backup is as it was stored
    Verify(Verify),
    /// Take a backup; into an existing backup, of what is new since its last run
    Backup {
        /// The directory of the backup, created if it does not exist
        to: PathBuf,
    },
    /// Restore a backup into an empty directory
    Restore(Restore),
    /// Move events into the archive, from which they can still be read
    Archive(Archive),
    /// Delete a stream permanently
    Delete(Delete),
    /// Forget a data subject permanently: destroy its key, and remove views that may contain its clear text
    Forget(Forget),
    /// Count or rewrap the keys of data subjects
    #[command(subcommand)]
    Keys(Keys),
    /// Rewrite the store without the space of archived and deleted events
    Compact,
    /// Write events as lines of JSON, from which they can be imported byte for byte
    Export(Export),
    /// Read exported lines into a store
    Import {
        /// The file, or `-` for standard input
        from: PathBuf,
        /// The directory of the store, created if it does not exist
        to: PathBuf,
    },
}

impl Command {
    /// Whether the command reads one store and changes nothing, so that it can work on a damaged one.
    pub(crate) fn only_reads(&self) -> bool {
        match self {
            Self::Info
            | Self::Streams(_)
            | Self::Show(_)
            | Self::Tail(_)
            | Self::History(_)
            | Self::Subscriptions
            | Self::Sagas(_)
            | Self::Verify(_)
            | Self::Export(_)
            | Self::Parked(Parked::List { .. }) => true,
            Self::Parked(Parked::Skip { .. } | Parked::Retry { .. })
            | Self::Backup { .. }
            | Self::Restore(_)
            | Self::Archive(_)
            | Self::Delete(_)
            | Self::Forget(_)
            | Self::Keys(_)
            | Self::Compact
            | Self::Import { .. } => false,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Streams {
    /// Only streams of this aggregate type
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) aggregate_type: Option<String>,
    /// Only streams whose ids begin with this text
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) prefix: String,
    /// The maximum number of streams
    #[arg(long, short = 'n', alias = "number", value_name = "N", default_value_t = u64::MAX, hide_default_value = true)]
    pub(crate) limit: u64,
}

/// Names a stream.
#[derive(Debug, Args)]
pub(crate) struct Stream {
    /// The stream as TYPE/ID, where the type ends at the first slash
    #[arg(value_name = "STREAM")]
    name: String,
    /// The aggregate type; STREAM is then the id alone
    #[arg(long = "type", value_name = "TYPE")]
    aggregate_type: Option<String>,
}

impl Stream {
    pub(crate) fn id(&self) -> Result<StreamId, ToolError> {
        match &self.aggregate_type {
            Some(category) => Ok(StreamId::new(category.as_str(), self.name.as_str())?),
            None => stream(&self.name),
        }
    }
}

/// Parses `TYPE/ID`.
pub(crate) fn stream(name: &str) -> Result<StreamId, ToolError> {
    let wrong = || ToolError::Other(format!("{name:?} is not a stream: expected TYPE/ID"));
    let (category, id) = name.split_once('/').ok_or_else(wrong)?;
    Ok(StreamId::new(category, id)?)
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    #[command(flatten)]
    pub(crate) stream: Stream,
    /// A version (17), a position of the log (position:1234) or a time (2026-11-21T10:00:00Z), in UTC if it
    /// names no zone; a day means the end of that day
    #[arg(long, value_name = "WHEN")]
    pub(crate) at: Option<At>,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// An end of the chain noted earlier, as POSITION:LINK, which `info` shows: the history up to there must be
    /// unchanged
    #[arg(long, value_name = "POSITION:LINK")]
    pub(crate) expect: Vec<ChainEnd>,
    /// Also decode every event of the registered types, and compare each of their snapshots with the state that its
    /// events produce. It checks nothing more in a program without registered types
    #[arg(long)]
    pub(crate) full: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The directory of the backup
    pub(crate) from: PathBuf,
    /// The directory of the new store
    pub(crate) to: PathBuf,
    /// Restore up to this position of the log or this time
    #[arg(long, value_name = "POSITION|TIME", value_parser = until)]
    pub(crate) at: Option<Until>,
    /// With a time, if a clock was wrong: whether commits with times up to it are restored that are stored after
    /// the first commit with a later time
    #[arg(long, value_name = "WHAT", requires = "at")]
    pub(crate) out_of_order: Option<OutOfOrder>,
}

/// What happens to commits that are out of order.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum OutOfOrder {
    /// Restore up to the last commit with a time up to the given one
    Include,
    /// Restore up to the first commit with a later time
    Exclude,
}

impl Restore {
    /// Returns the point up to which is restored.
    pub(crate) fn until(&self) -> Until {
        match (self.at.unwrap_or_default(), self.out_of_order) {
            (Until::Time(time), Some(OutOfOrder::Include)) => {
                Until::TimeWith(time, TimePolicy::AfterLastEarlier)
            }
            (Until::Time(time), Some(OutOfOrder::Exclude)) => {
                Until::TimeWith(time, TimePolicy::BeforeFirstLater)
            }
            (until, _) => until,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Archive {
    /// One stream as TYPE/ID
    #[arg(value_name = "STREAM", conflicts_with_all = ["aggregate_type", "prefix"])]
    pub(crate) stream: Option<String>,
    /// All streams of this aggregate type
    #[arg(long = "type", value_name = "TYPE", required_unless_present = "stream")]
    pub(crate) aggregate_type: Option<String>,
    /// Of this type, only streams whose ids begin with this text
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) prefix: String,
    /// Move all events, for aggregates that are closed. Without this flag, only events that the newest snapshot
    /// covers are moved
    #[arg(long)]
    pub(crate) whole: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Delete {
    #[command(flatten)]
    pub(crate) stream: Stream,
    /// The id may be used again; versions continue
    #[arg(long)]
    pub(crate) reusable: bool,
    /// Delete it even if subscriptions have not finished its events, which they then never receive
    #[arg(long)]
    pub(crate) despite_lag: bool,
    /// Confirm the deletion
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Forget {
    /// The subject, as the program names it
    pub(crate) subject: String,
    /// Confirm that the subject is forgotten
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Show the number of keys, and the master keys that wrap them
    Info,
    /// Wrap all keys with the current master key, so that no other master key is needed afterwards
    Rotate,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The file, which must not exist yet; without it, standard output
    pub(crate) to: Option<PathBuf>,
    /// Only streams of this aggregate type
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) aggregate_type: Option<String>,
    /// Only streams whose ids begin with this text
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) prefix: String,
    /// Only up to this position
    #[arg(long, value_name = "POSITION", value_parser = position)]
    pub(crate) at: Option<Position>,
}

#[derive(Debug, Args)]
pub(crate) struct Tail {
    /// The number of events
    #[arg(long, short = 'n', alias = "limit", value_name = "N", default_value_t = 10)]
    pub(crate) number: u64,
    /// The first N events after this position, instead of the last ones
    #[arg(long, value_name = "POSITION", value_parser = position)]
    pub(crate) after: Option<Position>,
}

#[derive(Debug, Args)]
pub(crate) struct History {
    #[command(flatten)]
    pub(crate) stream: Stream,
    /// Start at this version
    #[arg(long, value_name = "VERSION", default_value = "1", value_parser = version)]
    pub(crate) from: Version,
    /// The maximum number of events
    #[arg(long, short = 'n', alias = "number", value_name = "N", default_value_t = u64::MAX, hide_default_value = true)]
    pub(crate) limit: u64,
    /// Omit the state after each event
    #[arg(long)]
    pub(crate) no_state: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Sagas {
    /// List the instances of this saga; with /ID, the steps of one instance
    #[arg(value_name = "SAGA[/ID]")]
    pub(crate) saga: Option<String>,
    /// Include instances that have ended recently
    #[arg(long)]
    pub(crate) ended: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Parked {
    /// List the first parked event of each key, or the parked events of one key
    List {
        /// The subscription
        subscription: String,
        /// The key
        key: Option<String>,
        /// Only events whose last error begins with this text
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        error: String,
    },
    /// Let the next start of the subscription retry parked events: of one key, or of all keys
    Retry {
        /// The subscription
        subscription: String,
        /// The key
        key: Option<String>,
        /// Only keys whose first event failed with an error that begins with this text
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        error: String,
    },
    /// Drop the first event parked under a key: it is never handled. The next start of the subscription retries the
    /// later events of the key
    Skip {
        /// The subscription
        subscription: String,
        /// The key
        key: String,
        /// The position of that event, so that no other event is dropped
        #[arg(long, value_name = "POSITION", value_parser = position)]
        position: Position,
    },
}

fn position(text: &str) -> Result<Position, std::num::ParseIntError> {
    text.parse().map(Position::new)
}

/// Parses a moment of the log, which has no versions: a plain number is a position.
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
