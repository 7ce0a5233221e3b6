//! Removals: commits whose events leave the log, and the stubs that replace them.
//!
//! A stub contains the head of the commit without its metadata, the reason why the events are missing,
//! and the hash of the original bytes, so that the chain stays intact.

use actuarius_domain::{CommandId, StreamId};
use bytes::Bytes;
use uuid::Uuid;

use super::commit::Commit;
use super::frame::{put_head, seal_frame};
use super::gone::Gone;
use super::{FRAME_HEAD, STUB};
use crate::wire::put_varint;

/// A commit whose events are to be removed from the log.
///
/// Its position, its hash and the reason of the removal stay. A commit that does not exist or is
/// already removed is not changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    pub(crate) stream: StreamId,
    /// The position of the first event of the commit.
    pub position: u64,
    /// Where the events go.
    pub gone: Gone,
}

impl Removal {
    /// Creates the removal of a commit that was read from the same store.
    #[must_use]
    pub fn of(commit: &Commit, gone: Gone) -> Self {
        Self { stream: commit.stream(), position: commit.position().get(), gone }
    }

    /// Returns whether the removal would change the commit. For engines.
    #[must_use]
    pub fn concerns(&self, commit: &Commit) -> bool {
        commit.view().belongs_to(&self.stream)
            && commit.gone() != Some(self.gone)
            && commit.gone() != Some(Gone::Removed)
    }
}

/// Returns the frame of the stub that replaces `commit`. For engines.
///
/// # Panics
/// Never: names and numbers are far below the largest commit.
#[must_use]
pub fn frame(commit: &Commit, gone: Gone) -> Bytes {
    let view = commit.view();
    let mut out = vec![0; FRAME_HEAD];
    let names = (view.category, view.id);
    put_head(&mut out, STUB, names, view.version, view.time, CommandId::from(Uuid::nil()));
    put_varint(&mut out, view.events);
    gone.put(&mut out, commit.hash());
    seal_frame(&mut out).expect("names and numbers are far below the largest commit");
    out.into()
}
