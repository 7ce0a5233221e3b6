use actuarius::Position;
use actuarius::persistence::PageLimit;
use serde::Serialize;

use super::Desk;
use crate::moment::Utc;
use crate::text;
use crate::trouble::{Outcome, Trouble};

#[derive(Serialize)]
struct Info {
    directory: String,
    engine: &'static str,
    identity: String,
    head: u64,
    link: String,
    disk_bytes: u64,
    first_time: Option<Utc>,
    last_time: Option<Utc>,
    subscriptions: usize,
}

pub(super) fn run(desk: &mut Desk<'_, '_>) -> Result<Outcome, Trouble> {
    let reader = desk.place.reader();
    let (info, end) = (reader.info()?, reader.chain()?);
    let shown = Info {
        directory: desk.place.directory.display().to_string(),
        engine: info.engine,
        identity: reader.identity().to_string(),
        head: end.position.get(),
        link: end.link.to_string(),
        disk_bytes: info.disk_bytes,
        first_time: time_behind(desk, Position::NONE)?,
        last_time: time_behind(desk, Position::new(end.position.get().saturating_sub(1)))?,
        subscriptions: actuarius::inspection::subscriptions(reader)?.len(),
    };
    let time = |time: &Option<Utc>| time.as_ref().map_or("–".to_owned(), Utc::to_string);
    let fields = [
        ("directory", text::Name(&shown.directory).to_string()),
        ("engine", shown.engine.to_owned()),
        ("identity", shown.identity.clone()),
        ("head", shown.head.to_string()),
        ("link", shown.link.clone()),
        ("on disk", text::bytes(shown.disk_bytes)),
        ("first event", time(&shown.first_time)),
        ("last event", time(&shown.last_time)),
        ("subscriptions", shown.subscriptions.to_string()),
    ];
    desk.output.document(&shown, &fields)?;
    Ok(Outcome::Fine)
}

/// When the commit with the event behind `after` was decided.
fn time_behind(desk: &Desk<'_, '_>, after: Position) -> Result<Option<Utc>, Trouble> {
    let page = desk.place.reader().read_raw(after, PageLimit { commits: 1, bytes: 0 })?;
    Ok(page.commits.first().map(|commit| Utc(commit.view().time)))
}
