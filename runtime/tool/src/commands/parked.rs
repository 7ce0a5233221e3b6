use actuarius::{Position, inspection};
use serde::Serialize;

use super::Desk;
use crate::arguments::Parked;
use crate::moment::Utc;
use crate::text::{self, Name};
use crate::trouble::{Outcome, Trouble};

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

pub(super) fn run(desk: &mut Desk<'_, '_>, asked: &Parked) -> Result<Outcome, Trouble> {
    match asked {
        Parked::List { subscription, key } => list(desk, subscription, key.as_deref()),
        Parked::Skip { subscription, key, position } => skip(desk, subscription, key, *position),
    }
}

fn list(
    desk: &mut Desk<'_, '_>,
    subscription: &str,
    key: Option<&str>,
) -> Result<Outcome, Trouble> {
    let reader = &*desk.place.reader;
    let all = inspection::subscriptions(reader)?;
    if !all.iter().any(|it| it.name == subscription) {
        return Err(Trouble::Other(format!("there is no subscription {subscription:?}")));
    }
    let parked = match key {
        Some(key) => inspection::parked_of(reader, subscription, key)?,
        None => inspection::parked(reader, subscription)?,
    };
    let columns =
        ["KEY", "#POSITION", "STREAM", "EVENT", "#ATTEMPTS", "#BEHIND", "PARKED", "ERROR"];
    let mut table = desk.output.list(&columns);
    for it in parked {
        table.row(&shown(subscription, &it), cells)?;
    }
    if table.end()? == 0 {
        desk.output.remark("Nothing is parked.")?;
    }
    Ok(Outcome::Fine)
}

fn skip(
    desk: &mut Desk<'_, '_>,
    subscription: &str,
    key: &str,
    position: Position,
) -> Result<Outcome, Trouble> {
    let first = inspection::parked_of(&*desk.place.reader, subscription, key)?.into_iter().next();
    if let Some(first) = first.filter(|first| first.position != position) {
        let found = first.position;
        let why =
            format!("the first event parked under {key:?} is at position {found}, not {position}");
        return Err(Trouble::Other(why));
    }
    let skipped = inspection::skip_parked(desk.place.writable()?, subscription, key)?;
    let shown = shown(subscription, &skipped);
    let said = format!("{} of {}", shown.event, text::stream(&shown.r#type, &shown.id));
    let fields = [("skipped", said), ("position", position.to_string())];
    desk.output.document(&shown, &fields)?;
    Ok(Outcome::Fine)
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
