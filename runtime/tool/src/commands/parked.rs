//! The commands `parked list` and `parked skip`.

use actuarius::{Position, inspection};
use serde::Serialize;

use super::Session;
use crate::arguments::Parked;
use crate::error::{Outcome, ToolError};
use crate::moment::Utc;
use crate::text::{self, Name};

#[derive(Serialize)]
struct ParkedShown {
    subscription: String,
    key: String,
    position: u64,
    r#type: String,
    id: String,
    event: String,
    attempts: u32,
    error: String,
    parked_at: Utc,
    behind: u64,
}

pub(super) fn run(session: &mut Session<'_, '_>, args: &Parked) -> Result<Outcome, ToolError> {
    match args {
        Parked::List { subscription, key } => list(session, subscription, key.as_deref()),
        Parked::Skip { subscription, key, position } => skip(session, subscription, key, *position),
    }
}

fn list(
    session: &mut Session<'_, '_>,
    subscription: &str,
    key: Option<&str>,
) -> Result<Outcome, ToolError> {
    let reader = &*session.store.reader;
    let all = inspection::subscriptions(reader)?;
    if !all.iter().any(|it| it.name == subscription) {
        return Err(ToolError::Other(format!("the store has no subscription {subscription:?}")));
    }
    let parked = match key {
        Some(key) => inspection::parked_of(reader, subscription, key)?,
        None => inspection::parked(reader, subscription)?,
    };
    let columns =
        ["KEY", "#POSITION", "STREAM", "EVENT", "#ATTEMPTS", "#WAITING", "PARKED AT", "ERROR"];
    let mut table = session.output.list(&columns);
    for it in parked {
        table.row(&shown(subscription, &it), cells)?;
    }
    if table.end()? == 0 {
        session.output.remark("No events are parked.")?;
    }
    Ok(Outcome::Success)
}

fn skip(
    session: &mut Session<'_, '_>,
    subscription: &str,
    key: &str,
    position: Position,
) -> Result<Outcome, ToolError> {
    let first =
        inspection::parked_of(&*session.store.reader, subscription, key)?.into_iter().next();
    if let Some(first) = first.filter(|first| first.position != position) {
        let found = first.position;
        let why =
            format!("the first event parked under {key:?} is at position {found}, not {position}");
        return Err(ToolError::Other(why));
    }
    let skipped = inspection::skip_parked(session.store.writable()?, subscription, key)?;
    let shown = shown(subscription, &skipped);
    let event = format!("{} of {}", shown.event, text::stream(&shown.r#type, &shown.id));
    let fields = [("skipped", event), ("position", position.to_string())];
    session.output.document(&shown, &fields)?;
    Ok(Outcome::Success)
}

fn shown(subscription: &str, parked: &actuarius::subscription::Parked) -> ParkedShown {
    ParkedShown {
        subscription: subscription.to_owned(),
        key: parked.key.to_string(),
        position: parked.position.get(),
        r#type: parked.stream.category().to_owned(),
        id: parked.stream.id().to_owned(),
        event: parked.event_type.to_string(),
        attempts: parked.attempts,
        error: parked.error.to_string(),
        parked_at: Utc(parked.parked_at),
        behind: parked.behind,
    }
}

fn cells(it: &ParkedShown) -> Vec<String> {
    vec![
        Name(&it.key).to_string(),
        it.position.to_string(),
        text::stream(&it.r#type, &it.id),
        Name(&it.event).to_string(),
        it.attempts.to_string(),
        it.behind.to_string(),
        it.parked_at.to_string(),
        Name(&it.error).to_string(),
    ]
}
