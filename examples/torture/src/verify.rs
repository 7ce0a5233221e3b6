//! Checks each aggregate, read on its own, against the log.

use std::path::Path;
use std::time::Duration;

use actuarius::error::QuarantineReason;
use actuarius::{Aggregate, Aggregates, Failure, OpenError, Runtime, Version};

use crate::log::{Log, Stream};
use crate::{Item, Journal};

/// The time limit for closing the store.
const CLOSING: Duration = Duration::from_secs(60);

/// A finding of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// A command is stored completely and unchanged.
    Found(Item),
    /// An order for a transfer is stored, and the transfer has ended.
    Ended(String),
    /// The position of a follower.
    At(String),
    /// An error that the library did not report.
    Bad(String),
    /// Damage that the library reported.
    Damaged(String),
}

/// Opens the store in `directory` through the public API and reports all findings.
///
/// # Errors
/// [`OpenError`] if the store does not open.
pub async fn verify(
    directory: &Path,
    on_finding: &mut impl FnMut(Finding),
) -> Result<(), OpenError> {
    let runtime = Runtime::open(directory).await?;
    let journals = runtime.host::<Journal>();
    let walked = match runtime.reader() {
        Ok(reader) => Log::walk(&*reader, on_finding),
        Err(error) => Err(error),
    };
    match walked {
        Err(error) => on_finding(Finding::Damaged(error.to_string())),
        Ok(log) => {
            for (id, stream) in &log.streams {
                if let Err(finding) = check(&journals, id, stream).await {
                    on_finding(finding);
                }
            }
        }
    }
    if !runtime.shutdown(CLOSING).await.is_clean() {
        on_finding(Finding::Bad("the store did not close in time".to_owned()));
    }
    if let actuarius::health::Status::Poisoned(failure) = runtime.health().status {
        on_finding(Finding::Damaged(failure.to_string()));
    }
    Ok(())
}

/// Compares the events of one aggregate, read on its own, with those in the log, and its state, which may come from a
/// snapshot, with a replay of its events.
async fn check(journals: &Aggregates<Journal>, id: &str, log: &Stream) -> Result<(), Finding> {
    let name = |failure: Failure| finding(id, &failure);
    let version = journals.version(id).await.map_err(name)?;
    if version != log.version() {
        let last = log.version();
        return Err(bad(id, &format!("at version {version}, but at {last} in the log")));
    }
    let (stream, replayed) = read(journals, id).await.map_err(name)?;
    if stream != *log {
        return Err(bad(id, "its events are not those in the log"));
    }
    let state = journals.query(id, Journal::clone).await.map_err(name)?;
    if state != replayed {
        let (now, then) = (state.events, replayed.events);
        return Err(bad(id, &format!("its state ({now} events) is not its replay ({then})")));
    }
    Ok(())
}

/// All events of an aggregate, and the state that results from them.
async fn read(journals: &Aggregates<Journal>, id: &str) -> Result<(Stream, Journal), Failure> {
    let (mut stream, mut journal) = (Stream::default(), Journal::default());
    let mut after = Version::NONE;
    loop {
        let page = journals.events(id, after).await?;
        let Some(last) = page.last() else { return Ok((stream, journal)) };
        after = last.header.version;
        for envelope in &page {
            journal.apply(&envelope.event);
            stream.push(envelope.header.version, envelope.header.position, &envelope.event);
        }
    }
}

fn bad(id: &str, what: &str) -> Finding {
    Finding::Bad(format!("{id}: {what}"))
}

/// Classifies a failure: damage that the library reports is expected, every other failure is an error.
fn finding(id: &str, failure: &Failure) -> Finding {
    let is_damage = match failure {
        Failure::Unreadable(_) => true,
        Failure::Quarantined(why) => {
            matches!(why.reason, QuarantineReason::Damaged(_) | QuarantineReason::SnapshotAhead(_))
        }
        _ => false,
    };
    let what = format!("{id}: {failure}");
    if is_damage { Finding::Damaged(what) } else { Finding::Bad(what) }
}
