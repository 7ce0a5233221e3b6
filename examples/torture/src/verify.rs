use std::path::Path;
use std::time::Duration;

use actuarius::error::QuarantineReason;
use actuarius::{Aggregate, Aggregates, Failure, OpenError, Runtime, Version};

use crate::log::{Log, Stream};
use crate::{Item, Journal};

/// How long closing the store may take.
const CLOSING: Duration = Duration::from_secs(60);

/// What a verification has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// A command is stored, whole and unchanged.
    Found(Item),
    /// An order for a transfer is stored, and the transfer has ended.
    Ended(String),
    /// How far a follower has come.
    At(String),
    /// Something is wrong that the library passed off as right.
    Bad(String),
    /// Something is wrong, and the library says so.
    Damaged(String),
}

/// Opens the store in `directory` through the public API and tells everything about it.
///
/// # Errors
/// [`OpenError`] when it does not open.
pub async fn verify(directory: &Path, tell: &mut impl FnMut(Finding)) -> Result<(), OpenError> {
    let runtime = Runtime::open(directory).await?;
    let journals = runtime.host::<Journal>();
    let walked = match runtime.reader() {
        Ok(reader) => Log::walk(&*reader, tell),
        Err(error) => Err(error),
    };
    match walked {
        Err(error) => tell(Finding::Damaged(error.to_string())),
        Ok(log) => {
            for (id, stream) in &log.streams {
                if let Err(finding) = check(&journals, id, stream).await {
                    tell(finding);
                }
            }
        }
    }
    if !runtime.shutdown(CLOSING).await.is_clean() {
        tell(Finding::Bad("the store did not close in time".to_owned()));
    }
    if let actuarius::health::Status::Poisoned(failure) = runtime.health().status {
        tell(Finding::Damaged(failure.to_string()));
    }
    Ok(())
}

/// Holds one aggregate, read on its own, against what the log holds of it, and its state, which may
/// come from a snapshot, against a replay of its events.
async fn check(journals: &Aggregates<Journal>, id: &str, log: &Stream) -> Result<(), Finding> {
    let name = |failure: Failure| told(id, &failure);
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

/// All events of an aggregate, and the state that follows from them.
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

/// Damage that the library names is not hidden; everything else should not have come.
fn told(id: &str, failure: &Failure) -> Finding {
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
