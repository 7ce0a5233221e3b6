//! The command `delete`.

use actuarius::Version;
use actuarius::inspection::{self, Lag};
use actuarius::operations::Reuse;
use serde::Serialize;

use super::Session;
use super::history::no_such;
use crate::arguments::Delete;
use crate::error::{Outcome, ToolError};
use crate::text;

#[derive(Serialize)]
struct DeletedShown {
    r#type: String,
    id: String,
    /// The version of the event that ends the stream.
    version: u64,
    /// The number of commits that were removed from the log.
    commits: u64,
    reusable: bool,
    /// The stream had already been deleted.
    already: bool,
}

pub(super) fn run(session: &mut Session<'_, '_>, args: &Delete) -> Result<Outcome, ToolError> {
    let stream = args.stream.id()?;
    let store = session.store.writable()?;
    let version = store.reader.version(&stream)?;
    if version == Version::NONE {
        return Err(no_such(&stream));
    }
    if !args.yes {
        let events = text::count(version.get(), "event");
        let why = format!(
            "{stream} has {events}, which would be permanently deleted: confirm with --yes"
        );
        return Err(ToolError::Other(why));
    }
    let reuse = if args.reusable { Reuse::Allowed } else { Reuse::Never };
    let lag = if args.despite_lag { Lag::Ignored } else { Lag::Refused };
    let deleted = inspection::delete(store, &stream, reuse, lag)?;
    let shown = DeletedShown {
        r#type: stream.category().to_owned(),
        id: stream.id().to_owned(),
        version: deleted.map_or(version, |deleted| deleted.version).get(),
        commits: deleted.map_or(0, |deleted| deleted.commits),
        reusable: args.reusable,
        already: deleted.is_none(),
    };
    let result = if shown.already { "was already deleted" } else { "deleted" };
    let fields = [
        ("stream", format!("{} {result}", text::stream(stream.category(), stream.id()))),
        ("commits", format!("{} removed from the log; `compact` frees their space", shown.commits)),
    ];
    session.output.document(&shown, &fields)?;
    Ok(Outcome::Success)
}
