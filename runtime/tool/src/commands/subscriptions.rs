//! The command `subscriptions`.

use actuarius::inspection;
use serde::Serialize;

use super::Session;
use crate::error::{Outcome, ToolError};
use crate::text;

#[derive(Serialize)]
struct SubscriptionShown {
    name: String,
    position: u64,
    lag: u64,
    paused: bool,
    keys_parked: u64,
    events_parked: u64,
}

pub(super) fn run(session: &mut Session<'_, '_>) -> Result<Outcome, ToolError> {
    let reader = &*session.store.reader;
    let head = reader.head().get();
    let all = inspection::subscriptions(reader)?;
    let columns = ["NAME", "#POSITION", "#LAG", "PAUSED", "#KEYS PARKED", "#EVENTS PARKED"];
    let mut table = session.output.list(&columns);
    for it in all {
        let shown = SubscriptionShown {
            name: it.name,
            position: it.position.get(),
            lag: head.saturating_sub(it.position.get()),
            paused: it.paused,
            keys_parked: it.keys_parked,
            events_parked: it.events_parked,
        };
        table.row(&shown, |it| {
            vec![
                text::Name(&it.name).to_string(),
                it.position.to_string(),
                it.lag.to_string(),
                if it.paused { "yes" } else { "no" }.to_owned(),
                it.keys_parked.to_string(),
                it.events_parked.to_string(),
            ]
        })?;
    }
    if table.end()? == 0 {
        session.output.remark("There are no subscriptions.")?;
    }
    Ok(Outcome::Success)
}
