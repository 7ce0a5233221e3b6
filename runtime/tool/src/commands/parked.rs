//! The commands `parked list`, `parked retry` and `parked skip`.

use actuarius::store::Reader;
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
        Parked::List { subscription, key, error } => {
            list(session, subscription, key.as_deref(), error)
        }
        Parked::Retry { subscription, key, error } => {
            retry(session, subscription, key.as_deref(), error)
        }
        Parked::Skip { subscription, key, position } => skip(session, subscription, key, *position),
    }
}

fn list(
    session: &mut Session<'_, '_>,
    subscription: &str,
    key: Option<&str>,
    error: &str,
) -> Result<Outcome, ToolError> {
    let reader = &*session.store.reader;
    check_exists(reader, subscription)?;
    let (parked, more) = match key {
        Some(key) => {
            let of_key = inspection::parked_of(reader, subscription, key)?;
            (of_key.events, of_key.more)
        }
        None => (inspection::parked(reader, subscription)?, false),
    };
    let columns =
        ["KEY", "#POSITION", "STREAM", "EVENT", "#ATTEMPTS", "#WAITING", "PARKED AT", "ERROR"];
    let mut table = session.output.list(&columns);
    for it in parked.iter().filter(|it| it.error.starts_with(error)) {
        table.row(&shown(subscription, it), cells)?;
    }
    if table.end()? == 0 {
        session.output.remark("No events are parked.")?;
    }
    if more {
        session.output.remark("Further events are parked, which are not listed.")?;
    }
    Ok(Outcome::Success)
}

fn check_exists(reader: &dyn Reader, subscription: &str) -> Result<(), ToolError> {
    if inspection::subscriptions(reader)?.iter().any(|it| it.name == subscription) {
        return Ok(());
    }
    Err(ToolError::Other(format!("the store has no subscription {subscription:?}")))
}

#[derive(Serialize)]
struct ToBeRetried<'a> {
    subscription: &'a str,
    keys: usize,
}

fn retry(
    session: &mut Session<'_, '_>,
    subscription: &str,
    key: Option<&str>,
    error: &str,
) -> Result<Outcome, ToolError> {
    check_exists(&*session.store.reader, subscription)?;
    let wanted = |first: &actuarius::subscription::Parked| {
        key.is_none_or(|key| *key == *first.key) && first.error.starts_with(error)
    };
    let store = session.store.writable()?;
    let keys = inspection::retry_parked_at_start(store, subscription, wanted)?;
    let shown = ToBeRetried { subscription, keys };
    let name = Name(subscription).to_string();
    let fields = [("subscription", name), ("keys to be retried", keys.to_string())];
    session.output.document(&shown, &fields)?;
    if keys == 0 {
        session.output.remark("No parked events fit.")?;
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
