//! What is left of a commit whose events are not in the log any more.
//!
//! A stub has the head of the commit without what the caller sent along, says where the events have
//! gone, and keeps the hash of the bytes that were there: the chain goes on through it.

use actuarius_domain::{CommandId, StreamId};
use bytes::Bytes;
use uuid::Uuid;

use super::commit::Commit;
use super::frame::{put_head, seal_frame};
use super::gone::Gone;
use super::{FRAME_HEAD, STUB};

/// A commit whose events are to leave the log.
///
/// What stays is where it stood, its hash, and where its events went. A commit that is not there, or
/// has been removed, is left as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    pub(crate) stream: StreamId,
    pub position: u64,
    pub gone: Gone,
}

impl Removal {
    /// The removal of a commit, which was read from the same store.
    #[must_use]
    pub fn of(commit: &Commit, gone: Gone) -> Self {
        Self { stream: commit.stream(), position: commit.position().get(), gone }
    }

    /// Whether this would change the commit.
    pub fn concerns(&self, commit: &Commit) -> bool {
        commit.view().belongs_to(&self.stream)
            && commit.gone() != Some(self.gone)
            && commit.gone() != Some(Gone::Removed)
    }
}

/// The frame that stands for `commit` when its events are gone.
pub fn frame(commit: &Commit, gone: Gone) -> Bytes {
    let view = commit.view();
    let mut out = vec![0; FRAME_HEAD];
    let names = (view.category, view.id);
    put_head(&mut out, STUB, names, view.version, view.time, CommandId::from(Uuid::nil()));
    crate::wire::put_varint(&mut out, view.events);
    gone.put(&mut out, commit.hash());
    seal_frame(&mut out).expect("names and numbers are far below the largest commit");
    out.into()
}
