//! Reads single commits of a stream, also those whose events were removed.

use actuarius_domain::{StreamId, Version};
use actuarius_persistence::{Commit, PageLimit, ReadError, Reader};

/// Reads the commit that contains the event of this version, which must not be [`Version::NONE`].
pub(crate) fn commit_with(
    reader: &dyn Reader,
    stream: &StreamId,
    version: Version,
) -> Result<Option<Commit>, ReadError> {
    let before = Version::new(version.get() - 1);
    let one = PageLimit { commits: 1, bytes: 0 };
    let page = reader.maintenance().read_raw_stream(stream, before, one)?;
    Ok(page.commits.into_iter().next())
}

/// Returns whether the commit deletes the aggregate.
pub(crate) fn is_deletion(commit: &Commit) -> bool {
    commit.view().events().any(|event| event.deletion().is_some())
}
