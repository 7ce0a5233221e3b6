//! Which stored subscriptions have not finished an event.

use actuarius_domain::Position;
use actuarius_persistence::{ReadError, Reader};

use super::checkpoint::{self, Checkpoint};
use super::opening::NOTES_AT_ONCE;
use crate::follow::scope::Scope;

/// Returns the stored subscriptions that receive events of an aggregate type and have not finished the event at
/// `position`, with the positions that they have finished. One that was last started by a release that did not record
/// what it receives may receive any.
///
/// # Errors
/// [`ReadError`]; it names a damaged note.
pub(crate) fn lagging(
    reader: &dyn Reader,
    category: &str,
    position: Position,
) -> Result<Vec<(String, Position)>, ReadError> {
    let (prefix, mut found, mut after) = (checkpoint::key(""), Vec::new(), None);
    loop {
        let page = reader.notes(prefix.as_bytes(), after.as_deref(), NOTES_AT_ONCE)?;
        for note in &page {
            let name = String::from_utf8_lossy(&note.key[prefix.len()..]).into_owned();
            let finished = Checkpoint::decode(&name, note.value.clone())?.mark.position;
            if finished < position
                && Scope::read(reader, &name)?.is_none_or(|scope| scope.has(category))
            {
                found.push((name, finished));
            }
        }
        if page.len() < NOTES_AT_ONCE {
            return Ok(found);
        }
        after = page.last().map(|note| note.key.clone());
    }
}
