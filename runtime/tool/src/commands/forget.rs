use std::sync::Arc;

use actuarius::erasure::keys::MasterKeys;
use serde::Serialize;

use super::Desk;
use crate::arguments::Forget;
use crate::text::Name;
use crate::trouble::{Outcome, Trouble};

#[derive(Serialize)]
struct ForgottenShown<'a> {
    subject: &'a str,
    /// Otherwise nothing was ever sealed for it, or it was forgotten before.
    had_key: bool,
    /// Views that may have held its clear text. They are built anew when they are started.
    removed_views: Vec<String>,
    /// Views that could not be looked at.
    unseen_views: Vec<String>,
}

/// What a runtime does to forget, on a runtime that has nothing else to do.
pub(super) fn run(
    desk: &mut Desk<'_, '_>,
    master: Arc<dyn MasterKeys>,
    asked: &Forget,
) -> Result<Outcome, Trouble> {
    desk.place.writable()?;
    let keys = desk.place.keys(master)?.ok_or(Trouble::NoKeys)?;
    let subject = asked.subject.as_str();
    if !asked.yes {
        let why = format!("what is personal about {subject:?} would be gone for good: say --yes");
        return Err(Trouble::Other(why));
    }
    let engine = desk.place.forgetting_engine(keys)?;
    let forgotten = engine.wait(engine.runtime().forget(subject))?;
    let is_complete = forgotten.is_complete();
    let shown = ForgottenShown {
        subject,
        had_key: forgotten.had_key,
        removed_views: forgotten.removed_views,
        unseen_views: forgotten.unseen_views,
    };
    desk.output.document(&shown, &shown.fields())?;
    if !shown.removed_views.is_empty() {
        desk.output.remark("The views that were removed are built anew when they are started.")?;
    }
    Ok(if is_complete { Outcome::Fine } else { Outcome::Findings })
}

impl ForgottenShown<'_> {
    fn fields(&self) -> Vec<(&'static str, String)> {
        let names = |all: &[String]| Name(&all.join(", ")).to_string();
        let key = match self.had_key {
            true => "destroyed",
            false => "there was none: nothing was ever sealed for it, or it was forgotten before",
        };
        let mut fields =
            vec![("forgotten", Name(self.subject).to_string()), ("key", key.to_owned())];
        if !self.removed_views.is_empty() {
            fields.push(("removed views", names(&self.removed_views)));
        }
        if !self.unseen_views.is_empty() {
            let why = "could not be looked at; forget the subject again once they can";
            fields.push(("OTHER VIEWS", format!("{} {why}", names(&self.unseen_views))));
        }
        fields
    }
}
