//! What the history of an aggregate says about its timers: whether a command was carried out, and what came last.

use actuarius_domain::{CommandId, Metadata, Position, StreamId, Timestamp, Version};
use actuarius_persistence::{PageLimit, ReadError, Reader};

use crate::base::stored_commit::commit_with;

/// How many versions are read at once.
const VERSIONS_AT_ONCE: u64 = 512;

/// Returns whether a command was carried out since the time `since`, searching back from the end of the stream to the
/// last deletion. The times of the commits of a stream never go back.
pub(super) fn was_carried_out(
    reader: &dyn Reader,
    stream: &StreamId,
    command: CommandId,
    since: Timestamp,
) -> Result<bool, ReadError> {
    let mut until = reader.version(stream)?;
    while until > Version::NONE {
        let from = Version::new(until.get().saturating_sub(VERSIONS_AT_ONCE));
        let (mut after, mut is_found, mut reaches_back) = (from, false, false);
        while after < until {
            let page = reader.read_stream(stream, after, Position::NONE, PageLimit::default())?;
            let Some(last) = page.commits.last() else { break };
            for view in page.commits.iter().map(|commit| commit.view()) {
                let is_end = view.events().any(|event| event.deletion().is_some());
                is_found = !is_end && (is_found || view.command_id == command);
                reaches_back |= is_end || view.time < since;
            }
            after = last.view().last_version();
        }
        if is_found || reaches_back {
            return Ok(is_found);
        }
        until = from;
    }
    Ok(false)
}

/// Returns what has led to the state of an aggregate: its last commit is the cause of what a timer sends now.
pub(super) fn cause(reader: &dyn Reader, stream: &StreamId) -> Result<Metadata, ReadError> {
    let version = reader.version(stream)?;
    if version == Version::NONE {
        return Ok(Metadata::default());
    }
    let commit = commit_with(reader, stream, version)?.filter(|commit| commit.gone().is_none());
    Ok(commit.map_or_else(Metadata::default, |commit| {
        let view = commit.view();
        Metadata {
            correlation: Some(
                view.correlation_id.unwrap_or_else(|| view.command_id.as_uuid().into()),
            ),
            causation: Some(view.command_id.into()),
            ..Metadata::default()
        }
    }))
}
