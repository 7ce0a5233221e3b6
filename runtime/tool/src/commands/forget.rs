//! The command `forget`.

use std::sync::Arc;

use actuarius::erasure::keys::MasterKeys;
use serde::Serialize;

use super::Session;
use crate::arguments::Forget;
use crate::error::{Outcome, ToolError};
use crate::text::Name;

#[derive(Serialize)]
struct ForgottenShown<'a> {
    subject: &'a str,
    /// If false, no data of the subject was ever encrypted, or it was forgotten before.
    had_key: bool,
    /// Removed views, which may have contained its clear text. They are rebuilt when they are started.
    removed_views: Vec<String>,
    /// Views that could not be examined.
    unseen_views: Vec<String>,
}

/// Forgets a subject as `Runtime::forget` does, on a runtime that does nothing else.
pub(super) fn run(
    session: &mut Session<'_, '_>,
    master: Arc<dyn MasterKeys>,
    args: &Forget,
) -> Result<Outcome, ToolError> {
    session.store.writable()?;
    let keys = session.store.keys(master)?.ok_or(ToolError::NoKeys)?;
    let subject = args.subject.as_str();
    if !args.yes {
        let why = format!(
            "the personal data of {subject:?} would be permanently unreadable: confirm with --yes"
        );
        return Err(ToolError::Other(why));
    }
    let engine = session.store.forgetting_engine(keys)?;
    let forgotten = engine.wait(engine.runtime().forget(subject))?;
    let is_complete = forgotten.is_complete();
    let shown = ForgottenShown {
        subject,
        had_key: forgotten.had_key,
        removed_views: forgotten.removed_views,
        unseen_views: forgotten.unseen_views,
    };
    session.output.document(&shown, &shown.fields())?;
    if !shown.removed_views.is_empty() {
        session.output.remark("The removed views are rebuilt when they are started.")?;
    }
    Ok(if is_complete { Outcome::Success } else { Outcome::Findings })
}

impl ForgottenShown<'_> {
    fn fields(&self) -> Vec<(&'static str, String)> {
        let names = |all: &[String]| Name(&all.join(", ")).to_string();
        let key = match self.had_key {
            true => "destroyed",
            false => {
                "there was none: no data of the subject was encrypted, or it was forgotten before"
            }
        };
        let mut fields =
            vec![("forgotten", Name(self.subject).to_string()), ("key", key.to_owned())];
        if !self.removed_views.is_empty() {
            fields.push(("removed views", names(&self.removed_views)));
        }
        if !self.unseen_views.is_empty() {
            let why = "could not be examined; forget the subject again once they can be";
            fields.push(("OTHER VIEWS", format!("{} {why}", names(&self.unseen_views))));
        }
        fields
    }
}
