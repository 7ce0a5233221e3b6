use actuarius::operations::Reuse;
use actuarius::{Version, inspection};
use serde::Serialize;

use super::Desk;
use super::history::no_such;
use crate::arguments::Delete;
use crate::text;
use crate::trouble::{Outcome, Trouble};

#[derive(Serialize)]
struct DeletedShown {
    r#type: String,
    id: String,
    /// The version of the event that ends the stream.
    version: u64,
    /// How many commits have left the log.
    commits: u64,
    reusable: bool,
    /// It had been deleted before.
    already: bool,
}

pub(super) fn run(desk: &mut Desk<'_, '_>, asked: &Delete) -> Result<Outcome, Trouble> {
    let stream = asked.stream.id()?;
    let store = desk.place.writable()?;
    let version = store.reader.version(&stream)?;
    if version == Version::NONE {
        return Err(no_such(&stream));
    }
    if !asked.yes {
        let why = format!("{stream} has {version} events, which would be gone for good: say --yes");
        return Err(Trouble::Other(why));
    }
    let reuse = if asked.reusable { Reuse::Allowed } else { Reuse::Never };
    let deleted = inspection::delete(store, &stream, reuse)?;
    let shown = DeletedShown {
        r#type: stream.category().to_owned(),
        id: stream.id().to_owned(),
        version: deleted.map_or(version, |deleted| deleted.version).get(),
        commits: deleted.map_or(0, |deleted| deleted.commits),
        reusable: asked.reusable,
        already: deleted.is_none(),
    };
    let said = if shown.already { "was deleted before" } else { "is deleted" };
    let fields = [
        ("stream", format!("{} {said}", text::stream(stream.category(), stream.id()))),
        (
            "commits",
            format!("{} have left the log; `compact` gives back their room", shown.commits),
        ),
    ];
    desk.output.document(&shown, &fields)?;
    Ok(Outcome::Fine)
}
