//! Verifies the log of any store through its reader.

use actuarius_domain::Position;

use super::reader::{Maintenance, PageLimit};
use super::verify::{LogCheck, Verified, Verify};
use crate::error::ReadError;

/// Verifies the log of any store. For engines.
///
/// An engine that has more than a log to check calls this first.
///
/// # Errors
/// Returns [`ReadError`] if the log cannot be read at all. Damage is part of the result.
pub fn verify_log<R: Maintenance + ?Sized>(
    reader: &R,
    verify: &mut Verify<'_>,
) -> Result<Verified, ReadError> {
    let head = reader.head();
    let mut check = LogCheck::new(verify, head);
    let mut at = Position::NONE;
    while at < head {
        let page = match reader.read_raw(at, PageLimit::default()) {
            Err(ReadError::Damaged(damage)) => {
                check.unreadable(damage.position.get(), &damage.what);
                break;
            }
            page => page?,
        };
        if page.commits.is_empty() {
            break;
        }
        for commit in page.commits.iter().take_while(|commit| commit.position() <= head) {
            check.continue_at(commit.position().get(), None);
            check.commit(commit);
            at = commit.last_position();
        }
    }
    Ok(check.finish())
}
