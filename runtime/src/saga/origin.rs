//! `Origin`: the user and the entries of metadata that travel from an input of a saga to what follows from it.

use std::collections::BTreeMap;
use std::sync::Arc;

use actuarius_domain::Metadata;
use serde::{Deserialize, Serialize};

/// The user and the entries of the metadata of an event or a call. What a saga sends because of it carries them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Origin {
    user: Option<String>,
    entries: BTreeMap<String, String>,
}

/// The origin of a step or a command: `None` if there is neither a user nor an entry, which is not stored.
pub(super) type MaybeOrigin = Option<Arc<Origin>>;

impl Origin {
    pub(super) fn of(metadata: &Metadata) -> MaybeOrigin {
        let Metadata { user, entries, .. } = metadata;
        let has_any = user.is_some() || !entries.is_empty();
        has_any.then(|| Arc::new(Self { user: user.clone(), entries: entries.clone() }))
    }
}

/// Adds the user and the entries of an origin to metadata that has none.
pub(super) fn carrying(metadata: Metadata, origin: Option<&Arc<Origin>>) -> Metadata {
    match origin.map(|origin| (**origin).clone()) {
        Some(Origin { user, entries }) => Metadata { user, entries, ..metadata },
        None => metadata,
    }
}
