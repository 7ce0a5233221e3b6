//! Ids of commands, events and workflows, and the metadata of a request.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The namespace for ids that are derived from names: a random UUID, generated once.
const NAMES: Uuid = Uuid::from_u128(0x6b1f_4c1e_0d0a_4c57_9a3e_5a2f_7c11_ac70);

macro_rules! uuid_newtype {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Returns the id as a UUID.
            #[must_use]
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }

            /// Returns the sixteen bytes of the id.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        /// Derives the id from the name by hashing (UUID version 5, RFC 9562), so the same name always
        /// gives the same id.
        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                Self(Uuid::new_v5(&NAMES, name.as_bytes()))
            }
        }

        impl From<String> for $name {
            fn from(name: String) -> Self {
                Self::from(name.as_str())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }
    };
}

uuid_newtype! {
    /// Identifies one request, so that its repetition is recognised.
    ///
    /// Use a UUID, or any text that identifies the request in your system. The empty text is an id like any other.
    ///
    /// ```
    /// # use actuarius_domain as actuarius;
    /// use actuarius::CommandId;
    ///
    /// assert_eq!(CommandId::from("order-17/pay"), CommandId::from("order-17/pay"));
    /// assert_ne!(CommandId::from("order-17/pay"), CommandId::from("order-18/pay"));
    /// ```
    CommandId
}

uuid_newtype! {
    /// Identifies what directly caused a request: the event, command or external message before it.
    CausationId
}

uuid_newtype! {
    /// Identifies the workflow that a request belongs to, across aggregates.
    CorrelationId
}

uuid_newtype! {
    /// Identifies one stored event.
    EventId
}

impl From<EventId> for CausationId {
    fn from(event: EventId) -> Self {
        Self(event.0)
    }
}

impl From<CommandId> for CausationId {
    fn from(command: CommandId) -> Self {
        Self(command.0)
    }
}

/// The user, cause and correlation of a request. Stored with every event of the command.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// The workflow that the request belongs to. If absent, the command starts a new one, with the
    /// command id as its correlation id.
    pub correlation: Option<CorrelationId>,
    /// What directly caused the request.
    pub causation: Option<CausationId>,
    /// The user or system on whose behalf the request is made.
    pub user: Option<String>,
    /// Further entries by name.
    pub entries: BTreeMap<String, String>,
}

impl Metadata {
    /// Adds an entry.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.entries.insert(name.into(), value.into());
        self
    }

    /// Sets the user on whose behalf the request is made.
    #[must_use]
    pub fn on_behalf_of(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }
}
